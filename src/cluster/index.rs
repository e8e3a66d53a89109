//! What the watches told, put in order. Pure: facts in, a view out.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::view::{
    ClaimName, Holders, NodeVolume, PodName, SetName, StatefulSet, StatefulSets, Version, View,
};

/// The labels of one Namespace.
pub(super) type Labels = Arc<BTreeMap<String, String>>;

/// One thing that is now known of the cluster.
#[derive(Debug)]
pub(super) enum Fact {
    /// Of a Node.
    Node(Change<String, Kubelet>),
    /// Of a Namespace.
    Namespace(Change<String, Labels>),
    /// Of a Pod: the addresses that it holds.
    Pod(Change<Arc<PodName>, Vec<IpAddr>>),
    /// Of a StatefulSet of Kubernetes.
    StatefulSet(Change<Arc<SetName>, Arc<StatefulSet>>),
    /// Of a StatefulSet of OpenKruise.
    KruiseSet(Change<Arc<SetName>, Arc<StatefulSet>>),
    /// Of a PersistentVolume, if it is a path of a node and bound.
    PersistentVolume(Change<String, Option<NodeVolume>>),
    /// Of a pool of Calico's: its network, if workloads can use it.
    IpPool(Change<String, Option<IpNet>>),
    /// Of the API server.
    ApiServer(Version),
}

/// One event of a watch.
#[derive(Debug)]
pub(super) enum Change<K, T> {
    /// The cluster does not have this kind.
    Absent,
    /// A list begins: what is not in it is gone.
    Restart,
    /// One object of the list.
    Listed(K, T),
    /// The list is at its end.
    Complete,
    /// An object is new or changed.
    Set(K, T),
    /// An object is gone.
    Remove(K),
}

/// What a Node says of its kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kubelet {
    /// Nothing yet: no kubelet has registered, so none can be too old.
    Silent,
    /// Something that is no version, as some simulated kubelets do.
    Unreadable,
    /// Its version.
    Known(Version),
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Index {
    api_server: Option<Version>,
    nodes: Table<String, Kubelet>,
    namespaces: Table<String, Labels>,
    pods: Holdings,
    kubernetes_sets: Table<Arc<SetName>, Arc<StatefulSet>>,
    kruise_sets: Table<Arc<SetName>, Arc<StatefulSet>>,
    /// Both, as a view has them; `None` since they have changed.
    stateful_sets: Option<StatefulSets>,
    persistent_volumes: Table<String, Option<NodeVolume>>,
    /// The same by claim; `None` since they have changed.
    node_volumes: Option<Arc<HashMap<ClaimName, (String, NodeVolume)>>>,
    ip_pools: Table<String, Option<IpNet>>,
}

/// How many objects of each kind are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) nodes: usize,
    pub(super) namespaces: usize,
    pub(super) stateful_sets: usize,
    pub(super) addresses: usize,
}

impl Index {
    /// Takes a fact in. Whether the view differs for it.
    pub(super) fn take(&mut self, fact: Fact) -> bool {
        match fact {
            Fact::Node(change) => self.nodes.take(change),
            Fact::Namespace(change) => self.namespaces.take(change),
            Fact::Pod(change) => self.pods.take(change),
            Fact::StatefulSet(change) => outdates(&mut self.stateful_sets, self.kubernetes_sets.take(change)),
            Fact::KruiseSet(change) => outdates(&mut self.stateful_sets, self.kruise_sets.take(change)),
            Fact::PersistentVolume(change) => {
                outdates(&mut self.node_volumes, self.persistent_volumes.take(change))
            }
            Fact::IpPool(change) => self.ip_pools.take(change),
            Fact::ApiServer(version) => self.api_server.replace(version) != Some(version),
        }
    }

    /// What is known, as a view: a part that was never told as a whole is left out.
    pub(super) fn view(&mut self) -> View {
        let pools = |pools: &Arc<HashMap<String, Option<IpNet>>>| {
            let mut networks: Vec<_> = pools.values().filter_map(|network| *network).collect();
            networks.sort();
            Arc::new(networks)
        };
        let sets = || {
            let [kubernetes, kruise] = [&self.kubernetes_sets, &self.kruise_sets];
            StatefulSets::new(kubernetes.shared(), kruise.shared())
        };
        let volumes = || Arc::new(by_claim(&self.persistent_volumes));
        View {
            is_watched: true,
            api_server: self.api_server,
            oldest_kubelet: self.oldest_kubelet(),
            namespaces: self.namespaces.shared(),
            stateful_sets: self.stateful_sets.get_or_insert_with(sets).clone(),
            holders: self.pods.holders.clone(),
            node_volumes: Arc::clone(self.node_volumes.get_or_insert_with(volumes)),
            pools: self.ip_pools.entries.as_ref().map(pools),
            asked: None,
        }
    }

