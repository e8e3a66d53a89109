//! What is watched: each kind, and the few fields that are kept of it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::index::{Change, Fact, Kubelet, Labels};
use super::slim::Slim;
use crate::view::calico::{self, IP_ADDRS};
use crate::view::{ADDRESSES, Maker, Metadata, NodeVolume, PodName, SetName, Spec, StatefulSet, VolumeSpec};

/// A kind that is watched.
pub(super) trait Kind: Clone + Debug + Send + Sync + 'static {
    /// The API group; empty for the core group.
    const GROUP: &'static str;
    /// The API version.
    const VERSION: &'static str;
    /// The kind.
    const KIND: &'static str;
    /// The name in URLs, by which metrics and logs call it too.
    const PLURAL: &'static str;
    /// How many come in one answer, which is held in memory as a whole.
    const PAGE: u32 = 500;
    /// Which of them are watched; all where it is empty.
    const FIELDS: &'static str = "";
    /// Whether it is namespaced.
    type Scope: Send + Sync;
    /// What is read of `spec`.
    type Spec: DeserializeOwned + Clone + Debug + Send;
    /// What is read of `status`.
    type Status: DeserializeOwned + Clone + Debug + Send;
    /// What names an object.
    type Key;
    /// What is kept of it.
    type Value;

    /// What of an object is kept, and under which name.
    fn entry(object: Slim<Self>) -> (Self::Key, Self::Value);

    /// What has changed, as a fact.
    fn fact(change: Change<Self::Key, Self::Value>) -> Fact;
}

/// Nodes, some 20 kB each.
#[derive(Debug, Clone)]
pub(super) struct Node;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeStatus {
    node_info: Option<NodeInfo>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    kubelet_version: Option<String>,
}

impl Kind for Node {
    const GROUP: &'static str = "";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "Node";
    const PLURAL: &'static str = "nodes";
    const PAGE: u32 = 100;
    type Scope = ClusterResourceScope;
    type Spec = IgnoredAny;
    type Status = NodeStatus;
    type Key = String;
    type Value = Kubelet;

    fn entry(object: Slim<Self>) -> (String, Kubelet) {
        let info = object.status.and_then(|status| status.node_info);
        let kubelet = match info.and_then(|info| info.kubelet_version).as_deref().unwrap_or_default() {
            "" => Kubelet::Silent,
            text => text.parse().map_or(Kubelet::Unreadable, Kubelet::Known),
        };
        (object.metadata.name.unwrap_or_default(), kubelet)
    }

    fn fact(change: Change<String, Kubelet>) -> Fact {
        Fact::Node(change)
    }
}

/// Namespaces, for their labels.
#[derive(Debug, Clone)]
pub(super) struct Namespace;

impl Kind for Namespace {
    const GROUP: &'static str = "";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "Namespace";
    const PLURAL: &'static str = "namespaces";
    type Scope = ClusterResourceScope;
    type Spec = IgnoredAny;
    type Status = IgnoredAny;
    type Key = String;
    type Value = Labels;

    fn entry(object: Slim<Self>) -> (String, Labels) {
        (object.metadata.name.unwrap_or_default(), Labels::from(object.metadata.labels.unwrap_or_default()))
    }

    fn fact(change: Change<String, Labels>) -> Fact {
        Fact::Namespace(change)
    }
}

/// Pods that live, for the addresses that they hold.
#[derive(Debug, Clone)]
pub(super) struct Pod;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    host_network: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStatus {
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<PodIp>>,
}

#[derive(Debug, Clone, Deserialize)]
struct PodIp {
    ip: Option<String>,
}

impl Kind for Pod {
    const GROUP: &'static str = "";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "Pod";
    const PLURAL: &'static str = "pods";
    const FIELDS: &'static str = "status.phase!=Succeeded,status.phase!=Failed";
    type Scope = NamespaceResourceScope;
    type Spec = PodSpec;
    type Status = PodStatus;
    type Key = Arc<PodName>;
    type Value = Vec<IpAddr>;

