//! The laws that hold for every Pod: whatever is written, mistyped or forged in it.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../generators/mod.rs"]
mod generators;
mod server;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use podwright::engine::{Decision, Endpoint, Question, decide};
use podwright::mutators::annotations::STATUS;
use podwright::mutators::{MUTATORS, Mutation, OWN_ANNOTATIONS};
use podwright::policy_set::PolicySet;
use podwright::review::{Operation, Request};
use podwright::view::{ADDRESSES, Maker, SetName, StatefulSet, Version, View};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::generators::{json, pods};

/// All mutators, so that they meet on one Pod.
static POLICIES: LazyLock<PolicySet> = LazyLock::new(|| {
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let shipped =
        ["filebeat", "faketime", "host-path", "lxcfs"].map(|kind| file(&format!("policies/{kind}.yaml")));
    PolicySet::load(&[&shipped[..], &[file("tests/properties/policies.yaml")]].concat()).unwrap()
});

/// A decision that was asked for.
struct Asked {
    endpoint: Endpoint,
    operation: Operation,
    kind: &'static str,
    view: View,
}

impl Asked {
    /// The Pod's creation, at `/mutate`, in a cluster of this version.
    fn creation(minor: u32) -> Self {
        let version = Some(Version::v1(minor));
        let redis = json!({
            "metadata": {"uid": "u", "annotations": {ADDRESSES: pods::ADDRESSES}}, "spec": {"replicas": 3},
        });
        let name =
            SetName { maker: Maker::Kubernetes, namespace: "shop".to_owned(), name: "redis".to_owned() };
        let view = View {
            is_watched: true,
            api_server: version,
            oldest_kubelet: version,
            stateful_sets: [(name, Arc::new(StatefulSet::read(&redis)))].into_iter().collect(),
            ..View::default()
        };
        Self { endpoint: Endpoint::Mutate, operation: Operation::Create, kind: "Pod", view }
    }

    fn about(&self, object: &Value, before: Option<&Value>) -> Decision {
        let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
        let (object, before) = (raw(object), before.map(raw));
        let mut request: Request<'_> =
            serde_json::from_str(r#"{"uid": "u", "operation": "CREATE"}"#).unwrap();
        request.kind.version = "v1".into();
        request.kind.kind = self.kind.into();
        request.namespace = Some("shop".into());
        request.operation = self.operation;
        request.object = Some((&*object).into());
        request.old_object = before.as_deref().map(Into::into);
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        decide(
            &POLICIES,
            &self.view,
            &Question { endpoint: self.endpoint, request: &request, now, asked: None },
        )
    }
}

fn patched(pod: &Value, decision: &Decision) -> Value {
    let mut pod = pod.clone();
    let patch: json_patch::Patch = serde_json::from_value(serde_json::json!(decision.operations)).unwrap();
    json_patch::patch(&mut pod, &patch).expect("the API server could not apply the patch");
    pod
}

/// With sidecars that are plain containers, and with native ones.
fn version() -> impl Strategy<Value = u32> {
    prop_oneof![Just(28), Just(33)]
}

fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_patch_applies_and_is_no_bug(pod in pods::pod(), minor in version()) {
        let decision = Asked::creation(minor).about(&pod, None);
        prop_assert_eq!(&decision.fault, &None);
        let result = patched(&pod, &decision);
        if decision.refusal.is_none() && !decision.mutations.is_empty() {
            prop_assert_ne!(&result, &pod);
        }
        // The same question has the same answer, on every replica.
        let again = Asked::creation(minor).about(&pod, None);
        prop_assert_eq!(again.operations, decision.operations);
    }

    #[test]
    fn twice_is_once(pod in pods::pod(), minor in version()) {
        let asked = Asked::creation(minor);
        let first = asked.about(&pod, None);
        if first.refusal.is_some() {
            return Ok(());
        }
        let once = patched(&pod, &first);
        for seen in [once.clone(), server::defaulted(once.clone())] {
            let second = asked.about(&seen, None);
            prop_assert_eq!(&second.refusal, &None);
            prop_assert_eq!(&second.operations, &[]);
            prop_assert_eq!(&second.mutations, &first.mutations);
        }
        // What serves every container serves those that another webhook has added too, and then no more.
        let joined = server::joined(once);
        let second = asked.about(&joined, None);
        prop_assert_eq!(&second.refusal, &None);
        let serves_all = |mutation: &Mutation| !["Filebeat", "FixedIP"].contains(&mutation.kind);
        if !first.mutations.iter().any(serves_all) {
            prop_assert_eq!(&second.operations, &[]);
        }
        let third = asked.about(&patched(&joined, &second), None);
        prop_assert_eq!(&third.refusal, &None);
        prop_assert_eq!(&third.operations, &[]);
    }

