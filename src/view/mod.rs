//! The cluster view: the facts about the cluster that a decision may need, as plain data.
//!
//! Watches fill it while serving; files fill it on the command line; a decision only reads it.

mod addresses;
pub mod calico;
mod holders;
mod node_volume;
mod stateful_set;
mod stateful_sets;
mod version;

pub use addresses::{AddressError, AddressList, Family, Network};
pub use holders::{Holders, PodName};
pub use node_volume::{ClaimName, NodeVolume, VolumeSpec};
pub use stateful_set::{ADDRESSES, Maker, Metadata, SetName, Spec, StatefulSet, ordinal};
pub use stateful_sets::{SetsByName, StatefulSets};
pub use version::{Version, VersionError};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ipnet::IpNet;

/// Since when they need no feature gate (KEP-753).
const NATIVE_SIDECARS: Version = Version::v1(29);

/// What is known of the cluster. An empty view knows nothing, and a decision then takes the cautious way.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Whether there is a cluster behind it, so that what is not known may yet be.
    pub is_watched: bool,
    /// The API server's version, once known.
    pub api_server: Option<Version>,
    /// The oldest kubelet of all nodes, once known; a cluster without nodes has none.
    pub oldest_kubelet: Option<Version>,
    /// The labels of every Namespace, by its name. Each is shared, so that the next view can be made without a copy
    /// of them all.
    pub namespaces: Arc<HashMap<String, Arc<BTreeMap<String, String>>>>,
    /// Every StatefulSet.
    pub stateful_sets: StatefulSets,
    /// The addresses of live Pods.
    pub holders: Holders,
    /// The networks that Calico gives addresses from; `None` where Calico has told of none.
    pub pools: Option<Arc<Vec<IpNet>>>,
    /// The PersistentVolumes that are paths of a node, by the claims that they are bound to; each with its name.
    pub node_volumes: Arc<HashMap<ClaimName, (String, NodeVolume)>>,
    /// What was asked of the API server for this decision alone.
    pub asked: Option<Asked>,
}

/// A StatefulSet that a decision needs and the view does not have.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which one.
    pub name: SetName,
    /// What the API server said.
    pub answer: Answer,
}

/// What the API server said of a StatefulSet.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is there.
    Found(Arc<StatefulSet>),
    /// There is none of this name.
    Absent,
    /// Nothing, or nothing in time; and why.
    Unreachable(String),
}

/// What is known of a StatefulSet.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// It is there.
    Found(&'a StatefulSet),
    /// There is none of this name and uid.
    Absent,
    /// Nothing; where the API server was asked, why.
    Nothing(Option<&'a str>),
}

impl View {
    /// Whether init containers can run beside the app everywhere, by `restartPolicy: Always`. An older kubelet would
    /// wait for ever for one that never ends.
    #[must_use]
    pub fn has_native_sidecars(&self) -> bool {
        self.all_at_least(NATIVE_SIDECARS)
    }

    /// Whether every part of the cluster is known to be at least of this version.
    #[must_use]
    pub fn all_at_least(&self, version: Version) -> bool {
        let at_least = |known: Option<Version>| known.is_some_and(|known| known >= version);
        at_least(self.api_server) && at_least(self.oldest_kubelet)
    }

    /// The StatefulSet of this name and uid. One that was made anew under the same name has another.
    #[must_use]
    pub fn stateful_set(&self, name: &SetName, uid: &str) -> Known<'_> {
        if let Some(set) = self.stateful_sets.get(name).filter(|set| set.uid == uid) {
            return Known::Found(set);
        }
        match self.asked.as_ref().filter(|asked| asked.name == *name).map(|asked| &asked.answer) {
            Some(Answer::Found(set)) if set.uid == uid => Known::Found(set),
            Some(Answer::Found(_) | Answer::Absent) => Known::Absent,
            Some(Answer::Unreachable(why)) => Known::Nothing(Some(why)),
            None => Known::Nothing(None),
        }
    }

    /// The same, with what was asked of the API server.
    #[must_use]
    pub fn with(&self, asked: Asked) -> Self {
        Self { asked: Some(asked), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_cluster_is_never_new_enough() {
        assert!(!View::default().all_at_least(Version::v1(0)));
        let view = View {
            api_server: Some(Version::v1(30)),
            oldest_kubelet: Some(Version::v1(28)),
            ..View::default()
        };
        assert!(!view.all_at_least(Version::v1(29)));
        assert!(view.all_at_least(Version::v1(28)));
    }

    #[test]
    fn a_stateful_set_made_anew_is_another() {
        let name = SetName { maker: Maker::Kubernetes, namespace: "shop".into(), name: "redis".into() };
        let of = |uid: &str| Arc::new(StatefulSet::read(&json!({"metadata": {"uid": uid}})));
        let view =
            View { stateful_sets: [(name.clone(), of("old"))].into_iter().collect(), ..View::default() };
        assert!(matches!(view.stateful_set(&name, "old"), Known::Found(_)));
        assert!(matches!(view.stateful_set(&name, "new"), Known::Nothing(None)));
        let asked = |answer| view.with(Asked { name: name.clone(), answer });
        assert!(matches!(asked(Answer::Found(of("new"))).stateful_set(&name, "new"), Known::Found(_)));
        assert!(matches!(asked(Answer::Found(of("newer"))).stateful_set(&name, "new"), Known::Absent));
        assert!(matches!(asked(Answer::Absent).stateful_set(&name, "new"), Known::Absent));
        let unreachable = asked(Answer::Unreachable("late".to_owned()));
        assert!(matches!(unreachable.stateful_set(&name, "new"), Known::Nothing(Some("late"))));
        assert!(matches!(unreachable.stateful_set(&name, "old"), Known::Found(_)));
    }
}
