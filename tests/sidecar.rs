//! What app teams get wrong in annotations, and what others do to our containers between two passes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

use podwright::engine::{Decision, admit};
use podwright::pod::{Pod, Workload};
use podwright::policy::Subject;
use podwright::policy_set::PolicySet;
use podwright::view::{Version, View};
use serde_json::{Value, json};

const POLICIES: &str = r#"
apiVersion: podwright.dev/v1alpha1
kind: Sidecar
metadata: {name: proxy}
spec:
  match: {excludeNamespaces: [elsewhere]}
  initContainers:
    - name: proxy
      image: example/proxy:1
      restartPolicy: Always
      args: [run]
      fieldOfTomorrow: 1
      ports: [{containerPort: 8080}]
      env: [{name: EMPTY, value: ""}, {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
      volumeMounts: [{name: state, mountPath: /state, readOnly: false}]
      readinessProbe: {httpGet: {path: /, port: 8080}}
      resources: {limits: {cpu: 1000m}}
  volumes:
    - {name: state, emptyDir: {sizeLimit: 1024Mi}}
    - {name: settings, configMap: {name: settings}}
  env: [{name: PROXY, value: "http://localhost:8080"}]
  volumeMounts: [{name: state, mountPath: /state}]
---
apiVersion: podwright.dev/v1alpha1
kind: Sidecar
metadata: {name: agent}
spec:
  match: {excludeNamespaces: [elsewhere]}
  containers: [{name: agent, image: "example/agent:1"}]
"#;

fn decide(pod: &Value, namespace: &str) -> Decision {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), POLICIES).unwrap();
    let policies = PolicySet::load(&[file.path().to_owned()]).unwrap();
    let pod = Pod::from_value(pod.clone()).unwrap();
    let version = Some(Version::v1(33));
    let view = View { api_server: version, oldest_kubelet: version, ..View::default() };
    let subject = Subject::new(namespace, Workload::of(&pod), &pod, &view);
    admit(&policies, &subject, "2026-11-22T12:00:00Z".parse().unwrap())
}

fn asking(key: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "shop", "annotations": {key: value}},
        "spec": {"containers": [{"name": "app", "image": "example/shop:1"}]},
    })
}

/// The annotation that is wrong, its namespace, and parts of what is told.
const WRONG: &[(&str, &str, &str, &[&str])] = &[
    (
        "sidecar.podwright.dev/inject",
        "proxi",
        "shop",
        &["no Sidecar policy \"proxi\"", "did you mean \"proxy\"?"],
    ),
    ("sidecar.podwright.dev/inject", "proxy,other", "shop", &["\"other\"", "there are: agent, proxy"]),
    (
        "sidecar.podwright.dev/inject",
        "true",
        "shop",
        &["no Sidecar policy \"true\"", "there are: agent, proxy"],
    ),
    ("sidecar.podwright.dev/inject", "", "shop", &["has an empty name"]),
    ("sidecar.podwright.dev/inject", "proxy,,agent", "shop", &["\"proxy,,agent\" has an empty name"]),
    ("sidecar.podwright.dev/inject", "proxy, proxy", "shop", &["names \"proxy\" twice"]),
    ("sidecar.podwright.dev/inject", "false", "shop", &["turns no policy off"]),
    (
        "sidecar.podwright.dev/inject",
        "proxy",
        "elsewhere",
        &["no Sidecar policy \"proxy\"", "there is none for this Pod"],
    ),
    ("sidecar.podwright.dev/injekt", "proxy", "shop", &["did you mean sidecar.podwright.dev/inject?"]),
    ("app.sidecar.podwright.dev/inject", "proxy", "shop", &["write it as sidecar.podwright.dev/inject"]),
    ("sidecars.podwright.dev/inject", "proxy", "shop", &["did you mean sidecar.podwright.dev/inject?"]),
];

#[test]
fn whatever_is_wrong_is_refused_with_a_remedy() {
    for (key, value, namespace, parts) in WRONG {
        let decision = decide(&asking(key, value), namespace);
        let message = decision.refusal.unwrap_or_else(|| panic!("{key}: {value} was admitted")).message;
        for part in *parts {
            assert!(message.contains(part), "{key}: {value:?}\n  told {message}\n  lacks {part}");
        }
    }
}

fn patched() -> (Value, Decision) {
    let mut pod = asking("sidecar.podwright.dev/inject", "proxy");
    let first = decide(&pod, "shop");
    assert!(first.refusal.is_none(), "{:?}", first.refusal);
    let patch: json_patch::Patch = serde_json::from_value(json!(first.operations)).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    (pod, first)
}

#[test]
fn what_others_do_between_two_passes_makes_no_difference() {
    let (pod, first) = patched();
    let edits: &[(&str, Value)] = &[
        // Defaults.
        ("/terminationMessagePath", json!("/dev/termination-log")),
        ("/ports/0/protocol", json!("TCP")),
        ("/env/1/valueFrom/fieldRef/apiVersion", json!("v1")),
        // A registry mirror, AlwaysPullImages, a LimitRange, a mesh, a security policy.
        ("/image", json!("mirror.example.com/example/proxy@sha256:0")),
        ("/imagePullPolicy", json!("Always")),
        ("/resources", json!({"limits": {"cpu": "1", "memory": "1Gi"}})),
        ("/readinessProbe", json!({"httpGet": {"path": "/app-health", "port": 15020}})),
        ("/securityContext", json!({"runAsNonRoot": true})),
        // The ServiceAccount's token.
        ("/volumeMounts/1", json!({"name": "token", "mountPath": "/var/run/secrets"})),
    ];
    let mut edited = pod.clone();
    let container = &mut edited["spec"]["initContainers"][0];
    container.as_object_mut().unwrap().remove("fieldOfTomorrow");
    container["volumeMounts"][0].as_object_mut().unwrap().remove("readOnly");
    container["env"][0].as_object_mut().unwrap().remove("value");
    for (path, value) in edits {
        let operation = json!([{"op": "add", "path": path, "value": value}]);
        json_patch::patch(container, &serde_json::from_value::<json_patch::Patch>(operation).unwrap())
            .unwrap();
    }
    edited["spec"]["volumes"][0]["emptyDir"]["sizeLimit"] = json!("1Gi");
    edited["spec"]["volumes"][1]["configMap"]["defaultMode"] = json!(420);
    edited["spec"]["volumes"].as_array_mut().unwrap().push(json!({"name": "token", "emptyDir": {}}));
    let second = decide(&edited, "shop");
    assert!(second.refusal.is_none(), "{:?}", second.refusal);
    assert_eq!(second.operations, []);
    assert_eq!(second.mutations, first.mutations);
}

#[test]
fn a_container_that_does_something_else_is_a_strangers() {
    let (pod, _) = patched();
    for (field, value) in [
        ("args", json!(["else"])),
        ("env", json!([])),
        ("volumeMounts", json!([])),
        ("restartPolicy", Value::Null),
    ] {
        let mut edited = pod.clone();
        edited["spec"]["initContainers"][0][field] = value;
        let message = decide(&edited, "shop").refusal.unwrap_or_else(|| panic!("{field}")).message;
        assert!(message.contains("adds the container \"proxy\", and the Pod has another one"), "{message}");
    }
    // It says nothing but its image.
    let mut other = asking("sidecar.podwright.dev/inject", "agent");
    let containers = json!([{"name": "app", "image": "a"}, {"name": "agent", "image": "example/other:1"}]);
    other["spec"]["containers"] = containers;
    assert!(decide(&other, "shop").refusal.is_some());
}
