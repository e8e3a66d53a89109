//! LXCFS: what app teams get wrong in annotations, what cluster teams get wrong in policies, and who forges its mounts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use podwright::engine::{Decision, admit};
use podwright::pod::{Operation, Pod, Workload};
use podwright::policy::Subject;
use podwright::policy_set::PolicySet;
use podwright::view::View;
use serde_json::{Value, json};

const POLICIES: &str = "
apiVersion: podwright.dev/v1alpha1
kind: LXCFS
metadata: {name: lxcfs}
spec:
  match: {excludeNamespaces: [kube-system]}
  root: /var/lib/podwright/lxcfs
  files: [meminfo]
  cpus: none
  parentMount: true
  excludeRuntimeClasses: [kata*]
---
apiVersion: podwright.dev/v1alpha1
kind: HostPath
metadata: {name: host-path}
spec: {}
";

fn load(text: &str) -> Result<PolicySet, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policies.yaml");
    std::fs::write(&file, text).unwrap();
    PolicySet::load(&[file]).map_err(|errors| errors.to_string())
}

fn decide_in(namespace: &str, pod: Value) -> Decision {
    let policies = load(POLICIES).unwrap();
    let labels = BTreeMap::from([("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned())]);
    let namespaces = Arc::new(HashMap::from([("strict".to_owned(), Arc::new(labels))]));
    let (pod, view) = (Pod::from_value(pod).unwrap(), View { namespaces, ..View::default() });
    let subject = Subject::new(namespace, Workload::of(&pod), &pod, &view);
    let subject = subject.with_own(policies.own());
    admit(&policies, &subject, "2026-11-22T12:00:00Z".parse().unwrap())
}

fn annotated(annotations: &Value) -> Value {
    let limits = json!({"limits": {"memory": "1Gi"}});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "shop", "annotations": annotations},
        "spec": {
            "initContainers": [{"name": "migrate", "image": "example/migrate:1", "resources": limits}],
            "containers": [
                {"name": "app", "image": "example/shop:1", "resources": limits},
                {"name": "helper", "image": "example/helper:1"}]},
    })
}

/// The annotation that is wrong, and parts of what is told.
const WRONG: &[(&str, &str, &[&str])] = &[
    ("lxcfs.podwright.dev/mount", "yes", &["\"yes\" is no boolean", "did you mean \"true\"?"]),
    ("lxcfs.podwright.dev/mount", "True", &["did you mean \"true\"?"]),
    ("lxcfs.podwright.dev/mount", "flase", &["did you mean \"false\"?"]),
    ("lxcfs.podwright.dev/mount", "", &["\"\" is no boolean"]),
    ("lxcfs.podwright.dev/mont", "true", &["not known", "did you mean lxcfs.podwright.dev/mount?"]),
    ("lxcfs.podwright.dev/inject", "true", &["not known", "expected lxcfs.podwright.dev/mount"]),
    ("app.lxcfs.podwright.dev/mounts", "true", &["did you mean app.lxcfs.podwright.dev/mount?"]),
    (
        "lxcsf.podwright.dev/mount",
        "true",
        &["no mutator knows this key", "did you mean lxcfs.podwright.dev/mount?"],
    ),
    (
        "ap.lxcfs.podwright.dev/mount",
        "true",
        &["no container \"ap\"", "did you mean app.lxcfs.podwright.dev/mount?"],
    ),
    ("ap.lxcfs.podwright.dev/mount", "false", &["no container \"ap\""]),
    ("backend.lxcfs.podwright.dev/mount", "true", &["its containers are app, helper, migrate"]),
    ("helper.lxcfs.podwright.dev/mount", "true", &["no limit of CPU or memory", "set resources.limits"]),
    ("migrate.lxcfs.podwright.dev/mount", "true", &["leaves init containers out"]),
];