    /// The addresses that a Pod has, or until then those that it is promised. A Pod on its node's network has none.
    fn entry(mut object: Slim<Self>) -> (Arc<PodName>, Vec<IpAddr>) {
        let promised = object.annotation(IP_ADDRS);
        let name = PodName { namespace: object.namespace(), name: object.name() };
        if object.spec.is_some_and(|spec| spec.host_network == Some(true)) {
            return (Arc::new(name), Vec::new());
        }
        let given = object.status.and_then(|status| status.pod_ips).unwrap_or_default();
        let mut addresses: BTreeSet<IpAddr> =
            given.into_iter().filter_map(|given| given.ip?.parse().ok()).collect();
        if addresses.is_empty() {
            addresses.extend(promised.and_then(|text| calico::read(&text)).unwrap_or_default());
        }
        (Arc::new(name), addresses.into_iter().collect())
    }

    fn fact(change: Change<Arc<PodName>, Vec<IpAddr>>) -> Fact {
        Fact::Pod(change)
    }
}

/// StatefulSets, of Kubernetes or of OpenKruise.
#[derive(Debug, Clone)]
pub(super) struct Set<const IS_KRUISE: bool>;

/// StatefulSets of Kubernetes.
pub(super) type KubernetesSet = Set<false>;
/// StatefulSets of OpenKruise.
pub(super) type KruiseSet = Set<true>;

impl<const IS_KRUISE: bool> Kind for Set<IS_KRUISE> {
    const GROUP: &'static str = if IS_KRUISE { "apps.kruise.io" } else { "apps" };
    const VERSION: &'static str = if IS_KRUISE { "v1beta1" } else { "v1" };
    const KIND: &'static str = "StatefulSet";
    const PLURAL: &'static str = "statefulsets";
    const PAGE: u32 = 200;
    type Scope = NamespaceResourceScope;
    type Spec = Spec;
    type Status = IgnoredAny;
    type Key = Arc<SetName>;
    type Value = Arc<StatefulSet>;

    fn entry(mut object: Slim<Self>) -> (Arc<SetName>, Arc<StatefulSet>) {
        let maker = if IS_KRUISE { Maker::Kruise } else { Maker::Kubernetes };
        let name = SetName { maker, namespace: object.namespace(), name: object.name() };
        let addresses = object.annotation(ADDRESSES);
        let metadata = object.metadata;
        let [created, deleted] =
            [metadata.creation_timestamp, metadata.deletion_timestamp].map(|time| time.map(|time| time.0));
        let metadata = Metadata::new(metadata.uid, created, deleted, addresses);
        (Arc::new(name), Arc::new(StatefulSet::new(metadata, object.spec.unwrap_or_default())))
    }

    fn fact(change: Change<Arc<SetName>, Arc<StatefulSet>>) -> Fact {
        if IS_KRUISE { Fact::KruiseSet(change) } else { Fact::StatefulSet(change) }
    }
}

/// PersistentVolumes, for those that are paths of a node.
#[derive(Debug, Clone)]
pub(super) struct PersistentVolume;

impl Kind for PersistentVolume {
    const GROUP: &'static str = "";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "PersistentVolume";
    const PLURAL: &'static str = "persistentvolumes";
    type Scope = ClusterResourceScope;
    type Spec = VolumeSpec;
    type Status = IgnoredAny;
    type Key = String;
    type Value = Option<NodeVolume>;

    fn entry(object: Slim<Self>) -> (String, Option<NodeVolume>) {
        let volume = object.spec.and_then(|spec| spec.node_volume());
        (object.metadata.name.unwrap_or_default(), volume)
    }

    fn fact(change: Change<String, Option<NodeVolume>>) -> Fact {
        Fact::PersistentVolume(change)
    }
}

/// Calico's pools of addresses.
#[derive(Debug, Clone)]
pub(super) struct IpPool;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IpPoolSpec {
    cidr: Option<String>,
    disabled: Option<bool>,
    allowed_uses: Option<Vec<String>>,
}

impl Kind for IpPool {
    const GROUP: &'static str = "crd.projectcalico.org";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "IPPool";
    const PLURAL: &'static str = "ippools";
    type Scope = ClusterResourceScope;
    type Spec = IpPoolSpec;
    type Status = IgnoredAny;
    type Key = String;
    type Value = Option<IpNet>;

    /// The network, where workloads can have addresses from it.
    fn entry(object: Slim<Self>) -> (String, Option<IpNet>) {
        let is_for_workloads = |spec: &IpPoolSpec| {
            let uses = spec.allowed_uses.as_deref().unwrap_or_default();
            spec.disabled != Some(true)
                && (uses.is_empty() || uses.iter().any(|allowed| allowed == "Workload"))
        };
        let network = object.spec.filter(is_for_workloads).and_then(|spec| spec.cidr?.parse().ok());
        (object.metadata.name.unwrap_or_default(), network)
    }

