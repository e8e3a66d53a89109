//! Whole outcomes: a folder is a case, `tests/cases/<kind>/<case>/`.
//!
//! `pod.yaml` is what comes in: a Pod, or a workload whose template is judged at `/validate`; `before.yaml`, if it is
//! there, is what it was before it was changed. `policy.yaml`, if it is there, replaces the shipped policies (of which
//! that of `Probes` counts for its own cases alone); `case.yaml` says what is around the Pod. `expected.yaml` is what
//! comes out.
//! Run with `UPDATE_CASES=1` to write it anew, and read the difference before it is committed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use libtest_mimic::{Arguments, Failed, Trial};
use podwright::engine::{Decision, Endpoint, Question, decide};
use podwright::policy_set::{EMBEDDED, LoadErrors, PolicySet};
use podwright::review::{Operation, Request, UserInfo};
use podwright::view::{Answer, Asked, Holders, Maker, PodName, SetName, StatefulSet, View, VolumeSpec};
use podwright::yaml;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// What is around the Pod.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Around {
    /// Its namespace.
    namespace: Option<String>,
    /// The version of the API server and of every kubelet.
    kubernetes: Option<String>,
    /// The time.
    now: Option<String>,
    /// Whether a cluster is watched.
    watched: bool,
    /// The StatefulSets of the cluster,
    sets: Vec<Value>,
    /// which are OpenKruise's.
    kruise: bool,
    /// Pods that live, `namespace/name`, by their addresses.
    holders: BTreeMap<IpAddr, String>,
    /// Whether the API server was asked for the StatefulSet `redis`, and has none.
    redis_is_gone: bool,
    /// The PersistentVolumes of the cluster.
    volumes: Vec<Value>,
    /// Calico's pools, where Calico is there.
    pools: Option<Vec<IpNet>>,
}

impl Around {
    fn view(&self) -> Result<View, Failed> {
        let version = self.kubernetes.as_deref().map(str::parse).transpose()?;
        let mut sets = HashMap::new();
        for set in &self.sets {
            let text = |pointer: &str| set.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
            let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
            let maker = if self.kruise { Maker::Kruise } else { Maker::Kubernetes };
            let name = SetName { maker, namespace, name };
            sets.insert(name, Arc::new(StatefulSet::read(set)));
        }
        let mut holders = Holders::default();
        for (address, pod) in &self.holders {
            let (namespace, name) = pod.split_once('/').unwrap();
            let name = PodName { namespace: namespace.to_owned(), name: name.to_owned() };
            holders.add(*address, &Arc::new(name));
        }
        let volumes = self.volumes.iter().filter_map(|volume| {
            let name = volume["metadata"]["name"].as_str()?.to_owned();
            let behind = VolumeSpec::read(volume).node_volume()?;
            Some((behind.claim.clone(), (name, behind)))
        });
        let redis = || SetName { maker: Maker::Kubernetes, namespace: "shop".into(), name: "redis".into() };
        Ok(View {
            asked: self.redis_is_gone.then(|| Asked { name: redis(), answer: Answer::Absent }),
            node_volumes: Arc::new(volumes.collect()),
            is_watched: self.watched,
            api_server: version,
            oldest_kubelet: version,
            stateful_sets: sets.into_iter().collect(),
            holders,
            pools: self.pools.clone().map(Arc::new),
            ..View::default()
        })
    }
}

