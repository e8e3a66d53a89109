//! What the watches told, put in order. Pure: facts in, a view out.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;

use crate::view::{Version, View};

/// The labels of one Namespace.
pub(super) type Labels = Arc<BTreeMap<String, String>>;

/// One thing that is now known of the cluster.
#[derive(Debug)]
pub(super) enum Fact {
    /// Of a Node.
    Node(Change<Kubelet>),
    /// Of a Namespace.
    Namespace(Change<Labels>),
    /// Of the API server.
    ApiServer(Version),
}

/// One event of a watch, by the object's name.
#[derive(Debug)]
pub(super) enum Change<T> {
    /// A list begins: what is not in it is gone.
    Restart,
    /// One object of the list.
    Listed(String, T),
    /// The list is at its end.
    Complete,
    /// An object is new or changed.
    Set(String, T),
    /// An object is gone.
    Remove(String),
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
    nodes: Table<Kubelet>,
    namespaces: Table<Labels>,
}

impl Index {
    /// Takes a fact in. Whether the view differs for it.
    pub(super) fn take(&mut self, fact: Fact) -> bool {
        match fact {
            Fact::Node(change) => self.nodes.take(change),
            Fact::Namespace(change) => self.namespaces.take(change),
            Fact::ApiServer(version) => self.api_server.replace(version) != Some(version),
        }
    }

    /// What is known, as a view: a part that was never told as a whole is left out.
    pub(super) fn view(&self) -> View {
        View {
            api_server: self.api_server,
            oldest_kubelet: self.oldest_kubelet(),
            namespaces: self.namespaces.entries.clone().unwrap_or_default(),
        }
    }

    /// Whether every part is known.
    pub(super) fn is_complete(&self) -> bool {
        self.api_server.is_some() && self.nodes.entries.is_some() && self.namespaces.entries.is_some()
    }

    /// How many Nodes there are, and how many Namespaces.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.nodes.entries().count(), self.namespaces.entries().count())
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

/// The objects of one kind.
#[derive(Debug)]
struct Table<T> {
    /// `None` until the first list was complete. Shared with the views, so that most of them cost no copy.
    entries: Option<Arc<HashMap<String, T>>>,
    /// The list that is coming in.
    incoming: HashMap<String, T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: None, incoming: HashMap::new() }
    }
}

impl<T: Clone + PartialEq> Table<T> {
    fn take(&mut self, change: Change<T>) -> bool {
        match change {
            // The old entries stay in force until the new list is complete.
            Change::Restart => self.incoming = HashMap::new(),
            Change::Listed(name, value) => drop(self.incoming.insert(name, value)),
            Change::Complete => {
                let mut listed = mem::take(&mut self.incoming);
                if self.entries.as_deref() != Some(&listed) {
                    listed.shrink_to_fit();
                    self.entries = Some(Arc::new(listed));
                    return true;
                }
            }
            Change::Set(name, value) => return self.set(name, value),
            Change::Remove(name) => return self.remove(&name),
        }
        false
    }

    // Looks before it writes: writing copies what a view still holds, and most events change nothing of it.
    fn set(&mut self, name: String, value: T) -> bool {
        match &mut self.entries {
            Some(entries) if entries.get(&name) != Some(&value) => {
                Arc::make_mut(entries).insert(name, value);
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, name: &str) -> bool {
        match &mut self.entries {
            Some(entries) if entries.contains_key(name) => Arc::make_mut(entries).remove(name).is_some(),
            _ => false,
        }
    }

    fn entries(&self) -> impl Iterator<Item = (&String, &T)> {
        self.entries.iter().flat_map(|entries| entries.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::Change::{Complete, Listed, Remove, Restart, Set};
    use super::*;

    fn known(minor: u32) -> Kubelet {
        Kubelet::Known(Version::v1(minor))
    }

    fn nodes(index: &mut Index, changes: impl IntoIterator<Item = Change<Kubelet>>) -> Vec<bool> {
        changes.into_iter().map(|change| index.take(Fact::Node(change))).collect()
    }

    fn namespaces(index: &mut Index, changes: impl IntoIterator<Item = Change<Labels>>) -> Vec<bool> {
        changes.into_iter().map(|change| index.take(Fact::Namespace(change))).collect()
    }

    fn listed<T>(entries: impl IntoIterator<Item = (&'static str, T)>) -> Vec<Change<T>> {
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
    fn an_empty_list_is_known_too() {
        let mut index = Index::default();
        assert!(index.take(Fact::ApiServer(Version::v1(33))));
        assert!(!index.take(Fact::ApiServer(Version::v1(33))));
        assert_eq!(nodes(&mut index, listed([])), [false, true]);
        assert!(!index.is_complete());
        assert_eq!(namespaces(&mut index, listed([])), [false, true]);
        assert!(index.is_complete());
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
