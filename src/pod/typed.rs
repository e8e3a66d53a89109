//! Whether what was edited is of Kubernetes' types. What was not edited is its author's.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use serde::Deserialize;

use super::{Node, Operation, Pod, patch};

type Texts = BTreeMap<String, String>;

/// What does not decode of what an operation adds, if something does not.
pub(super) fn flaw(operation: &Operation, result: &Pod) -> Option<String> {
    let Operation::Add { path, value } = operation else { return None };
    // No name that is known here has a character that is escaped.
    let (mut tokens, value) = (Vec::with_capacity(8), value.root());
    tokens.extend(patch::encoded_tokens(path));
    let decoded = match *tokens {
        ["metadata", "annotations" | "labels"] | ["spec", "nodeSelector"] => decode::<Texts>(value),
        ["metadata", "annotations" | "labels", _] | ["spec", "nodeSelector", _] => decode::<String>(value),
        ["spec", "volumes"] => decode::<Vec<v1::Volume>>(value),
        ["spec", "volumes", _] => decode::<v1::Volume>(value),
        ["spec", "hostAliases"] => decode::<Vec<v1::HostAlias>>(value),
        ["spec", "hostAliases", _] => decode::<v1::HostAlias>(value),
        ["spec", "imagePullSecrets"] => decode::<Vec<v1::LocalObjectReference>>(value),
        ["spec", "imagePullSecrets", _] => decode::<v1::LocalObjectReference>(value),
        ["spec", "containers" | "initContainers"] => decode::<Vec<v1::Container>>(value),
        ["spec", "containers" | "initContainers", _] => decode::<v1::Container>(value),
        ["spec", "containers" | "initContainers", _, "volumeMounts"] => decode::<Vec<v1::VolumeMount>>(value),
        ["spec", "containers" | "initContainers", _, "volumeMounts", _] => decode::<v1::VolumeMount>(value),
        ["spec", "containers" | "initContainers", _, "env"] => decode::<Vec<v1::EnvVar>>(value),
        ["spec", "containers" | "initContainers", _, "env", _] => decode::<v1::EnvVar>(value),
        ["spec", "containers" | "initContainers", _, "env", _, "value"] => decode::<String>(value),
        _ => decode::<v1::Pod>(result.node()),
    };
    decoded.err().map(|error| format!("what is added at {path} does not decode: {error}"))
}

fn decode<'v, T: Deserialize<'v>>(value: Node<'v>) -> Result<(), serde_json::Error> {
    T::deserialize(value).map(drop)
}
