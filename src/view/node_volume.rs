//! PersistentVolumes that are paths of a node.

use serde::Deserialize;
use serde_json::Value;

/// The name of a PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A PersistentVolume that is a path of a node, and bound to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeVolume {
    /// The claim.
    pub claim: ClaimName,
    /// The path, as it is written.
    pub path: String,
}

/// The part of a PersistentVolume's `spec` that counts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSpec {
    host_path: Option<NodePath>,
    local: Option<NodePath>,
    claim_ref: Option<ClaimRef>,
}

#[derive(Debug, Clone, Deserialize)]
struct NodePath {
    path: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct ClaimRef {
    namespace: Option<String>,
    name: Option<String>,
}

impl VolumeSpec {
    /// Reads the `spec` of a PersistentVolume; nothing where it does not read.
    #[must_use]
    pub fn read(object: &Value) -> Self {
        object.get("spec").and_then(|spec| Self::deserialize(spec).ok()).unwrap_or_default()
    }

    /// The path of the node, with the field that holds it.
    #[must_use]
    pub fn path(&self) -> Option<(&'static str, &str)> {
        let host_path = self.host_path.as_ref().and_then(|source| source.path.as_deref());
        let local = self.local.as_ref().and_then(|source| source.path.as_deref());
        host_path.map(|path| ("spec.hostPath.path", path)).or(local.map(|path| ("spec.local.path", path)))
    }

    /// The claim that it is bound to.
    #[must_use]
    pub fn claim(&self) -> Option<ClaimName> {
        let claim = self.claim_ref.as_ref()?;
        Some(ClaimName { namespace: claim.namespace.clone()?, name: claim.name.clone()? })
    }

    /// The volume, where it is a path of a node and bound.
    #[must_use]
    pub fn node_volume(&self) -> Option<NodeVolume> {
        let (_, path) = self.path()?;
        Some(NodeVolume { claim: self.claim()?, path: path.to_owned() })
    }
}