    /// Whether every part is known.
    pub(super) fn is_complete(&self) -> bool {
        self.api_server.is_some()
            && self.nodes.is_known
            && self.namespaces.is_known
            && self.pods.is_known
            && self.kubernetes_sets.is_known
            && self.kruise_sets.is_known
            && self.persistent_volumes.is_known
            && self.ip_pools.is_known
    }

    /// How many objects there are.
    pub(super) fn sizes(&self) -> Sizes {
        Sizes {
            nodes: self.nodes.entries().count(),
            namespaces: self.namespaces.entries().count(),
            stateful_sets: self.kubernetes_sets.entries().count() + self.kruise_sets.entries().count(),
            addresses: self.pods.holders.len(),
        }
    }

    /// A Node whose kubelet's version does not read.
    pub(super) fn unreadable(&self) -> Option<&str> {
        self.nodes
            .entries()
            .find(|(_, kubelet)| **kubelet == Kubelet::Unreadable)
            .map(|(name, _)| name.as_str())
    }

    /// One kubelet that cannot be told makes the oldest unknown: it may be older than all others.
    fn oldest_kubelet(&self) -> Option<Version> {
        let known = |(_, kubelet): (_, &Kubelet)| match kubelet {
            Kubelet::Silent => None,
            Kubelet::Unreadable => Some(None),
            Kubelet::Known(version) => Some(Some(*version)),
        };
        // `None` is less than every version.
        self.nodes.entries().filter_map(known).min().flatten()
    }
}

/// Throws away what was made of entries, if those differ now; tells whether they do.
fn outdates<T>(made: &mut Option<T>, differs: bool) -> bool {
    if differs {
        *made = None;
    }
    differs
}

fn by_claim(volumes: &Table<String, Option<NodeVolume>>) -> HashMap<ClaimName, (String, NodeVolume)> {
    let volumes = volumes.entries().filter_map(|(name, volume)| Some((name.clone(), volume.clone()?)));
    volumes.map(|(name, volume)| (volume.claim.clone(), (name, volume))).collect()
}

