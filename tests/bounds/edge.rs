//! Pods that are just within what a Pod may hold, and ask for more: refused, before anybody else has to.

use podwright::engine::Decision;
use serde_json::{Value, json};

/// One of them: its name, what makes it, and what is told.
pub(crate) type Case = (&'static str, fn() -> Value, &'static str);

pub(crate) const CASES: &[Case] = &[
    (
        "annotations",
        || {
            let mut pod = asking("lxcfs.podwright.dev/mount", "true", json!([served("app")]));
            let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
            annotations.insert("example.com/large".to_owned(), "x".repeat(256 * 1024 - 80).into());
            pod
        },
        "metadata.annotations: with what Podwright adds there are",
    ),
    (
        "containers",
        || {
            let containers: Value = (0..250).map(|number| served(&format!("c{number}"))).collect();
            asking("c0.logs.podwright.dev/paths", "/a/*.log", containers)
        },
        "spec.containers: with what Podwright adds there are 251 containers of all sorts",
    ),
    (
        "mounts",
        || {
            let mounts: Value =
                (0..2_499).map(|number| json!({"name": "a", "mountPath": format!("/m/{number}")})).collect();
            let mut app = served("app");
            app["volumeMounts"] = mounts;
            let mut pod = asking("lxcfs.podwright.dev/mount", "true", json!([app]));
            pod["spec"]["volumes"] = json!([{"name": "a", "emptyDir": {}}]);
            pod
        },
        "volumeMounts in all containers, and a Pod may have at most 2500",
    ),
];

pub(crate) fn is_refused(decision: &Decision, expected: &str) {
    let refusal = decision.refusal.as_ref().expect("a patch that nobody takes");
    assert_eq!(refusal.code, 422);
    assert!(refusal.message.contains(expected), "{}", refusal.message);
    assert!(decision.operations.is_empty());
}

fn asking(key: &str, value: &str, containers: Value) -> Value {
    json!({"metadata": {"name": "app", "annotations": {key: value}}, "spec": {"containers": containers}})
}

fn served(name: &str) -> Value {
    json!({"name": name, "image": "a", "resources": {"limits": {"cpu": "1"}}})
}
