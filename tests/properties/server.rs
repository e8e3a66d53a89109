//! What becomes of a Pod between two calls of a webhook: defaults, the API server's own plugins, other webhooks.

use serde_json::{Map, Value, json};

/// The volume with which the `ServiceAccount` plugin brings a token to every container, ours too.
const TOKEN: &str = "kube-api-access-x7k2p";

/// The Pod as the API server would show it to a webhook that it calls again.
pub(crate) fn defaulted(mut pod: Value) -> Value {
    let Some(spec) = pod["spec"].as_object_mut() else { return pod };
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("securityContext", json!({})),
        ("enableServiceLinks", json!(true)),
    ] {
        default(spec, field, value);
    }
    for volume in list(spec, "volumes") {
        for kind in ["configMap", "secret", "downwardAPI", "projected"] {
            if let Some(source) = volume.get_mut(kind).and_then(Value::as_object_mut) {
                default(source, "defaultMode", json!(0o644));
            }
        }
        for item in
            volume.pointer_mut("/downwardAPI/items").and_then(Value::as_array_mut).into_iter().flatten()
        {
            if let Some(reference) = item.get_mut("fieldRef").and_then(Value::as_object_mut) {
                default(reference, "apiVersion", json!("v1"));
            }
        }
    }
    let token = json!({"name": TOKEN, "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"path": "token"}}]}});
    list(spec, "volumes").push(token);
    for group in ["containers", "initContainers"] {
        for container in list(spec, group).iter_mut().filter_map(Value::as_object_mut) {
            for (field, value) in [
                ("terminationMessagePath", json!("/dev/termination-log")),
                ("terminationMessagePolicy", json!("File")),
                ("imagePullPolicy", json!("IfNotPresent")),
                ("resources", json!({})),
            ] {
                default(container, field, value);
            }
            let mount = json!({"name": TOKEN, "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
            list(container, "volumeMounts").push(mount);
        }
    }
    pod
}

/// The Pod after another webhook has put its containers beside ours.
pub(crate) fn joined(mut pod: Value) -> Value {
    let Some(spec) = pod["spec"].as_object_mut() else { return pod };
    list(spec, "containers").insert(0, json!({"name": "other-proxy", "image": "example/proxy:1"}));
    list(spec, "containers").push(json!({"name": "other-agent", "image": "example/agent:1"}));
    list(spec, "initContainers")
        .insert(0, json!({"name": "other-init", "image": "example/proxy:1", "restartPolicy": "Always"}));
    pod
}

fn default(object: &mut Map<String, Value>, field: &str, value: Value) {
    if object.get(field).is_none_or(Value::is_null) {
        object.insert(field.to_owned(), value);
    }
}

fn list<'a>(object: &'a mut Map<String, Value>, field: &str) -> &'a mut Vec<Value> {
    default(object, field, json!([]));
    object[field].as_array_mut().unwrap()
}
