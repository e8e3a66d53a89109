//! The Pods that the trials create, and what they look for in them.

use serde_json::{Value, json};

/// The container that ships logs.
pub(crate) const SIDECAR: &str = "podwright-filebeat";

/// The annotation that asks for it.
pub(crate) const PATHS: &str = "logs.podwright.dev/paths";

/// A Pod with one container and nothing that Podwright acts on.
pub(crate) fn plain() -> Value {
    json!({"metadata": {"generateName": "pod-"}, "spec": spec()})
}

/// The same Pod, asking for its log files to be shipped.
pub(crate) fn logging() -> Value {
    let mut pod = plain();
    pod["metadata"]["annotations"] = logging_annotations();
    pod
}

/// What makes `template` a Pod template of a workload, annotated for logs.
pub(crate) fn logging_template(restart_policy: &str) -> Value {
    let mut spec = spec();
    spec["restartPolicy"] = json!(restart_policy);
    json!({"metadata": {"labels": {"app": "shop"}, "annotations": logging_annotations()}, "spec": spec})
}

/// All sidecars of ours, be they containers or (on Kubernetes 1.29 and later) init containers that keep running.
pub(crate) fn sidecars(pod: &Value) -> Vec<&Value> {
    let both = ["containers", "initContainers"].map(|field| items(&pod["spec"][field]));
    both.into_iter().flatten().filter(|container| container["name"] == SIDECAR).collect()
}

/// The elements of a list, or of a field that is not there.
pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// The element of that name.
pub(crate) fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    items(list).iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

fn spec() -> Value {
    json!({"containers": [{
        "name": "app",
        "image": "registry.example/shop:1",
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
        "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}},
    }]})
}

fn logging_annotations() -> Value {
    json!({PATHS: "/app/logs/*.log"})
}
