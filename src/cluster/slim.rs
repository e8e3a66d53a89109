//! Objects of which only a few fields are read. The others, a Node's list of images and everybody's managed fields,
//! are many times as large, and are skipped while reading.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer};

use super::kinds::Kind;
use crate::view::ADDRESSES;
use crate::view::calico::IP_ADDRS;

/// An object of kind `K`.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "")]
pub(super) struct Slim<K: Kind> {
    #[serde(deserialize_with = "metadata")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<K::Spec>,
    pub(super) status: Option<K::Status>,
}

impl<K: Kind> Slim<K> {
    pub(super) fn name(&self) -> String {
        self.metadata.name.clone().unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> String {
        self.metadata.namespace.clone().unwrap_or_default()
    }

    /// The value of an annotation, moved out.
    pub(super) fn annotation(&mut self, key: &str) -> Option<String> {
        self.metadata.annotations.as_mut()?.remove(key)
    }
}

impl<K: Kind> Resource for Slim<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        K::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        K::VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::PLURAL.into()
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
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<Annotations>,
}

/// The annotations that anything depends on.
#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "cni.projectcalico.org/ipAddrs")]
    ip_addrs: Option<String>,
    #[serde(rename = "ipam.podwright.dev/addresses")]
    addresses: Option<String>,
}

fn metadata<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    let read = Metadata::deserialize(from)?;
    let annotations = read.annotations.map(|annotations| {
        let entry = |key: &str, value: Option<String>| Some((key.to_owned(), value?));
        let entries = [entry(IP_ADDRS, annotations.ip_addrs), entry(ADDRESSES, annotations.addresses)];
        entries.into_iter().flatten().collect()
    });
    Ok(ObjectMeta {
        name: read.name,
        namespace: read.namespace,
        uid: read.uid,
        resource_version: read.resource_version,
        creation_timestamp: read.creation_timestamp.map(Time),
        deletion_timestamp: read.deletion_timestamp.map(Time),
        labels: read.labels,
        annotations,
        ..ObjectMeta::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::kinds::Node;
    use super::*;

    #[test]
    fn what_the_watcher_needs_is_kept_and_what_is_large_is_not() {
        let node = json!({
            "metadata": {
                "name": "a", "managedFields": [{"fieldsV1": {"f:status": {}}}], "resourceVersion": "7",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", ADDRESSES: "10.0.0.1"},
            },
            "status": {"images": [{"names": ["a"]}]},
        });
        let mut node: Slim<Node> = serde_json::from_value(node).unwrap();
        // Without it the watcher starts over with each event.
        assert_eq!(node.meta().resource_version.as_deref(), Some("7"));
        assert_eq!(node.annotation(ADDRESSES).as_deref(), Some("10.0.0.1"));
        assert_eq!(node.meta().annotations.as_ref().map(BTreeMap::len), Some(0));
    }
}