    #[test]
    fn nothing_changes_but_what_a_mutator_may_touch(pod in pods::pod(), minor in version()) {
        let decision = Asked::creation(minor).about(&pod, None);
        let result = patched(&pod, &decision);
        prop_assert_eq!(without_additions(&result, &pod), normal(&pod));
    }

    #[test]
    fn what_was_mutated_is_valid(pod in pods::pod(), minor in version()) {
        let first = Asked::creation(minor).about(&pod, None);
        if first.refusal.is_some() {
            return Ok(());
        }
        let result = server::defaulted(patched(&pod, &first));
        let created = Asked { endpoint: Endpoint::Validate, ..Asked::creation(minor) };
        prop_assert_eq!(created.about(&result, None).refusal, None);
        let updated = Asked { operation: Operation::Update, ..created };
        prop_assert_eq!(updated.about(&result, Some(&result)).refusal, None);
    }

    #[test]
    fn a_status_is_ours_or_none(pod in pods::pod(), minor in version()) {
        let decision = Asked::creation(minor).about(&pod, None);
        if decision.refusal.is_some() {
            return Ok(());
        }
        let result = patched(&pod, &decision);
        let annotation = |key: &str| result["metadata"]["annotations"].get(key).cloned();
        match annotation(STATUS) {
            None => {
                prop_assert!(decision.mutations.is_empty());
                // The others are not taken over from a user either.
                prop_assert!(OWN_ANNOTATIONS.iter().all(|key| annotation(key).is_none()));
            }
            Some(status) => {
                let status: Value = serde_json::from_str(status.as_str().unwrap()).unwrap();
                prop_assert_eq!(status["generation"].as_str(), Some(POLICIES.generation.as_str()));
                prop_assert!(!decision.mutations.is_empty());
            }
        }
    }

    #[test]
    fn nothing_that_is_sent_makes_it_panic(
        object in prop_oneof![json::json(), pods::broken_pod(), pods::pod()],
        before in proptest::option::of(pods::broken_pod()),
        endpoint in prop_oneof![Just(Endpoint::Mutate), Just(Endpoint::Validate)],
        operation in prop_oneof![Just(Operation::Create), Just(Operation::Update), Just(Operation::Delete)],
        kind in prop_oneof![Just("Pod"), Just("Deployment"), Just("CronJob"), Just("Secret")],
        minor in version(),
    ) {
        let in_kind = match kind {
            "Deployment" => json!({"metadata": {"name": "a"}, "spec": {"template": object}}),
            "CronJob" => json!({"spec": {"jobTemplate": {"spec": {"template": object}}}}),
            _ => object,
        };
        let decision = Asked { endpoint, operation, kind, ..Asked::creation(minor) }.about(&in_kind, before.as_ref());
        if let Some(refusal) = &decision.refusal {
            prop_assert!([400, 403, 422, 500, 503].contains(&refusal.code));
            prop_assert!(refusal.message.starts_with("podwright: ") && refusal.message.len() > 20);
        }
        if decision.fault.is_some() || endpoint == Endpoint::Validate {
            prop_assert!(decision.operations.is_empty());
        }
        patched(&in_kind, &decision);
    }
}

/// The laws would hold if every Pod were refused.
#[test]
fn the_generator_gives_pods_of_every_fate() {
    let mut runner = TestRunner::deterministic();
    let (mut patches, mut refusals, mut untouched) = (0, 0, 0);
    let mut together = BTreeSet::new();
    const PODS: usize = 1000;
    for _ in 0..PODS {
        let pod = pods::pod().new_tree(&mut runner).unwrap().current();
        let decision = Asked::creation(33).about(&pod, None);
        if decision.refusal.is_none() && decision.mutations.len() > 1 {
            together.extend(decision.mutations.iter().map(|mutation| mutation.kind));
        }
        match (decision.refusal, decision.mutations.as_slice()) {
            (Some(_), _) => refusals += 1,
            (None, []) => untouched += 1,
            (None, _) => patches += 1,
        }
    }
    for (fate, count) in [("patched", patches), ("refused", refusals), ("untouched", untouched)] {
        assert!(count > PODS / 10, "only {count} of {PODS} are {fate}");
    }
    let kinds: BTreeSet<_> = MUTATORS.iter().map(|kind| kind.name).collect();
    assert_eq!(together, kinds, "some mutator never meets another");
}

