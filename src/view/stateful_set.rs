//! `StatefulSet`s, as far as the addresses of their Pods depend on them.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::AddressList;

/// The annotation that lists the addresses of a StatefulSet's Pods, on itself or on its Pod template.
pub const ADDRESSES: &str = "ipam.podwright.dev/addresses";

/// Whose StatefulSets: both number their Pods alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Maker {
    /// Kubernetes (`apps`).
    Kubernetes,
    /// OpenKruise (`apps.kruise.io`), which can leave ordinals out.
    Kruise,
}

/// The name of a StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetName {
    /// Whose it is.
    pub maker: Maker,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatefulSet {
    /// Its uid; another one of the same name has another.
    pub uid: String,
    /// When it was created. Of two that list one address, the older has it.
    pub created: Option<Timestamp>,
    /// How many Pods it has.
    pub replicas: u32,
    /// The ordinal of its first Pod.
    pub start: u32,
    /// Ordinals that are left out: ranges that go up and do not touch.
    pub reserved: Vec<RangeInclusive<u32>>,
    /// The list on the StatefulSet itself.
    pub own_list: Option<String>,
    /// Every address that is listed on it or on its Pod template, where that reads.
    pub addresses: Option<Arc<AddressList>>,
    /// Whether it is being deleted: it gets no more Pods.
    pub is_going: bool,
}

/// The part of `metadata` that counts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    uid: Option<String>,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    annotations: Option<Annotations>,
}

/// The part of `spec` that counts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    replicas: Option<u32>,
    ordinals: Option<Ordinals>,
    reserve_ordinals: Option<Vec<Value>>,
    template: Option<Template>,
}

#[derive(Debug, Clone, Deserialize)]
struct Ordinals {
    start: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
struct Template {
    metadata: Option<Metadata>,
}

#[derive(Debug, Clone, Deserialize)]
struct Annotations {
    #[serde(rename = "ipam.podwright.dev/addresses")]
    addresses: Option<String>,
}

impl Metadata {
    /// Of an object that was read as a whole.
    #[must_use]
    pub fn new(
        uid: Option<String>,
        creation_timestamp: Option<Timestamp>,
        deletion_timestamp: Option<Timestamp>,
        addresses: Option<String>,
    ) -> Self {
        Self { uid, creation_timestamp, deletion_timestamp, annotations: Some(Annotations { addresses }) }
    }
}

impl Maker {
    /// Whose StatefulSets have this group and kind.
    #[must_use]
    pub fn of(group: &str, kind: &str) -> Option<Self> {
        match (group, kind) {
            ("apps", "StatefulSet") => Some(Self::Kubernetes),
            ("apps.kruise.io", "StatefulSet") => Some(Self::Kruise),
            _ => None,
        }
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "StatefulSet {}/{}", self.namespace, self.name)
    }
}

impl StatefulSet {
    /// What of a StatefulSet counts.
    #[must_use]
    pub fn new(metadata: Metadata, spec: Spec) -> Self {
        let template = spec.template.and_then(|template| template.metadata).unwrap_or_default();
        let own_list = metadata.annotations.and_then(|annotations| annotations.addresses);
        let template_list = template.annotations.and_then(|annotations| annotations.addresses);
        let reserved = spec.reserve_ordinals.unwrap_or_default();
        let list = own_list.as_deref().or(template_list.as_deref());
        Self {
            uid: metadata.uid.unwrap_or_default(),
            created: metadata.creation_timestamp,
            replicas: spec.replicas.unwrap_or(1),
            start: spec.ordinals.and_then(|ordinals| ordinals.start).unwrap_or(0),
            reserved: merged(reserved.iter().filter_map(ordinals).collect()),
            addresses: list.and_then(|list| list.parse().ok()).map(Arc::new),
            own_list,
            is_going: metadata.deletion_timestamp.is_some(),
        }
    }

    /// Reads a StatefulSet from its JSON; one without a readable spec has one Pod, as Kubernetes has it by default.
    #[must_use]
    pub fn read(object: &Value) -> Self {
        let (metadata, spec) = (object.get("metadata"), object.get("spec"));
        let metadata = metadata.and_then(|metadata| Metadata::deserialize(metadata).ok());
        let spec = spec.and_then(|spec| Spec::deserialize(spec).ok());
        Self::new(metadata.unwrap_or_default(), spec.unwrap_or_default())
    }

