//! The sidecar itself: its container, its volumes, and who it runs as.

use serde_json::{Map, Value, json};

use super::hints::Input;
use super::volumes::{LOGS_ROOT, Plan, VARIABLE_PREFIX};
use super::{CONFIG_ANNOTATION, CONTAINER, DATA_PATH, Filebeat, TLS_PATH};
use crate::pod::{Document, Draft, Node, Pod};
use crate::policy::OwnContainer;

/// The volume that the rendered configuration arrives in; it marks a container as ours.
pub(super) const CONFIG_VOLUME: &str = "podwright-filebeat-config";
const CONFIG_PATH: &str = "/etc/podwright/filebeat";
const DATA_VOLUME: &str = "podwright-filebeat-data";
const TLS_VOLUME: &str = "podwright-filebeat-tls";

/// The volumes of the sidecar: name, source.
pub(super) fn volumes(policy: &Filebeat) -> Vec<(&'static str, &'static str, Value)> {
    // Everyone may read it: the owner is root, the reader not, and it holds no secret.
    let config = json!({
        "defaultMode": 0o444,
        "items": [{
            "path": "filebeat.yml",
            "fieldRef": { "apiVersion": "v1", "fieldPath": format!("metadata.annotations['{CONFIG_ANNOTATION}']") },
        }],
    });
    let mut volumes = vec![
        (CONFIG_VOLUME, "downwardAPI", config),
        (DATA_VOLUME, "emptyDir", json!({ "sizeLimit": policy.data_size_limit })),
    ];
    volumes.extend(policy.output.tls_volume().map(|source| (TLS_VOLUME, "projected", source)));
    volumes
}

/// The mounts of the sidecar.
pub(super) fn mounts(policy: &Filebeat, plan: &Plan) -> Vec<Value> {
    let mut mounts = fixed_mounts(policy);
    mounts.extend(plan.mounts.iter().cloned());
    mounts
}

/// Those that it has in every Pod.
fn fixed_mounts(policy: &Filebeat) -> Vec<Value> {
    let mut mounts = vec![
        json!({ "name": CONFIG_VOLUME, "mountPath": CONFIG_PATH, "readOnly": true }),
        json!({ "name": DATA_VOLUME, "mountPath": DATA_PATH }),
    ];
    if policy.output.tls_volume().is_some() {
        mounts.push(json!({ "name": TLS_VOLUME, "mountPath": TLS_PATH, "readOnly": true }));
    }
    mounts
}

/// The sidecar's container.
pub(super) fn container(
    policy: &Filebeat,
    draft: &Draft<'_>,
    inputs: &[Input],
    plan: &Plan,
    native: bool,
) -> Value {
    let pod = draft.pod();
    let mut container = Map::new();
    let mut set = |key: &str, value: Value| container.insert(key.to_owned(), value);
    set("name", CONTAINER.into());
    set("image", policy.image.as_str().into());
    set("imagePullPolicy", json!(policy.image_pull_policy));
    set("args", args());
    if native {
        set("restartPolicy", "Always".into());
    }
    set("env", env(policy, plan).into());
    set("resources", policy.resources.within(pod));
    set("securityContext", security_context(policy, pod, inputs));
    set("volumeMounts", mounts(policy, plan).into());
    Value::Object(container)
}

/// What the container is in every Pod.
pub(super) fn own(policy: &Filebeat) -> OwnContainer {
    let fields = [
        ("name", CONTAINER.into()),
        ("image", policy.image.as_str().into()),
        ("args", args()),
        ("restartPolicy", "Always".into()),
        ("env", fixed_env(policy).into()),
        ("volumeMounts", fixed_mounts(policy).into()),
    ];
    OwnContainer {
        fields: Document::from(&Value::from_iter(fields)),
        variables: Some(VARIABLE_PREFIX),
        mounts_below: Some(LOGS_ROOT),
    }
}

/// The image's entry point runs filebeat with them. The configuration is a link of root's, as the kubelet makes it.
fn args() -> Value {
    let config = format!("{CONFIG_PATH}/filebeat.yml");
    json!(["-e", "--strict.perms=false", "-c", config, "--path.data", DATA_PATH])
}

fn env(policy: &Filebeat, plan: &Plan) -> Vec<Value> {
    let mut env = fixed_env(policy);
    env.extend(plan.env.values().cloned());
    env
}

/// The variables that it has in every Pod.
fn fixed_env(policy: &Filebeat) -> Vec<Value> {
    let field = |(name, path): (&str, &str)| json!({ "name": name, "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } } });
    let origin = [
        ("POD_NAMESPACE", "metadata.namespace"),
        ("POD_NAME", "metadata.name"),
        ("POD_UID", "metadata.uid"),
        ("POD_IP", "status.podIP"),
        ("NODE_NAME", "spec.nodeName"),
    ];
    let mut env: Vec<_> = origin.into_iter().map(field).collect();
    env.extend(policy.output.env());
    env
}

/// The `restricted` Pod Security Standard, as the user who writes the logs.
fn security_context(policy: &Filebeat, pod: &Pod, inputs: &[Input]) -> Value {
    let user = writer(pod, inputs, "runAsUser").or(policy.run_as_user);
    let group = writer(pod, inputs, "runAsGroup").or(policy.run_as_group);
    let mut context = Map::new();
    context.insert("allowPrivilegeEscalation".to_owned(), false.into());
    context.insert("readOnlyRootFilesystem".to_owned(), true.into());
    // Root writes files that only root reads; then Filebeat must be root too, without any capability.
    context.insert("runAsNonRoot".to_owned(), (user != Some(0)).into());
    for (field, id) in [("runAsUser", user), ("runAsGroup", group)] {
        context.extend(id.map(|id| (field.to_owned(), id.into())));
    }
    context.insert("capabilities".to_owned(), json!({ "drop": ["ALL"] }));
    context.insert("seccompProfile".to_owned(), json!({ "type": "RuntimeDefault" }));
    context.into()
}

/// The id that the first container which writes logs runs with, or else the Pod.
fn writer(pod: &Pod, inputs: &[Input], field: &str) -> Option<i64> {
    writers(pod, inputs, field).into_iter().next().flatten()
}

/// The ids that the containers which write logs run with, each once.
pub(super) fn writers(pod: &Pod, inputs: &[Input], field: &str) -> Vec<Option<i64>> {
    let of_pod = pod.security(field).and_then(Node::as_i64);
    let mut ids = Vec::new();
    for container in pod.containers().filter(|one| inputs.iter().any(|input| input.container == one.name())) {
        let id = container.security(field).and_then(Node::as_i64).or(of_pod);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}
