//! Policies as custom resources: defined by what `podwright schema --crd` prints, applied as the files that they are.

use std::process::Command;
use std::sync::Arc;

use arc_swap::ArcSwap;
use assert_cmd::cargo::cargo_bin;
use futures::FutureExt as _;
use podwright::cluster::{self, Metrics};
use podwright::policy::plural;
use podwright::policy_set::{EMBEDDED, PolicySet};
use podwright::telemetry::Reloads;
use podwright::yaml;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::api::{Api, Namespace, SOON};
use crate::outage::AFTER_AN_OUTAGE;
use crate::pods;
use crate::process::within;
use crate::world::World;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

pub(crate) fn decide(world: &World) {
    let api = world.api();
    apply_all(api);
    let (namespace, podwright) = world.served_by("custom-policies", &["--watch-policies"]);
    for policy in shipped() {
        accepted(api, &path(&policy));
    }
    let (table, host_path) = ("/apis/podwright.dev/v1alpha1/hostpaths", shipped_host_path());
    assert_eq!(cells(api, table)[..4], [json!("host-path"), json!("deny"), json!("True"), json!("in force")]);
    assert!(mounts_etc(&namespace).unwrap_err().contains("HostPath policy host-path"));

    let mut changed = host_path.clone();
    changed["spec"]["action"] = json!("warn");
    api.apply_at(&path(&host_path), &changed).unwrap();
    within(SOON, "the change to be in force", || mounts_etc(&namespace).ok()).unwrap();

    // What its types forbid the API server refuses; a field that is not known it would drop and say nothing.
    changed["spec"]["action"] = json!("denny");
    let refused = api.apply_at(&path(&host_path), &changed).unwrap_err();
    assert!(refused.contains("spec.action: Unsupported value: \"denny\""), "{refused}");
    let mut broken = host_path.clone();
    broken["spec"]["alowed"] = json!([]);
    api.apply_at(&path(&host_path), &broken).unwrap();
    let message =
        "spec.alowed: \"alowed\" is not known here; did you mean \"allowed\"?; generation 2 stays in force";
    within(SOON, "the table to show the error", || {
        (cells(api, table)[2..4] == [json!("False"), json!(message)]).then_some(())
    })
    .unwrap();
    mounts_etc(&namespace).unwrap();
    let before = podwright.webhook().metrics(api);
    for line in
        ["podwright_policy_resources{state=\"earlier\"} 1", "podwright_policy_last_reload_successful 0"]
    {
        assert!(before.lines().any(|found| found == line), "{line} is missing in\n{before}");
    }

    // A replica that starts now is ready, and decides by the same.
    let another = world.webhook(&["--watch-policies"]).unwrap();
    let generation = |page: &str| {
        page.lines().find(|line| line.starts_with("podwright_policy_generation_info")).map(str::to_owned)
    };
    assert_eq!(generation(&another.metrics(api)), generation(&before));
    another.terminate().unwrap();

    api.apply_at(&path(&host_path), &host_path).unwrap();
    within(SOON, "the mended policy to be in force", || mounts_etc(&namespace).err()).unwrap();
    let mended = accepted(api, &path(&host_path));
    assert_eq!(mended["status"]["lastAccepted"]["generation"], mended["metadata"]["generation"]);
    assert!(mended["spec"].get("alowed").is_none(), "{mended:#}");
}

pub(crate) fn after_a_restart(world: &World) {
    let api = world.api();
    apply_all(api);
    let (namespace, _podwright) = world.served_by("custom-policies-restart", &["--watch-policies"]);
    mounts_etc(&namespace).unwrap_err();
    world.control_plane().restart_api_server().unwrap();
    mounts_etc(&namespace).unwrap_err();
    let mut changed = shipped_host_path();
    changed["spec"]["action"] = json!("audit");
    api.apply_at(&path(&changed), &changed).unwrap();
    within(AFTER_AN_OUTAGE, "the change to be in force", || mounts_etc(&namespace).ok()).unwrap();
}

