//! The few fields that are read of a Node or a Namespace.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};

use super::index::{Kubelet, Labels};

/// An object of kind `K`, of which only a few fields are kept. The others, a Node's list of images and everybody's
/// managed fields, are many times as large, and are skipped while reading.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "")]
pub(super) struct Slim<K> {
    #[serde(deserialize_with = "name_and_labels")]
    metadata: ObjectMeta,
    status: Option<Status>,
    #[serde(skip)]
    _kind: PhantomData<fn() -> K>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    node_info: Option<NodeInfo>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    kubelet_version: Option<String>,
}

impl<K> Slim<K> {
    /// The object's name.
    pub(super) fn name(&self) -> String {
        self.metadata.name.clone().unwrap_or_default()
    }

    /// The object's labels.
    pub(super) fn into_labels(self) -> Labels {
        Labels::from(self.metadata.labels.unwrap_or_default())
    }

    /// What a Node says of its kubelet.
    pub(super) fn kubelet(&self) -> Kubelet {
        let info = self.status.as_ref().and_then(|status| status.node_info.as_ref());
        match info.and_then(|info| info.kubelet_version.as_deref()).unwrap_or_default() {
            "" => Kubelet::Silent,
            text => text.parse().map_or(Kubelet::Unreadable, Kubelet::Known),
        }
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Slim<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The resource version is the watcher's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    resource_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

fn name_and_labels<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    let Metadata { name, resource_version, labels } = Metadata::deserialize(from)?;
    Ok(ObjectMeta { name, resource_version, labels, ..ObjectMeta::default() })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1;
    use serde_json::json;

    use super::*;
    use crate::view::Version;

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
            let node = json!({
                "metadata": {"name": "a", "managedFields": [{"fieldsV1": {"f:status": {}}}], "resourceVersion": "7"},
                "spec": {"podCIDR": "10.0.0.0/24"}, "status": status,
            });
            let node: Slim<v1::Node> = serde_json::from_value(node).unwrap();
            assert_eq!(node.kubelet(), kubelet, "{status}");
            assert_eq!(node.name(), "a");
            // Without it the watcher starts over with each event.
            assert_eq!(node.meta().resource_version.as_deref(), Some("7"));
        }
    }

    #[test]
    fn a_namespaces_labels_are_read() {
        for (metadata, expected) in [
            (json!({"name": "a", "labels": {"x": "y"}}), BTreeMap::from([("x".to_owned(), "y".to_owned())])),
            (json!({"name": "a", "labels": null}), BTreeMap::new()),
            (json!({"name": "a"}), BTreeMap::new()),
        ] {
            let namespace: Slim<v1::Namespace> =
                serde_json::from_value(json!({"metadata": metadata, "status": {"phase": "Active"}})).unwrap();
            assert_eq!(*namespace.into_labels(), expected);
        }
    }
}
