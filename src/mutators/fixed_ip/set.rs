//! A StatefulSet, when it is created or changed: what is wrong with its list is told before a Pod is stuck.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::list::{self, count, reject};
use super::pod::on_host_network;
use super::{FixedIp, check};
use crate::mutators::Rejection;
use crate::pod::Pod;
use crate::policy::{Object, Subject};
use crate::view::{ADDRESSES, AddressList, Maker, PodName, SetName, StatefulSet, View, ordinal};

/// The most Pods whose addresses are looked at one by one.
const MOST_PODS: usize = 1000;
/// The most Pods that are named.
const MOST_NAMED: usize = 16;

impl FixedIp {
    /// Judges a workload that carries a list, and tells which Pods get what.
    pub(super) fn judge_set(
        &self,
        subject: &Subject<'_>,
        object: &Object<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Vec<Rejection>> {
        let (own, template) = (list::on(object.now), list::on(subject.pod));
        let workload = &subject.workload;
        let maker = Maker::of(&workload.group, &workload.kind);
        let (listed, maker) = match (own.or(template), maker) {
            (Some(_), None) => return Err(vec![list::reject_owner(&workload.kind)]),
            (None, None) => return Ok(Map::new()),
            (listed, Some(maker)) => (listed, maker),
        };
        if own.zip(template).is_some_and(|(own, template)| own != template) {
            let message =
                "it stands on the StatefulSet and on its Pod template, and they differ; keep one of them";
            return Err(vec![reject(message).refusing_workload()]);
        }
        let list = listed.map(list::read).transpose().map_err(|rejection| vec![rejection])?;
        let name = SetName { maker, namespace: subject.namespace.to_owned(), name: workload.name.clone() };
        let set = StatefulSet::read(&object.now.node().to_value());
        let pods = Pods { subject, name, set, list: list.unwrap_or_else(|| AddressList::from_iter([])) };
        warnings.extend(object.before.and_then(|before| pods.drift(before)));
        if listed.is_none() {
            return Ok(Map::new());
        }
        let mut rejections: Vec<_> = on_host_network(subject.pod).into_iter().collect();
        let message = self
            .forbidden(subject, &pods.list)
            .or_else(|| too_few(&pods.list, pods.set.places()))
            .or_else(|| pods.rival())
            .or_else(|| pods.held());
        rejections.extend(message.map(|message| reject(message).refusing_workload()));
        if !rejections.is_empty() {
            return Err(rejections);
        }
        Ok(Map::from_iter([("addresses".to_owned(), pods.facts())]))
    }
}

/// Why a StatefulSet cannot have this many Pods.
pub(in crate::mutators) fn judge_scale(view: &View, name: &SetName, replicas: u32) -> Option<Rejection> {
    let set = view.stateful_sets.get(name).filter(|set| set.replicas < replicas)?;
    let scaled = StatefulSet { replicas, ..StatefulSet::clone(set) };
    too_few(set.addresses.as_ref()?, scaled.places()).map(reject)
}

/// Tells of a list that is too short for the Pods.
fn too_few(list: &AddressList, places: u32) -> Option<String> {
    let family = list.families().find(|family| list.len(*family) < places.into())?;
    Some(format!("it lists {}, and the Pods take up {places}; add addresses", count(list, family)))
}

/// The Pods that a StatefulSet has, or will have.
struct Pods<'a> {
    subject: &'a Subject<'a>,
    name: SetName,
    set: StatefulSet,
    list: AddressList,
}

impl Pods<'_> {
    /// A StatefulSet that lists one of the addresses too.
    fn rival(&self) -> Option<String> {
        let (other, address) = check::rival(self.subject, &self.name, None, &self.list)?;
        Some(check::shared(address, other))
    }

    /// A live Pod of another workload that holds one of the addresses. Its own Pods may have to change places.
    fn held(&self) -> Option<String> {
        let holder =
            |address: IpAddr| Some((address, check::holder(self.subject, address, |pod| self.is_own(pod))?));
        let (address, holder) = self.each().flat_map(|(_, addresses)| addresses).find_map(holder)?;
        Some(format!(
            "{address} is held by {holder}, which is alive; choose another, or wait until it has gone"
        ))
    }

    /// Live Pods that hold addresses which the list now gives to others, or to none.
    fn drift(&self, before: &Pod) -> Option<String> {
        let text = list::on(before).or_else(|| template_list(before))?;
        let pods = Pods {
            subject: self.subject,
            name: self.name.clone(),
            set: StatefulSet::read(&before.node().to_value()),
            list: text.parse().ok()?,
        };
        let is_moved = |(ordinal, addresses): &(u32, Vec<IpAddr>)| {
            let pod = format!("{}-{ordinal}", self.name.name);
            let holds = |address: &IpAddr| {
                self.subject
                    .view
                    .holders
                    .of(*address)
                    .iter()
                    .any(|holder| holder.namespace == self.name.namespace && holder.name == pod)
            };
            *addresses != self.of(*ordinal) && addresses.iter().any(holds)
        };
        let moved: Vec<_> = pods.each().filter(is_moved).map(|(ordinal, _)| ordinal).collect();
        let named = moved.iter().take(MOST_NAMED).map(|ordinal| format!("{}-{ordinal}", self.name.name));
        let mut named: Vec<_> = named.collect();
        if moved.len() > MOST_NAMED {
            named.push(format!("{} more", moved.len() - MOST_NAMED));
        }
        let pods = named.join(", ");
        (!moved.is_empty()).then(|| {
            format!(
                "{ADDRESSES}: running Pods keep the addresses that they have until they are deleted: {pods}"
            )
        })
    }

    /// The ordinals and their addresses, as many as are looked at.
    fn each(&self) -> impl Iterator<Item = (u32, Vec<IpAddr>)> {
        self.set.ordinals().take(MOST_PODS).map(|ordinal| (ordinal, self.of(ordinal)))
    }

    fn of(&self, ordinal: u32) -> Vec<IpAddr> {
        let place = ordinal.checked_sub(self.set.start).map(u128::from);
        let at = |family| place.and_then(|place| self.list.nth(family, place));
        self.list.families().filter_map(at).collect()
    }

    fn is_own(&self, pod: &PodName) -> bool {
        pod.namespace == self.name.namespace && ordinal(&self.name.name, &pod.name).is_some()
    }

    fn facts(&self) -> Value {
        let named = self.each().take(MOST_NAMED);
        Value::Object(
            named
                .map(|(ordinal, addresses)| (format!("{}-{ordinal}", self.name.name), json!(addresses)))
                .collect(),
        )
    }
}

/// The list on the Pod template of a StatefulSet.
fn template_list(object: &Pod) -> Option<&str> {
    object.node().at(["spec", "template", "metadata", "annotations", ADDRESSES])?.as_str()
}
