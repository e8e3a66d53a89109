//! One Pod: its place in the list, and the addresses there.

use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::list::{self, count, reject};
use super::{FixedIp, check, contradiction};
use crate::mutators::Rejection;
use crate::pod::{Draft, Pod};
use crate::policy::Subject;
use crate::view::calico::{self, IP_ADDRS};
use crate::view::{ADDRESSES, AddressList, Known, PodName, SetName, StatefulSet, ordinal};

/// What the StatefulSet controller of 1.28 and later says of a Pod's ordinal (KEP-4017).
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

impl FixedIp {
    /// Gives a Pod its addresses, if it is to have some.
    pub(super) fn give(
        &self,
        subject: &Subject<'_>,
        draft: &mut Draft<'_>,
    ) -> Result<Map<String, Value>, Vec<Rejection>> {
        let addresses = self.addresses(subject)?;
        if addresses.is_empty() {
            return Ok(Map::new());
        }
        draft.set_annotation(IP_ADDRS, &calico::write(&addresses));
        Ok(Map::from_iter([("addresses".to_owned(), json!(addresses))]))
    }

    /// The addresses of a Pod; none where it is not to have any.
    pub(super) fn addresses(&self, subject: &Subject<'_>) -> Result<Vec<IpAddr>, Vec<Rejection>> {
        let one = |rejection: Rejection| vec![rejection];
        let own = list::on(subject.pod);
        let Some((name, uid)) = list::owner(subject) else {
            return match own {
                None => Ok(Vec::new()),
                Some(_) => Err(one(list::reject_owner(&subject.workload.kind))),
            };
        };
        let Some(set) = self.known(subject, &name, uid).map_err(one)? else { return Ok(Vec::new()) };
        // The Pod's own is that of its revision, which may not be the latest.
        let Some(list) = list_of(own, set) else { return Ok(Vec::new()) };
        let list = list.map_err(one)?;
        let addresses = place(subject.pod, &name, set).and_then(|place| at(&list, place)).map_err(one)?;
        let rejections = self.contradictions(subject, &name, set, &addresses);
        if rejections.is_empty() { Ok(addresses) } else { Err(rejections) }
    }

    /// The StatefulSet of a Pod; `None` where it does not matter.
    fn known<'a>(
        &self,
        subject: &'a Subject<'_>,
        name: &SetName,
        uid: &str,
    ) -> Result<Option<&'a StatefulSet>, Rejection> {
        let has_list = list::on(subject.pod).is_some();
        // Without a grant a StatefulSet that lists addresses was refused.
        let may_be_listed = || self.grants.iter().any(|grant| grant.matching.selects(subject));
        let is_watched = subject.view.is_watched;
        let why = match subject.view.stateful_set(name, uid) {
            Known::Found(set) => return Ok(Some(set)),
            // What is not there lists nothing; the garbage collector takes such a Pod away.
            Known::Absent if !has_list => return Ok(None),
            Known::Absent => {
                let message = format!("the Pod's owner, {name} with uid {uid}, is not in the cluster");
                return Err(Rejection::new("metadata.ownerReferences", message));
            }
            Known::Nothing(_) if !(has_list || is_watched && may_be_listed()) => return Ok(None),
            Known::Nothing(_) if !is_watched => {
                return Err(reject(format!("{name} is not known, since Podwright watches no cluster here")));
            }
            Known::Nothing(why) => why.unwrap_or("it is not known yet"),
        };
        let message =
            format!("{name} could not be read, so that the Pod's address is not known: {why}; try again");
        Err(Rejection::new("metadata.ownerReferences", message).lacking(name.clone()))
    }

    fn contradictions(
        &self,
        subject: &Subject<'_>,
        name: &SetName,
        set: &StatefulSet,
        addresses: &[IpAddr],
    ) -> Vec<Rejection> {
        let mut rejections: Vec<_> = contradiction::with(subject.pod, addresses).into_iter().collect();
        rejections.extend(on_host_network(subject.pod));
        let own = AddressList::from_iter(addresses.iter().copied());
        let rival = || {
            let (other, address) = check::rival(subject, name, Some(set), &own)?;
            Some(check::shared(address, other))
        };
        let is_meant = |pod: &PodName| {
            pod.namespace == subject.namespace && Some(pod.name.as_str()) == subject.pod.name()
        };
        let held = || {
            let holder = |address: &IpAddr| Some((*address, check::holder(subject, *address, is_meant)?));
            let (address, holder) = addresses.iter().find_map(holder)?;
            Some(format!("{address} is held by {holder}, which is alive; try again when it has gone"))
        };
        let message = self.forbidden(subject, &own).or_else(rival).or_else(held);
        rejections.extend(message.map(reject));
        rejections
    }
}

/// The list on the Pod, or else on its StatefulSet, as the view has read it: only what is wrong with it takes another
/// look.
fn list_of<'a>(own: Option<&str>, set: &'a StatefulSet) -> Option<Result<Cow<'a, AddressList>, Rejection>> {
    let text = match (own, &set.own_list, &set.addresses) {
        (None, Some(_), Some(list)) => return Some(Ok(Cow::Borrowed(list))),
        (own, on_set, _) => own.or(on_set.as_deref())?,
    };
    Some(list::read(text).map(Cow::Owned))
}

/// The Pod's place in the list, from 0. What the name and the label say must be one.
fn place(pod: &Pod, name: &SetName, set: &StatefulSet) -> Result<u32, Rejection> {
    let pod_name = pod.name().unwrap_or_default();
    let Some(ordinal) = ordinal(&name.name, pod_name) else {
        let message = format!("{pod_name:?} is no name of a Pod of {name}: expected {}-<ordinal>", name.name);
        return Err(Rejection::new("metadata.name", message));
    };
    if let Some(index) = pod.label(POD_INDEX).filter(|index| *index != ordinal.to_string()) {
        let message = format!("{index:?} is not the ordinal {ordinal} that the Pod's name ends with");
        return Err(Rejection::new(format!("label {POD_INDEX}"), message));
    }
    ordinal.checked_sub(set.start).ok_or_else(|| {
        let message = format!("the ordinal {ordinal} is below {}, the first of {name}", set.start);
        Rejection::new("metadata.name", message)
    })
}

/// The addresses at a place: one of each family.
fn at(list: &AddressList, place: u32) -> Result<Vec<IpAddr>, Rejection> {
    let of = |family| {
        list.nth(family, place.into()).ok_or_else(|| {
            let (count, nth) = (count(list, family), u64::from(place) + 1);
            reject(format!("it lists {count}, and this is Pod number {nth}; add addresses"))
        })
    };
    list.families().map(of).collect()
}

/// A Pod on its node's network has the node's address.
pub(super) fn on_host_network(pod: &Pod) -> Option<Rejection> {
    pod.is_in_host_network().then(|| {
        let message =
            format!("a Pod on the host's network has no address of its own; remove it or {ADDRESSES}");
        Rejection::new("spec.hostNetwork", message).refusing_workload()
    })
}