#[test]
fn whatever_is_wrong_is_refused_with_key_expectation_and_remedy() {
    for (key, value, parts) in WRONG {
        let decision = decide_in("shop", annotated(&json!({ *key: value })));
        let message = decision.refusal.unwrap_or_else(|| panic!("{key}: {value} was admitted")).message;
        for part in parts.iter().chain([key]) {
            assert!(message.contains(part), "{key}: {value:?}\n  told {message}\n  lacks {part}");
        }
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let annotations = json!({
        "lxcfs.podwright.dev/mount": "on", "ap.lxcfs.podwright.dev/mount": "true", "lxcfs.podwright.dev/x": "",
    });
    let message = decide_in("shop", annotated(&annotations)).refusal.unwrap().message;
    for part in ["did you mean \"true\"?", "no container \"ap\"", "annotation lxcfs.podwright.dev/x"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn what_is_asked_for_in_vain_is_told() {
    let ask = json!({"lxcfs.podwright.dev/mount": "true"});
    let all_off = json!({"lxcfs.podwright.dev/mount": "true", "app.lxcfs.podwright.dev/mount": "false",
        "helper.lxcfs.podwright.dev/mount": "false", "migrate.lxcfs.podwright.dev/mount": "false"});
    let mut of_windows = annotated(&ask);
    of_windows["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"});
    let mut of_kata = annotated(&ask);
    of_kata["spec"]["runtimeClassName"] = json!("kata-qemu");
    for (namespace, pod, part) in [
        ("kube-system", annotated(&ask), "no LXCFS policy is for this Pod in namespace \"kube-system\""),
        ("strict", annotated(&ask), "namespace \"strict\" enforces Pod Security \"restricted\""),
        ("shop", annotated(&all_off), "every container is turned off"),
        ("shop", of_windows, "a Windows Pod has no /proc"),
        ("shop", of_kata, "leaves Pods of runtimeClassName \"kata-qemu\" out"),
    ] {
        let message = decide_in(namespace, pod).refusal.unwrap_or_else(|| panic!("no {part}")).message;
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn wrong_policies_are_refused_with_their_place() {
    for (spec, part) in [
        ("{files: [pressure]}", "runc starts no container that mounts over /proc/pressure"),
        ("{files: [/proc/memifno]}", "did you mean \"meminfo\"?"),
        ("{files: [stat, stat]}", "stat stands there twice"),
        ("{files: [], cpus: none}", "there is nothing to mount"),
        ("{cpus: all}", "\"all\" is not known here"),
        ("{default: optin}", "did you mean \"optIn\"?"),
        ("{parentMount: true}", "it would show every container the node's /var/lib, and so /var/lib/"),
        ("{parentMount: true, root: /lxcfs}", "the node's /, and so /boot"),
        ("{parentMount: true, root: /run/lxcfs}", "the node's /run"),
        ("{root: var/lib/lxcfs}", "is relative"),
        ("{root: /}", "cannot be mounted at /"),
        ("{root: '/a:b'}", "has a colon"),
        ("{root: /var/lib/../lxcfs}", "segment \"..\""),
        ("{nodeLabel: {key: 'a b', value: x}}", "is no key of a label"),
        ("{nodeLabel: {key: a, value: ''}}", "is no value of a label"),
        ("{subPath: x}", "\"subPath\" is not known here"),
    ] {
        let head = "apiVersion: podwright.dev/v1alpha1\nkind: LXCFS\nmetadata: {name: a}\n";
        let error = load(&format!("{head}spec: {spec}\n")).map(|_| ()).unwrap_err();
        assert!(error.contains(part) && error.contains("policies.yaml:4:"), "{spec}: {error}");
    }
}

/// A Pod with the very volumes and mounts that Podwright gives one.
fn served() -> Value {
    let asked = annotated(&json!({"lxcfs.podwright.dev/mount": "true"}));
    let decision = decide_in("shop", asked.clone());
    assert!(decision.refusal.is_none(), "{:?}", decision.refusal);
    let mut served = asked;
    let patch: json_patch::Patch = serde_json::from_value(json!(decision.operations)).unwrap();
    json_patch::patch(&mut served, &patch).unwrap();
    served
}

#[test]
fn what_podwright_mounts_is_no_violation() {
    assert_eq!(decide_in("shop", served()).violations, []);
    // Whatever its name, and whether or not the annotation is still there.
    let mut renamed: Value =
        serde_json::from_str(&served().to_string().replace("podwright-lxcfs-meminfo", "mine")).unwrap();
    renamed["metadata"]["annotations"] = json!({});
    assert_eq!(decide_in("shop", renamed).violations, []);
}

#[test]
fn what_only_looks_like_it_is_a_violation() {
    let mount = "/spec/containers/0/volumeMounts/0";
    let parent = "/spec/containers/0/volumeMounts/1";
    let mounts_elsewhere = json!([{"name": "podwright-lxcfs-meminfo", "mountPath": "/x", "readOnly": true}]);
    let forgeries = [
        (format!("{mount}/readOnly"), json!(false)),
        (format!("{mount}/readOnly"), json!(null)),
        (format!("{mount}/mountPath"), json!("/proc/meminfo/")),
        (format!("{mount}/mountPath"), json!("/data")),
        (format!("{mount}/subPath"), json!("x")),
        (format!("{mount}/subPathExpr"), json!("$(X)")),
        (format!("{mount}/mountPropagation"), json!("Bidirectional")),
        (format!("{parent}/mountPropagation"), json!("Bidirectional")),
        (format!("{parent}/mountPropagation"), json!(null)),
        (format!("{parent}/readOnly"), json!(false)),
        (format!("{parent}/subPath"), json!("lxcfs")),
        ("/spec/volumes/0/hostPath/path".to_owned(), json!("/var/lib/podwright/lxcfs//proc/meminfo")),
        ("/spec/volumes/0/hostPath/path".to_owned(), json!("/var/lib/podwright/lxcfs/proc")),
        ("/spec/volumes/0/hostPath/path".to_owned(), json!("/etc/shadow")),
        ("/spec/volumes/0/hostPath/path".to_owned(), json!("/var/lib/podwright")),
        ("/spec/volumes/0/hostPath/type".to_owned(), json!("DirectoryOrCreate")),
        ("/spec/volumes/0/hostPath/type".to_owned(), json!(null)),
        ("/spec/volumes/1/hostPath/path".to_owned(), json!("/var/lib")),
        // Nobody mounts it: an ephemeral container could, later.
        ("/spec/containers/0/volumeMounts".to_owned(), json!([])),
        // One container mounts it as it should be, another does not.
        ("/spec/containers/1/volumeMounts".to_owned(), mounts_elsewhere.clone()),
        ("/spec/initContainers/0/volumeMounts".to_owned(), mounts_elsewhere.clone()),
        (
            "/spec/ephemeralContainers".to_owned(),
            json!([{"name": "debug", "image": "debug", "volumeMounts": mounts_elsewhere}]),
        ),
    ];
    for (pointer, value) in forgeries {
        let mut forged = served();
        let (above, field) = pointer.rsplit_once('/').unwrap();
        match forged.pointer_mut(above).unwrap() {
            Value::Object(object) => object.insert(field.to_owned(), value.clone()),
            _ => panic!("{above} is no object"),
        };
        assert!(!decide_in("shop", forged).violations.is_empty(), "{pointer} = {value} passes");
    }
    // The policy is not for Pods of that namespace.
    assert!(!decide_in("kube-system", served()).violations.is_empty());
}

#[test]
fn a_pod_that_can_never_reach_a_node_with_lxcfs_is_told() {
    let policies = load(
        "apiVersion: podwright.dev/v1alpha1\nkind: LXCFS\nmetadata: {name: lxcfs}\n\
         spec: {nodeLabel: {key: lxcfs, value: \"2\"}}\n",
    )
    .unwrap();
    let on = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
    // The terms of the required node affinity, and whether a node with lxcfs=2 can satisfy one.
    let cases = [
        (json!([]), true),
        (json!([on("zone", "In", &["a"])]), true),
        (json!([on("lxcfs", "Exists", &[])]), true),
        (json!([on("lxcfs", "In", &["1", "2"])]), true),
        (json!([on("lxcfs", "Gt", &["1"])]), true),
        (json!([on("lxcfs", "DoesNotExist", &[]), on("zone", "In", &["a"])]), true),
        (json!([on("lxcfs", "In", &["1"])]), false),
        (json!([on("lxcfs", "NotIn", &["2"])]), false),
        (json!([on("lxcfs", "DoesNotExist", &[])]), false),
        (json!([on("lxcfs", "Lt", &["2"]), on("lxcfs", "Gt", &["2"])]), false),
    ];
    for (terms, can) in cases {
        let mut pod = annotated(&json!({"lxcfs.podwright.dev/mount": "true"}));
        pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
            json!({"nodeSelectorTerms": terms});
        let (pod, view) = (Pod::from_value(pod).unwrap(), View::default());
        let subject = Subject::new("shop", Workload::of(&pod), &pod, &view);
        let decision = admit(&policies, &subject, jiff::Timestamp::UNIX_EPOCH);
        let told = decision.refusal.map(|refusal| refusal.message).unwrap_or_default();
        assert_eq!(told.is_empty(), can, "{terms} {told}");
        assert!(can || told.contains("change spec.affinity.nodeAffinity"), "{told}");
        let selects = |operation: &Operation| operation.path().as_str() == "/spec/nodeSelector";
        assert_eq!(decision.operations.iter().any(selects), can);
    }
}
