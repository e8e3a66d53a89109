//! Whether what was edited is of Kubernetes' types. What was not edited is its author's.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use serde::de::DeserializeOwned;
use serde_json::Error;

use super::edit::Edit;
use super::{Node, Operation, Pod, patch};

type Texts = BTreeMap<String, String>;

/// What does not decode of what an edit adds, if something does not.
pub(super) fn flaw(edit: &Edit, result: &Pod) -> Option<String> {
    let path = edit.path();
    // No name that is known here has a character that is escaped.
    let mut tokens: Vec<_> = Vec::with_capacity(8);
    tokens.extend(patch::encoded_tokens(path));
    let decoded = match edit {
        Edit::One(Operation::Add { value, .. }) => decode(&tokens, value.root(), result),
        Edit::One(Operation::Remove { .. }) => Ok(()),
        Edit::Append { entries, .. } => {
            tokens.push("-");
            entries.iter().try_for_each(|entry| decode(&tokens, entry.root(), result))
        }
    };
    decoded.err().map(|error| format!("what is added at {path} does not decode: {error}"))
}

/// Checks that what is added at a path is of the type that is there.
fn decode(path: &[&str], value: Node<'_>, result: &Pod) -> Result<(), Error> {
    match *path {
        ["metadata", "annotations" | "labels"] | ["spec", "nodeSelector"] => value.decodes_as::<Texts>(),
        ["metadata", "annotations" | "labels", _] | ["spec", "nodeSelector", _] => {
            value.decodes_as::<String>()
        }
        ["spec", "volumes"] => each::<v1::Volume>(value),
        ["spec", "volumes", _] => value.decodes_as::<v1::Volume>(),
        ["spec", "hostAliases"] => each::<v1::HostAlias>(value),
        ["spec", "hostAliases", _] => value.decodes_as::<v1::HostAlias>(),
        ["spec", "imagePullSecrets"] => each::<v1::LocalObjectReference>(value),
        ["spec", "imagePullSecrets", _] => value.decodes_as::<v1::LocalObjectReference>(),
        ["spec", "containers" | "initContainers"] => each::<v1::Container>(value),
        ["spec", "containers" | "initContainers", _] => value.decodes_as::<v1::Container>(),
        ["spec", "containers" | "initContainers", _, ref field @ ..] => match *field {
            ["volumeMounts"] => each::<v1::VolumeMount>(value),
            ["volumeMounts", _] => value.decodes_as::<v1::VolumeMount>(),
            ["env"] => each::<v1::EnvVar>(value),
            ["env", _] => value.decodes_as::<v1::EnvVar>(),
            ["env", _, "value"] => value.decodes_as::<String>(),
            ["resources"] => value.decodes_as::<v1::ResourceRequirements>(),
            ["securityContext"] => value.decodes_as::<v1::SecurityContext>(),
            _ => result.node().decodes_as::<v1::Pod>(),
        },
        _ => result.node().decodes_as::<v1::Pod>(),
    }
}

/// Each of a list; what was added to it remembers that it decodes.
fn each<T: DeserializeOwned + 'static>(list: Node<'_>) -> Result<(), Error> {
    match list.as_array() {
        Some(mut entries) => entries.try_for_each(Node::decodes_as::<T>),
        None => list.decodes_as::<Vec<T>>(),
    }
}