/// What our mutators write besides their own annotations: that of Calico, and the sidecar policy's.
const ADDED: &[&str] = &["cni.projectcalico.org/ipAddrs", "example.com/agent"];
/// The variables that they set.
const VARIABLES: &[&str] = &[
    "AGENT_SOCKET",
    "FAKETIME",
    "FAKETIME_DONT_FAKE_MONOTONIC",
    "FAKETIME_DONT_RESET",
    "FAKETIME_DISABLE_SHM",
];

/// The result without what mutators may add: entries behind those of the original in a few lists, one init container in
/// front, and annotations, labels and variables of theirs.
fn without_additions(result: &Value, original: &Value) -> Value {
    let mut result = normal(result);
    let original = normal(original);
    // One of that name that was there is its author's.
    let inits = original.pointer("/spec/initContainers").and_then(Value::as_array);
    let is_copy = |container: &Value| container["name"] == "podwright-faketime";
    if let Some(list) = result.pointer_mut("/spec/initContainers").and_then(Value::as_array_mut)
        && !inits.into_iter().flatten().any(is_copy)
    {
        list.retain(|container| !is_copy(container));
    }
    for group in ["containers", "initContainers"] {
        let count = keep_first(&mut result, &original, &format!("/spec/{group}"));
        for index in 0..count {
            let container = format!("/spec/{group}/{index}");
            keep_first(&mut result, &original, &format!("{container}/volumeMounts"));
            without_variables(&mut result, &original, &format!("{container}/env"));
        }
    }
    keep_first(&mut result, &original, "/spec/volumes");
    keep_first(&mut result, &original, "/spec/imagePullSecrets");
    for (map, keys) in [("annotations", [OWN_ANNOTATIONS, ADDED].concat()), ("labels", vec!["agent"])] {
        if let Some(map) = result.pointer_mut(&format!("/metadata/{map}")).and_then(Value::as_object_mut) {
            map.retain(|key, _| !keys.contains(&key.as_str()));
        }
    }
    normal(&result)
}

/// A variable that the original has is its author's, even one of ours.
fn without_variables(result: &mut Value, original: &Value, pointer: &str) {
    let before = original.pointer(pointer).and_then(Value::as_array);
    let is_new = |name: &str| !before.into_iter().flatten().any(|variable| variable["name"] == name);
    if let Some(list) = result.pointer_mut(pointer).and_then(Value::as_array_mut) {
        list.retain(|variable| !VARIABLES.iter().any(|name| variable["name"] == *name && is_new(name)));
        list.iter_mut().filter(|variable| variable["name"] == "LD_PRELOAD").for_each(without_library);
        list.retain(|variable| {
            variable["name"] != "LD_PRELOAD" || variable["value"] != "" || !is_new("LD_PRELOAD")
        });
    }
}

/// What was preloaded before ours.
fn without_library(preload: &mut Value) {
    if let Some(libraries) = preload["value"].as_str() {
        let others = libraries.split(':').filter(|path| !path.starts_with("/opt/podwright/faketime/"));
        preload["value"] = others.collect::<Vec<_>>().join(":").into();
    }
}

/// Cuts a list of the result to the original's length; tells that.
fn keep_first(result: &mut Value, original: &Value, pointer: &str) -> usize {
    let count = original.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
    if let Some(list) = result.pointer_mut(pointer).and_then(Value::as_array_mut) {
        list.truncate(count);
    }
    count
}

/// What is the same to Kubernetes is the same here: a list or map that is empty, null or missing. Our own annotations
/// are nobody else's.
fn normal(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Some(annotations) = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !OWN_ANNOTATIONS.contains(&key.as_str()));
    }
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    let tidy = |value: Option<&mut Value>, fields: &[&str]| {
        if let Some(map) = value.and_then(Value::as_object_mut) {
            map.retain(|key, value| !fields.contains(&key.as_str()) || !is_nothing(value));
        }
    };
    for object in ["/metadata", "/spec"] {
        tidy(
            pod.pointer_mut(object),
            &["annotations", "labels", "volumes", "initContainers", "imagePullSecrets"],
        );
    }
    for group in ["/spec/containers", "/spec/initContainers"] {
        for container in pod.pointer_mut(group).and_then(Value::as_array_mut).into_iter().flatten() {
            tidy(Some(container), &["volumeMounts", "env"]);
        }
    }
    tidy(Some(&mut pod), &["metadata"]);
    pod
}