/// The objects of one kind.
#[derive(Debug)]
struct Table<K, T> {
    /// Whether the first list was complete, or there is no such kind.
    is_known: bool,
    /// `None` until the first list was complete. Shared with the views, so that most of them cost no copy.
    entries: Option<Arc<HashMap<K, T>>>,
    /// The list that is coming in.
    incoming: HashMap<K, T>,
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self { is_known: false, entries: None, incoming: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash, T: Clone + PartialEq> Table<K, T> {
    fn take(&mut self, change: Change<K, T>) -> bool {
        match change {
            Change::Absent => {
                self.incoming = HashMap::new();
                return !mem::replace(&mut self.is_known, true) | self.entries.take().is_some();
            }
            // The old entries stay in force until the new list is complete.
            Change::Restart => self.incoming = HashMap::new(),
            Change::Listed(key, value) => drop(self.incoming.insert(key, value)),
            Change::Complete => {
                let mut listed = mem::take(&mut self.incoming);
                self.is_known = true;
                if self.entries.as_deref() != Some(&listed) {
                    listed.shrink_to_fit();
                    self.entries = Some(Arc::new(listed));
                    return true;
                }
            }
            Change::Set(key, value) => return self.set(key, value),
            Change::Remove(key) => return self.remove(&key),
        }
        false
    }

    // Looks before it writes: writing copies what a view still holds, and most events change nothing of it.
    fn set(&mut self, key: K, value: T) -> bool {
        match &mut self.entries {
            Some(entries) if entries.get(&key) != Some(&value) => {
                Arc::make_mut(entries).insert(key, value);
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, key: &K) -> bool {
        match &mut self.entries {
            Some(entries) if entries.contains_key(key) => Arc::make_mut(entries).remove(key).is_some(),
            _ => false,
        }
    }

    /// All of them, for a view.
    fn shared(&self) -> Arc<HashMap<K, T>> {
        self.entries.clone().unwrap_or_default()
    }

    fn entries(&self) -> impl Iterator<Item = (&K, &T)> {
        self.entries.iter().flat_map(|entries| entries.iter())
    }
}

/// The addresses that Pods hold, from both sides.
#[derive(Debug, Default)]
struct Holdings {
    is_known: bool,
    by_pod: HashMap<Arc<PodName>, Vec<IpAddr>>,
    holders: Holders,
    incoming: HashMap<Arc<PodName>, Vec<IpAddr>>,
}

impl Holdings {
    fn take(&mut self, change: Change<Arc<PodName>, Vec<IpAddr>>) -> bool {
        match change {
            Change::Absent | Change::Restart => self.incoming = HashMap::new(),
            Change::Listed(pod, addresses) => {
                if !addresses.is_empty() {
                    self.incoming.insert(pod, addresses);
                }
            }
            Change::Complete => {
                let listed = mem::take(&mut self.incoming);
                if mem::replace(&mut self.is_known, true) && listed == self.by_pod {
                    return false;
                }
                self.holders = Holders::default();
                for (pod, addresses) in &listed {
                    addresses.iter().for_each(|address| self.holders.add(*address, pod));
                }
                self.by_pod = listed;
                return true;
            }
            Change::Set(pod, addresses) => return self.set(pod, addresses),
            Change::Remove(pod) => return self.set(pod, Vec::new()),
        }
        false
    }

    /// A Pod holds these addresses, and no others.
    fn set(&mut self, pod: Arc<PodName>, addresses: Vec<IpAddr>) -> bool {
        let before = self.by_pod.remove(&pod).unwrap_or_default();
        let differs = before != addresses;
        if differs {
            before.iter().for_each(|address| self.holders.remove(*address, &pod));
            addresses.iter().for_each(|address| self.holders.add(*address, &pod));
        }
        if !addresses.is_empty() {
            self.by_pod.insert(pod, addresses);
        }
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::Change::{Absent, Complete, Listed, Remove, Restart, Set};
    use super::*;

    fn known(minor: u32) -> Kubelet {
        Kubelet::Known(Version::v1(minor))
    }

    fn nodes(index: &mut Index, changes: impl IntoIterator<Item = Change<String, Kubelet>>) -> Vec<bool> {
        changes.into_iter().map(|change| index.take(Fact::Node(change))).collect()
    }

    fn namespaces(index: &mut Index, changes: impl IntoIterator<Item = Change<String, Labels>>) -> Vec<bool> {
        changes.into_iter().map(|change| index.take(Fact::Namespace(change))).collect()
    }

    fn listed<T>(entries: impl IntoIterator<Item = (&'static str, T)>) -> Vec<Change<String, T>> {
        let listed = entries.into_iter().map(|(name, value)| Listed(name.to_owned(), value));
        std::iter::once(Restart).chain(listed).chain([Complete]).collect()
    }

    fn labels(team: &str) -> Labels {
        Arc::new(BTreeMap::from([("team".to_owned(), team.to_owned())]))
    }

    #[test]
    fn the_oldest_kubelet_is_that_of_all_nodes() {
        let none: &[(&str, Kubelet)] = &[];
        for (kubelets, oldest) in [
            (none, None),
            (&[("a", known(31))], Some(31)),
            (&[("a", known(31)), ("b", known(28)), ("c", known(30))], Some(28)),
            (&[("a", known(31)), ("b", Kubelet::Silent)], Some(31)),
            (&[("a", Kubelet::Silent)], None),
            (&[("a", known(31)), ("b", Kubelet::Unreadable)], None),
        ] {
            let mut index = Index::default();
            nodes(&mut index, listed(kubelets.iter().copied()));
            assert_eq!(index.view().oldest_kubelet, oldest.map(Version::v1), "{kubelets:?}");
        }
    }

    #[test]
    fn nodes_come_change_and_go() {
        let mut index = Index::default();
        nodes(&mut index, listed([("a", known(30))]));
        for (change, differs, oldest) in [
            (Set("b".to_owned(), known(28)), true, 28),
            (Set("b".to_owned(), known(28)), false, 28),
            (Set("b".to_owned(), known(29)), true, 29),
            (Remove("b".to_owned()), true, 30),
            (Remove("b".to_owned()), false, 30),
        ] {
            assert_eq!(nodes(&mut index, [change]), [differs]);
            assert_eq!(index.view().oldest_kubelet, Some(Version::v1(oldest)));
        }
    }

    #[test]
    fn a_list_counts_once_it_is_complete() {
        let mut index = Index::default();
        let differs = namespaces(&mut index, [Restart, Listed("a".to_owned(), labels("x"))]);
        assert_eq!(differs, [false, false]);
        assert!(index.view().namespaces.is_empty());
        assert_eq!(namespaces(&mut index, [Complete]), [true]);
        assert_eq!(index.view().namespaces.get("a"), Some(&labels("x")));

        // Another list that breaks off leaves things as they were; the one after it replaces them as a whole.
        namespaces(&mut index, [Restart, Listed("gone".to_owned(), labels("x"))]);
        assert!(!index.view().namespaces.contains_key("gone"));
        assert_eq!(namespaces(&mut index, listed([("b", labels("y"))])), [false, false, true]);
        let view = index.view();
        assert_eq!(view.namespaces.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(namespaces(&mut index, listed([("b", labels("y"))])), [false, false, false]);
    }

    #[test]
    fn it_is_complete_once_every_part_is_known() {
        let mut index = Index::default();
        assert!(index.take(Fact::ApiServer(Version::v1(33))));
        assert!(!index.take(Fact::ApiServer(Version::v1(33))));
        assert_eq!(nodes(&mut index, listed([])), [false, true]);
        assert_eq!(namespaces(&mut index, listed([])), [false, true]);
        for fact in [
            Fact::Pod(Restart),
            Fact::Pod(Complete),
            Fact::PersistentVolume(Restart),
            Fact::PersistentVolume(Complete),
            Fact::StatefulSet(Restart),
        ] {
            index.take(fact);
        }
        assert!(index.take(Fact::StatefulSet(Complete)));
        assert!(index.take(Fact::KruiseSet(Absent)));
        assert!(!index.is_complete());
        assert!(index.take(Fact::IpPool(Absent)));
        assert!(!index.take(Fact::IpPool(Absent)));
        assert!(index.is_complete());
    }

    #[test]
    fn volumes_are_found_by_their_claims() {
        let claim = |name: &str| ClaimName { namespace: "shop".to_owned(), name: name.to_owned() };
        let volume = |name: &str| Some(NodeVolume { claim: claim(name), path: "/etc".to_owned() });
        let mut index = Index::default();
        for change in listed([("pv-1", volume("data")), ("pv-2", None)]) {
            index.take(Fact::PersistentVolume(change));
        }
        assert_eq!(index.view().node_volumes[&claim("data")].0, "pv-1");
        assert!(index.take(Fact::PersistentVolume(Set("pv-1".to_owned(), volume("other")))));
        assert!(!index.take(Fact::PersistentVolume(Set("pv-1".to_owned(), volume("other")))));
        assert_eq!(index.view().node_volumes.keys().collect::<Vec<_>>(), [&claim("other")]);
    }

    #[test]
    fn pools_are_unknown_where_calico_has_none() {
        let mut index = Index::default();
        let network: IpNet = "10.0.0.0/16".parse().unwrap();
        assert_eq!(index.view().pools, None);
        for change in listed([("a", Some(network)), ("disabled", None)]) {
            index.take(Fact::IpPool(change));
        }
        assert_eq!(index.view().pools.as_deref(), Some(&vec![network]));
        assert!(index.take(Fact::IpPool(Absent)));
        assert_eq!(index.view().pools, None);
    }

    #[test]
    fn addresses_follow_their_pods() {
        let pod = |name: &str| Arc::new(PodName { namespace: "shop".to_owned(), name: name.to_owned() });
        let at = |text: &str| -> IpAddr { text.parse().unwrap() };
        let (one, two) = (at("10.0.0.1"), at("10.0.0.2"));
        let mut index = Index::default();
        let mut take = |change| index.take(Fact::Pod(change));
        assert_eq!([Restart, Listed(pod("a"), vec![one]), Complete].map(&mut take), [false, false, true]);
        for (change, differs) in [
            (Set(pod("a"), vec![one]), false),
            (Set(pod("b"), vec![one, two]), true),
            (Set(pod("c"), vec![]), false),
            (Remove(pod("a")), true),
            (Remove(pod("a")), false),
        ] {
            assert_eq!(take(change), differs);
        }
        assert_eq!(
            [one, two].map(|address| index.view().holders.of(address).to_vec()),
            [[pod("b")], [pod("b")]]
        );
        let mut take = |change| index.take(Fact::Pod(change));
        assert_eq!([Restart, Listed(pod("d"), vec![two]), Complete].map(&mut take), [false, false, true]);
        assert_eq!([Restart, Listed(pod("d"), vec![two]), Complete].map(&mut take), [false, false, false]);
        let view = index.view();
        assert_eq!((view.holders.of(one), view.holders.of(two)), (&[][..], &[pod("d")][..]));
        assert_eq!(index.sizes().addresses, 1);
    }

    #[test]
    fn a_view_that_was_given_out_stays_as_it_is() {
        let mut index = Index::default();
        namespaces(&mut index, listed([("a", labels("x"))]));
        let before = index.view();
        assert!(Arc::ptr_eq(&before.namespaces, &index.view().namespaces));
        namespaces(&mut index, [Set("a".to_owned(), labels("y"))]);
        assert_eq!(before.namespaces.get("a"), Some(&labels("x")));
        assert_eq!(index.view().namespaces.get("a"), Some(&labels("y")));
    }
}
