//! Podwright's own sidecars under a rule that requires probes: those that it has added pass, whatever only looks like
//! them does not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

#[allow(dead_code, reason = "some of it is for the laws alone")]
#[path = "properties/server.rs"]
mod server;

use podwright::engine::{Decision, Endpoint, Question, decide};
use podwright::policy_set::PolicySet;
use podwright::review::{Operation, Request};
use podwright::view::{Version, View};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const POLICIES: &str = "
apiVersion: podwright.dev/v1alpha1
kind: Filebeat
metadata: {name: filebeat}
spec:
  image: elastic/filebeat:9.1.5
  output:
    elasticsearch:
      hosts: [https://logs.example.com:9200]
      apiKey: {secret: logs, key: key}
---
apiVersion: podwright.dev/v1alpha1
kind: Sidecar
metadata: {name: agent}
spec:
  containers:
    - name: agent
      image: example/agent:1
      args: [run]
      stdin: false
      env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
---
apiVersion: podwright.dev/v1alpha1
kind: Probes
metadata: {name: probes}
spec: {required: [readiness, liveness], nativeSidecars: true}
";

fn policies() -> PolicySet {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), POLICIES).unwrap();
    PolicySet::load(&[file.path().to_owned()]).unwrap()
}

fn asked(policies: &PolicySet, endpoint: Endpoint, minor: u32, pod: &Value) -> Decision {
    let raw = RawValue::from_string(pod.to_string()).unwrap();
    let mut request: Request<'_> = serde_json::from_str(r#"{"uid": "u", "operation": "CREATE"}"#).unwrap();
    request.kind.kind = "Pod".into();
    request.namespace = Some("shop".into());
    request.operation = Operation::Create;
    request.object = Some((&*raw).into());
    let version = Some(Version::v1(minor));
    let view = View { api_server: version, oldest_kubelet: version, ..View::default() };
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    decide(policies, &view, &Question { endpoint, request: &request, now, asked: None })
}

/// A Pod whose own container has its probes, and which asks for both sidecars.
fn pod() -> Value {
    let probes = |path: &str| json!({"httpGet": {"path": path, "port": 8080}});
    let mounts = json!([{"name": "logs", "mountPath": "/app/logs", "subPathExpr": "$(POD)"}]);
    json!({
        "metadata": {"name": "shop", "annotations": {
            "logs.podwright.dev/paths": "/app/logs/*.log",
            "sidecar.podwright.dev/inject": "agent",
        }},
        "spec": {
            "containers": [{
                "name": "app", "image": "example/shop:1", "readinessProbe": probes("/ready"),
                "livenessProbe": probes("/alive"), "env": [{"name": "POD", "value": "a"}], "volumeMounts": mounts,
            }],
            "volumes": [{"name": "logs", "emptyDir": {}}],
        },
    })
}

/// The Pod as it will be kept in a cluster of this version.
fn kept(policies: &PolicySet, minor: u32) -> Value {
    let mut pod = pod();
    let decision = asked(policies, Endpoint::Mutate, minor, &pod);
    assert_eq!(decision.refusal, None);
    let patch: json_patch::Patch = serde_json::from_value(json!(decision.operations)).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    let mut kept = server::defaulted(pod);
    for group in ["containers", "initContainers"] {
        for container in kept["spec"][group].as_array_mut().into_iter().flatten() {
            container.as_object_mut().unwrap().retain(|_, value| value != &json!(false));
            container["resizePolicy"] = json!([{"resourceName": "cpu", "restartPolicy": "NotRequired"}]);
            for variable in container["env"].as_array_mut().into_iter().flatten() {
                if let Some(reference) = variable.pointer_mut("/valueFrom/fieldRef") {
                    reference["apiVersion"] = json!("v1");
                }
            }
        }
    }
    kept
}

fn refusal(policies: &PolicySet, pod: &Value) -> Option<String> {
    asked(policies, Endpoint::Validate, 33, pod).refusal.map(|refusal| refusal.message)
}

fn container<'a>(pod: &'a mut Value, name: &str) -> &'a mut Value {
    let spec = pod["spec"].as_object_mut().unwrap();
    let groups = spec.iter_mut().filter(|(key, _)| key.ends_with("ontainers")).map(|(_, group)| group);
    let mut all = groups.flat_map(|group| group.as_array_mut().unwrap());
    all.find(|container| container["name"] == name).unwrap_or_else(|| panic!("no container {name}"))
}