    /// How many places of the list its Pods take up, from the first to the last: the address of an ordinal that is
    /// left out stays free, so that no other Pod's address changes when one is.
    #[must_use]
    pub fn places(&self) -> u32 {
        let mut end = self.start.saturating_add(self.replicas);
        for range in &self.reserved {
            let (first, last) = (self.start.max(*range.start()), *range.end());
            if self.replicas > 0 && first <= last && first < end {
                end = end.saturating_add((last - first).saturating_add(1));
            }
        }
        end - self.start
    }

    /// The ordinals of its Pods.
    pub fn ordinals(&self) -> impl Iterator<Item = u32> {
        let next = |after: u32| self.free_from(after.checked_add(1)?);
        let count = usize::try_from(self.replicas).unwrap_or(usize::MAX);
        std::iter::successors(self.free_from(self.start), move |&last| next(last)).take(count)
    }

    fn free_from(&self, ordinal: u32) -> Option<u32> {
        let place = self.reserved.partition_point(|range| *range.end() < ordinal);
        match self.reserved.get(place) {
            Some(range) if range.contains(&ordinal) => range.end().checked_add(1),
            _ => Some(ordinal),
        }
    }
}

/// The same ordinals in ranges that go up and do not touch.
fn merged(mut ranges: Vec<RangeInclusive<u32>>) -> Vec<RangeInclusive<u32>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u32>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=(*last.end()).max(*range.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// One entry of OpenKruise's `reserveOrdinals`: a number, or a range as text.
fn ordinals(entry: &Value) -> Option<RangeInclusive<u32>> {
    if let Some(number) = entry.as_u64() {
        let number = u32::try_from(number).ok()?;
        return Some(number..=number);
    }
    let text = entry.as_str()?;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
}

/// The ordinal in the name of a StatefulSet's Pod: `redis-12`.
#[must_use]
pub fn ordinal(set: &str, pod: &str) -> Option<u32> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let number: u32 = digits.parse().ok()?;
    // `+1` and `01` are numbers too, but no controller writes them.
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ordinals_that_are_left_out_keep_their_places() {
        for (replicas, start, reserved, places, ordinals) in [
            (3, 0, json!([]), 3, &[0, 1, 2][..]),
            (3, 5, json!([]), 3, &[5, 6, 7]),
            (2, 0, json!([1]), 3, &[0, 2]),
            (3, 0, json!(["1-2", 4]), 6, &[0, 3, 5]),
            (3, 0, json!([7]), 3, &[0, 1, 2]),
            (3, 0, json!([3]), 3, &[0, 1, 2]),
            (2, 0, json!([1, 1, "0-1"]), 4, &[2, 3]),
            (2, 3, json!([0, 1, 4]), 3, &[3, 5]),
            (1, 0, json!(["0-4294967295"]), u32::MAX, &[]),
            (0, 0, json!([0]), 0, &[]),
        ] {
            let set = StatefulSet::read(&json!({"spec": {
                "replicas": replicas, "ordinals": {"start": start}, "reserveOrdinals": reserved}}));
            assert_eq!(set.places(), places, "{replicas} from {start} without {reserved}");
            assert_eq!(
                set.ordinals().collect::<Vec<_>>(),
                ordinals,
                "{replicas} from {start} without {reserved}"
            );
        }
    }

    #[test]
    fn what_the_api_server_gives_is_read() {
        let set = StatefulSet::read(&json!({
            "metadata": {"uid": "u", "creationTimestamp": "2026-11-22T12:00:00Z", "annotations": {"x": "y"}},
            "spec": {"template": {"metadata": {"annotations": {ADDRESSES: "10.0.0.1"}}}},
        }));
        assert_eq!((set.uid.as_str(), set.replicas, set.start, set.is_going), ("u", 1, 0, false));
        assert_eq!(set.own_list, None);
        assert!(set.created.is_some() && set.addresses.is_some());
    }

    #[test]
    fn only_a_controllers_spelling_is_an_ordinal() {
        for (pod, expected) in [
            ("redis-0", Some(0)),
            ("redis-12", Some(12)),
            ("redis-01", None),
            ("redis-+1", None),
            ("redis-", None),
            ("redis", None),
            ("redis-cache-0", None),
            ("redis-99999999999", None),
        ] {
            assert_eq!(ordinal("redis", pod), expected, "{pod}");
        }
    }
}