    fn fact(change: Change<String, Option<IpNet>>) -> Fact {
        Fact::IpPool(change)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::view::Version;

    fn entry<K: Kind>(object: Value) -> (K::Key, K::Value) {
        K::entry(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_nodes_kubelet_is_read() {
        for (status, kubelet) in [
            (
                json!({"nodeInfo": {"kubeletVersion": "v1.29.3-gke.1", "osImage": "x"}}),
                Kubelet::Known(Version::v1(29)),
            ),
            (json!({"nodeInfo": {"kubeletVersion": "fake"}}), Kubelet::Unreadable),
            (json!({"nodeInfo": {"kubeletVersion": ""}}), Kubelet::Silent),
            (json!({"nodeInfo": null, "images": [{"names": ["a"]}]}), Kubelet::Silent),
            (json!({}), Kubelet::Silent),
            (json!(null), Kubelet::Silent),
        ] {
            let node =
                json!({"metadata": {"name": "a"}, "spec": {"podCIDR": "10.0.0.0/24"}, "status": status});
            assert_eq!(entry::<Node>(node), ("a".to_owned(), kubelet), "{status}");
        }
    }

    #[test]
    fn a_namespaces_labels_are_read() {
        for (labels, count) in [(json!({"x": "y"}), 1), (json!(null), 0)] {
            let namespace =
                json!({"metadata": {"name": "a", "labels": labels}, "status": {"phase": "Active"}});
            assert_eq!(entry::<Namespace>(namespace).1.len(), count);
        }
    }

    #[test]
    fn a_pod_holds_what_it_has_or_is_promised() {
        let promised = json!({IP_ADDRS: "[\"10.0.0.9\",\"fd00::9\"]"});
        for (annotations, spec, status, expected) in [
            (json!({}), json!({}), json!({}), &[][..]),
            (promised.clone(), json!({}), json!({}), &["10.0.0.9", "fd00::9"]),
            (promised.clone(), json!({}), json!({"podIPs": [{"ip": "10.0.0.1"}]}), &["10.0.0.1"]),
            (json!({IP_ADDRS: "no list"}), json!({}), json!({"podIPs": null}), &[]),
            (promised, json!({"hostNetwork": true}), json!({"podIPs": [{"ip": "192.168.0.1"}]}), &[]),
        ] {
            let pod = json!({
                "metadata": {"name": "a", "namespace": "shop", "annotations": annotations},
                "spec": spec, "status": status,
            });
            let (name, addresses) = entry::<Pod>(pod);
            assert_eq!(name.to_string(), "Pod shop/a");
            assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_stateful_set_is_read_as_the_api_server_writes_it() {
        let object = json!({
            "metadata": {
                "name": "redis", "namespace": "shop", "uid": "u", "creationTimestamp": "2026-11-22T12:00:00Z",
                "annotations": {"other": "x", ADDRESSES: "10.0.0.1"},
            },
            "spec": {"replicas": 3, "template": {"metadata": {"creationTimestamp": null, "labels": {"a": "b"}}}},
            "status": {"replicas": 3},
        });
        let (name, set) = entry::<KubernetesSet>(object.clone());
        assert_eq!(name.to_string(), "StatefulSet shop/redis");
        assert_eq!(*set, StatefulSet::read(&object));
        assert_eq!((set.replicas, set.own_list.as_deref()), (3, Some("10.0.0.1")));
    }

    #[test]
    fn a_pool_counts_where_workloads_can_use_it() {
        for (spec, is_open) in [
            (json!({"cidr": "10.0.0.0/16"}), true),
            (json!({"cidr": "10.0.0.0/16", "disabled": false, "allowedUses": ["Tunnel", "Workload"]}), true),
            (json!({"cidr": "10.0.0.0/16", "allowedUses": []}), true),
            (json!({"cidr": "10.0.0.0/16", "allowedUses": ["Tunnel"]}), false),
            (json!({"cidr": "10.0.0.0/16", "disabled": true}), false),
            (json!({"cidr": "nonsense"}), false),
        ] {
            let (_, network) = entry::<IpPool>(json!({"metadata": {"name": "a"}, "spec": spec}));
            assert_eq!(network.is_some(), is_open, "{spec}");
        }
    }
}