pub(crate) fn while_a_definition_is_missing(world: &World) {
    let api = world.api();
    apply_all(api);
    let definition = format!("{DEFINITIONS}/probes.podwright.dev");
    api.delete(&definition).unwrap();
    within(SOON, "the definition to go", || api.get(&definition).err()).unwrap();

    let (store, mut registry) = (Arc::new(ArcSwap::<PolicySet>::default()), Registry::default());
    let (metrics, reloads) = (Metrics::register(&mut registry), Reloads::of_policies(&mut registry));
    let _within_runtime = api.runtime().enter();
    let watch = cluster::policies::watch(api.client(), Arc::clone(&store), reloads, metrics);
    let failed = "podwright_cluster_watch_failures_total{source=\"policies\"}";
    within(SOON, "the missing definition to be noticed", || {
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
        page.contains(failed).then_some(())
    })
    .unwrap();
    assert!(watch.loaded().now_or_never().is_none() && store.load().generation.is_empty());
    apply_all(api);
    api.runtime().block_on(async { timeout(AFTER_AN_OUTAGE, watch.loaded()).await }).unwrap();
    within(SOON, "all policies to be in force", || {
        let policies = store.load();
        (policies.mutators().len() + policies.validators().len() == EMBEDDED.len()).then_some(())
    })
    .unwrap();
}

/// Applies the definitions and the shipped policies, as they are now.
fn apply_all(api: &Api) {
    let output = Command::new(cargo_bin!("podwright")).args(["schema", "--crd"]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let definitions: Vec<Value> =
        yaml::documents(&printed).into_iter().map(|one| yaml::read(one).unwrap()).collect();
    assert_eq!(definitions.len(), EMBEDDED.len());
    for definition in definitions {
        let name = definition["metadata"]["name"].as_str().unwrap();
        let path = format!("{DEFINITIONS}/{name}");
        api.apply_at(&path, &definition).unwrap();
        let condition = |kind: &str| {
            let kept = api.get(&path).unwrap();
            let found = pods::items(&kept["status"]["conditions"]).iter().find(|one| one["type"] == kind);
            found.map(|found| (found["status"] == "True", found["message"].to_string()))
        };
        within(SOON, "the kind to be served", || condition("Established").filter(|(is, _)| *is)).unwrap();
        assert_eq!(condition("NonStructuralSchema"), None, "{name}");
    }
    for policy in shipped() {
        // The definition is served a moment after it is established.
        within(SOON, "the policy to be taken", || match api.apply_at(&path(&policy), &policy) {
            Err(error) if error.contains("not found") => None,
            answer => Some(answer),
        })
        .unwrap()
        .unwrap();
    }
}

fn shipped() -> Vec<Value> {
    EMBEDDED.iter().map(|(_, text)| yaml::read(yaml::documents(text)[0]).unwrap()).collect()
}

fn shipped_host_path() -> Value {
    shipped().into_iter().find(|policy| policy["kind"] == "HostPath").unwrap()
}

fn path(policy: &Value) -> String {
    let (kind, name) = (policy["kind"].as_str().unwrap(), policy["metadata"]["name"].as_str().unwrap());
    format!("/apis/podwright.dev/v1alpha1/{}/{name}", plural(kind))
}

/// A policy, once its present generation is accepted.
fn accepted(api: &Api, path: &str) -> Value {
    within(SOON, &format!("{path} to be accepted"), || {
        let policy = api.get(path).unwrap();
        let condition = &policy["status"]["conditions"][0];
        let is_current = condition["observedGeneration"] == policy["metadata"]["generation"];
        (condition["type"] == "Accepted" && condition["status"] == "True" && is_current).then_some(policy)
    })
    .unwrap()
}

/// What `kubectl get` prints of the only policy of a kind.
fn cells(api: &Api, path: &str) -> Vec<Value> {
    let table = api.table(path).unwrap();
    let columns: Vec<_> =
        pods::items(&table["columnDefinitions"]).iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(columns, ["Name", "Action", "Accepted", "Message", "Age"]);
    pods::items(&table["rows"][0]["cells"]).to_vec()
}

fn mounts_etc(namespace: &Namespace) -> Result<Value, String> {
    let mut pod = pods::plain();
    pod["spec"]["volumes"] = json!([{"name": "settings", "hostPath": {"path": "/etc"}}]);
    namespace.dry_run_pod(&pod)
}