fn main() {
    let mut trials = Vec::new();
    for kind in folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")) {
        for case in folders(&kind) {
            let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
            trials.push(Trial::test(format!("{}::{}", name(&kind), name(&case)), move || run(&case)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> =
        fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn run(case: &Path) -> Result<(), Failed> {
    let outcome = yaml::write(&outcome(case)?).map_err(|error| error.to_string())?;
    let file = case.join("expected.yaml");
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&file, &outcome)?;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if outcome == expected {
        return Ok(());
    }
    Err(diffy::create_patch(&expected, &outcome).to_string().into())
}

fn outcome(case: &Path) -> Result<Value, Failed> {
    let read = |name: &str| fs::read_to_string(case.join(name)).ok();
    let document = |text: &str| yaml::read::<Value>(yaml::Document { text, lines_before: 0 });
    let object: Value = document(&read("pod.yaml").ok_or("pod.yaml is missing")?)?;
    let around: Around = match read("case.yaml") {
        Some(text) => yaml::read(yaml::Document { text: &text, lines_before: 0 })?,
        None => Around::default(),
    };
    let policy = case.join("policy.yaml");
    let policies = if policy.exists() { PolicySet::load(&[policy]) } else { shipped(case) }?;
    let view = around.view()?;
    let before = read("before.yaml").map(|text| document(&text)).transpose()?;
    let namespace = around.namespace.unwrap_or_else(|| "shop".to_owned());
    let now = around.now.as_deref().unwrap_or("2026-11-22T12:00:00Z").parse()?;

    let first = ask(&policies, &view, &object, before.as_ref(), &namespace, now)?;
    let mut patched = object.clone();
    let patch: json_patch::Patch = serde_json::from_value(json!(first.operations))?;
    json_patch::patch(&mut patched, &patch)?;
    if first.refusal.is_none() {
        let second = ask(&policies, &view, &patched, before.as_ref(), &namespace, now)?;
        assert_eq!(second.operations, [], "the second pass edits again");
        assert_eq!(second.mutations, first.mutations, "the second pass sees another Pod");
    }
    Ok(render(&first, &object, patched))
}

/// The shipped policies. Most Pods here are too short to have probes: that is told only where it is the subject.
fn shipped(case: &Path) -> Result<PolicySet, LoadErrors> {
    let is_about_probes = case.parent().is_some_and(|kind| kind.ends_with("probes"));
    let files = EMBEDDED.iter().map(|(file, _)| Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let files: Vec<_> = files.filter(|file| is_about_probes || !file.ends_with("probes.yaml")).collect();
    PolicySet::load(&files)
}

fn ask(
    policies: &PolicySet,
    view: &View,
    object: &Value,
    before: Option<&Value>,
    namespace: &str,
    now: jiff::Timestamp,
) -> Result<Decision, Failed> {
    let raw = RawValue::from_string(object.to_string())?;
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").rsplit_once('/').unwrap_or(("", text("/apiVersion")));
    let mut request: Request<'_> = serde_json::from_str(r#"{"uid": "u", "operation": "CREATE"}"#)?;
    request.kind.group = group.into();
    request.kind.version = version.into();
    request.kind.kind = text("/kind").into();
    request.namespace = Some(namespace.into());
    request.operation = if before.is_some() { Operation::Update } else { Operation::Create };
    request.user_info = UserInfo::default();
    request.object = Some((&*raw).into());
    let before = before.map(|before| RawValue::from_string(before.to_string())).transpose()?;
    request.old_object = before.as_deref().map(Into::into);
    let endpoint = if text("/kind") == "Pod" { Endpoint::Mutate } else { Endpoint::Validate };
    Ok(decide(policies, view, &Question { endpoint, request: &request, now, asked: None }))
}

/// What a reader wants to see: the verdict, what is told, and the Pod if it changed.
fn render(decision: &Decision, object: &Value, patched: Value) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    if let Some(refusal) = &decision.refusal {
        put("refused", json!({ "code": refusal.code, "message": refusal.message }));
    }
    if let Some(fault) = &decision.fault {
        put("fault", fault.as_str().into());
    }
    if !decision.warnings.is_empty() {
        put("warnings", decision.warnings.clone().into());
    }
    if !decision.audit_annotations.is_empty() {
        put("audit", json!(decision.audit_annotations));
    }
    if decision.refusal.is_none() {
        let mut patched = patched;
        // The generation changes with every edit of a shipped policy, the outcome does not.
        if let Some(Value::String(status)) =
            patched.pointer_mut("/metadata/annotations/podwright.dev~1status")
        {
            let mut facts: Value = serde_json::from_str(status).unwrap();
            facts["generation"] = "…".into();
            *status = facts.to_string();
        }
        put("pod", if &patched == object { "unchanged".into() } else { patched });
    }
    if let Some(Value::Object(audit)) = out.get_mut("audit") {
        audit.insert("generation".to_owned(), "…".into());
    }
    out.into()
}