#[test]
fn what_podwright_adds_needs_no_probes_of_the_author() {
    let policies = policies();
    for minor in [28, 33] {
        let kept = kept(&policies, minor);
        assert_eq!(refusal(&policies, &kept), None, "1.{minor}");
        // And where the webhook for mutation is asked again.
        assert_eq!(asked(&policies, Endpoint::Mutate, minor, &kept).refusal, None, "1.{minor}");
    }
}

#[test]
fn what_only_looks_like_it_does() {
    let policies = policies();
    let kept = kept(&policies, 28);
    let mount =
        |path: &str, read_only: bool| json!({"name": "logs", "mountPath": path, "readOnly": read_only});
    let forgeries: &[(&str, &str, Value)] = &[
        ("podwright-filebeat", "/image", json!("example/shop:1")),
        ("podwright-filebeat", "/command", json!(["/app/shop"])),
        ("podwright-filebeat", "/args", json!(["-e", "-c", "/app/own.yml"])),
        ("podwright-filebeat", "/args/-", json!("-E")),
        ("podwright-filebeat", "/workingDir", json!("/app")),
        ("podwright-filebeat", "/env/-", json!({"name": "LD_PRELOAD", "value": "/app/shop.so"})),
        ("podwright-filebeat", "/env/0", json!({"name": "POD_NAMESPACE", "value": "kube-system"})),
        ("podwright-filebeat", "/envFrom", json!([{"configMapRef": {"name": "own"}}])),
        ("podwright-filebeat", "/volumeMounts/-", mount("/usr/share/filebeat", true)),
        ("podwright-filebeat", "/volumeMounts/-", mount("/logs/../usr/share/filebeat", true)),
        ("podwright-filebeat", "/volumeMounts/-", mount("/logs-not", true)),
        ("podwright-filebeat", "/volumeMounts/-", mount("/logs/app/own", false)),
        ("podwright-filebeat", "/volumeMounts/0/subPath", json!("own")),
        ("podwright-filebeat", "/volumeMounts/0/name", json!("logs")),
        ("podwright-filebeat", "/lifecycle", json!({"postStart": {"exec": {"command": ["/app/shop"]}}})),
        ("podwright-filebeat", "/name", json!("podwright-filebeat-2")),
        ("agent", "/image", json!("example/shop:1")),
        ("agent", "/args", json!(["serve"])),
        ("agent", "/command", json!(["/app/shop"])),
        ("agent", "/env/0/value", json!("other")),
        ("agent", "/env/-", json!({"name": "PODWRIGHT_LOGS_A", "value": "other"})),
        ("agent", "/volumeMounts/-", mount("/logs/own", true)),
        ("agent", "/newer", json!(["/app/shop"])),
    ];
    for (name, pointer, value) in forgeries {
        let mut forged = kept.clone();
        let path = pointer.parse().unwrap();
        let add = json_patch::PatchOperation::Add(json_patch::AddOperation { path, value: value.clone() });
        let target = container(&mut forged, name);
        // A change of an entry, not another one before it.
        if pointer.ends_with("/0") {
            *target.pointer_mut(pointer).unwrap() = value.clone();
        } else {
            json_patch::patch(target, &[add]).unwrap();
        }
        let message =
            refusal(&policies, &forged).unwrap_or_else(|| panic!("{name} with {pointer} {value} passes"));
        assert!(message.contains("has no readiness probe"), "{message}");
    }
}

#[test]
fn what_others_write_into_it_makes_no_difference() {
    let policies = policies();
    let kept = kept(&policies, 28);
    for (name, field, value) in [
        ("podwright-filebeat", "imagePullPolicy", json!("Always")),
        ("podwright-filebeat", "resources", json!({"limits": {"cpu": "2"}})),
        ("podwright-filebeat", "securityContext", json!({"runAsUser": 1})),
        ("agent", "terminationMessagePolicy", json!("FallbackToLogsOnError")),
        ("agent", "ports", json!([{"containerPort": 1, "protocol": "TCP"}])),
    ] {
        let mut seen = kept.clone();
        container(&mut seen, name)[field] = value.clone();
        assert_eq!(refusal(&policies, &seen), None, "{name} with {field} {value}");
    }
}

#[test]
fn it_is_ours_only_where_the_policy_is() {
    let elsewhere = POLICIES.replace("spec:\n  image:", "spec:\n  match: {namespaces: [other]}\n  image:");
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), elsewhere).unwrap();
    let elsewhere = PolicySet::load(&[file.path().to_owned()]).unwrap();
    let message = refusal(&elsewhere, &kept(&policies(), 28)).unwrap();
    assert!(message.contains("\"podwright-filebeat\" has no readiness probe"), "{message}");
}
