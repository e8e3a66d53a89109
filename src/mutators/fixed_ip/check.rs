//! What addresses are held against, be it a whole list or those of one Pod.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;

use super::FixedIp;
use crate::policy::Subject;
use crate::view::{AddressList, PodName, SetName, StatefulSet};

/// The most networks that a message names.
const MOST_NAMED: usize = 8;

impl FixedIp {
    /// What keeps a Pod, or the Pods of a StatefulSet, from these addresses, whoever else has them.
    pub(super) fn forbidden(&self, subject: &Subject<'_>, list: &AddressList) -> Option<String> {
        let grants = self.grants.iter().filter(|grant| grant.matching.selects(subject));
        let networks: Vec<_> = grants.flat_map(|grant| &grant.networks).map(|network| network.0).collect();
        let Some(outside) = list.first_outside(&networks) else {
            return unpooled(subject, list);
        };
        let namespace = subject.namespace;
        Some(match named(&networks) {
            None => format!(
                "namespace {namespace:?} may use no network for fixed addresses; ask the cluster team for a grant"
            ),
            Some(networks) => format!(
                "{outside} is in no network that namespace {namespace:?} may use; it may use {networks}"
            ),
        })
    }
}

/// Calico refuses an address outside its pools only when the Pod starts.
fn unpooled(subject: &Subject<'_>, list: &AddressList) -> Option<String> {
    let pools = subject.view.pools.as_ref()?;
    let outside = list.first_outside(pools)?;
    let pools = named(pools).map_or_else(|| "there is none".to_owned(), |pools| format!("those are {pools}"));
    Some(format!("{outside} is in no Calico IPPool that is enabled for workloads; {pools}"))
}

/// Networks for a message; `None` where there is none.
fn named(networks: &[IpNet]) -> Option<String> {
    let mut networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    let more = networks.len().saturating_sub(MOST_NAMED);
    networks.truncate(MOST_NAMED);
    if more > 0 {
        networks.push(format!("{more} more"));
    }
    (!networks.is_empty()).then(|| networks.join(", "))
}

/// A StatefulSet that lists one of these addresses too, and the address; of several the first by name.
///
/// With `own`, only of those that are older: of two that came to list one address at once the older has it.
pub(super) fn rival<'a>(
    subject: &'a Subject<'_>,
    name: &SetName,
    own: Option<&StatefulSet>,
    list: &'a AddressList,
) -> Option<(&'a SetName, IpAddr)> {
    let others = subject.view.stateful_sets.sharing(list);
    let others = others.filter(|(other, set)| *other != name && !set.is_going);
    let before = others.filter(|(_, set)| own.is_none_or(|own| age(set, own) == Ordering::Less));
    let (first, set) = before.min_by_key(|(other, _)| *other)?;
    Some((first, list.first_shared(set.addresses.as_ref()?)?))
}

/// Sets are ordered by age; one that is yet to be created is the youngest.
fn age(one: &StatefulSet, other: &StatefulSet) -> Ordering {
    let key = |set: &StatefulSet| (set.created.is_none(), set.created);
    key(one).cmp(&key(other)).then_with(|| one.uid.cmp(&other.uid))
}

/// A live Pod that holds an address, and is not the one that is meant.
pub(super) fn holder<'a>(
    subject: &'a Subject<'_>,
    address: IpAddr,
    is_meant: impl Fn(&PodName) -> bool,
) -> Option<&'a PodName> {
    subject.view.holders.of(address).iter().map(AsRef::as_ref).find(|pod| !is_meant(pod))
}

/// Tells of a StatefulSet that has an address too.
pub(super) fn shared(address: IpAddr, with: &SetName) -> String {
    format!("{address} is in the list of {with} too; give each address to one StatefulSet")
}
