//! The API server as judge of Pods at random: what Podwright admits, it takes.
//!
//! `PODWRIGHT_JUDGED` says how many are thrown at it and `PODWRIGHT_SEED` by which seed, where the fixed ones of CI are
//! not enough.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::api::Namespace;
use crate::generators::pods as generated;
use crate::world::World;

/// How many Pods, and the seed that they come from, where nobody says.
const PODS: usize = 400;
const SEED: u64 = 20_261_122;
/// The API server works on several at a time.
const CLIENTS: usize = 4;
/// The lists of the StatefulSets whose Pods are created; no other trial gives these addresses.
const LISTS: [&str; 4] = [
    "10.20.0.10-10.20.0.12",
    "10.66.1.0/29",
    "fd00:66::1:0/120,10.66.2.1-10.66.2.200",
    "10.66.3.1, 10.66.3.3 ,10.66.3.5-10.66.3.7",
];

pub(crate) fn takes_whatever_is_admitted(world: &World) {
    let (count, seed) =
        (asked("PODWRIGHT_JUDGED").unwrap_or(PODS as u64), asked("PODWRIGHT_SEED").unwrap_or(SEED));
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/judge.yaml");
    let (served, registered) = world.served_by("judge", &["--policies", policies]);
    let sets: Vec<Value> = (0..LISTS.len()).map(|number| stateful_set(&served, number)).collect();
    let runtime = json!({"metadata": {"name": "gvisor-fast"}, "handler": "runsc"});
    world.api().create("/apis/node.k8s.io/v1/runtimeclasses", &runtime).unwrap();
    let pods = pods(count, seed, &sets);
    let trial = Trial { served: &served, unserved: &world.unserved(), tally: Mutex::default() };
    trial.judge_all(&pods);

    let mut tally = trial.tally.into_inner().unwrap();
    tally.faults = registered.metric(world.api(), "podwright_verification_failures_total");
    eprintln!("{}", tally.told(count, seed));
    assert!(tally.bugs.is_empty(), "{}", tally.bugs.join("\n\n"));
    assert_eq!(tally.faults, Some(0.0), "edits that did not verify were dropped");
    // Nothing would be shown by Pods that are all refused, or let through as they are.
    assert!(
        tally.patched > pods.len() / 4,
        "only {} of {} are admitted and patched",
        tally.patched,
        pods.len()
    );
    let is_rare = |kind: &&str| tally.edits.get(*kind).is_none_or(|count| *count < pods.len() / 50);
    let rare: Vec<_> = KINDS.into_iter().filter(is_rare).collect();
    assert!(rare.is_empty(), "hardly a Pod has {rare:?}");
}

const KINDS: [&str; 5] = ["Filebeat", "FixedIP", "LXCFS", "Faketime", "Sidecar"];

fn asked(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().unwrap())
}

/// Without Pods of its own: those that are created here are not to be there already.
fn stateful_set(served: &Namespace, number: usize) -> Value {
    let labels = json!({"app": format!("set-{number}")});
    let set = json!({
        "metadata": {"name": format!("set-{number}"), "annotations": {"ipam.podwright.dev/addresses": LISTS[number]}},
        "spec": {
            "serviceName": "redis", "replicas": 0, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "redis:7"}]}},
        },
    });
    served.create("apps/v1", "statefulsets", &set).unwrap()
}

fn pods(count: u64, seed: u64, sets: &[Value]) -> Vec<Value> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = generated::pod();
    let mut pod = |number| {
        let mut pod = strategy.new_tree(&mut runner).unwrap().current();
        fit(&mut pod, &sets[number as usize % sets.len()]);
        pod
    };
    (0..count).map(&mut pod).collect()
}

/// Gives a Pod the name that it lacks and the owner that there is, and takes from it what this API server would refuse.
fn fit(pod: &mut Value, set: &Value) {
    pod["spec"].as_object_mut().unwrap().remove("ephemeralContainers"); // added later, and only so
    for container in pod["spec"]["initContainers"].as_array_mut().into_iter().flatten() {
        container.as_object_mut().unwrap().remove("readinessProbe"); // from 1.28 on
    }
    for volume in pod["spec"]["volumes"].as_array_mut().into_iter().flatten() {
        volume.as_object_mut().unwrap().remove("ephemeral"); // from 1.21 on
    }
    if let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() {
        annotations.remove("example.com/a~b");
    }
    if !pod["metadata"].is_object() {
        pod["metadata"] = json!({});
    }
    let metadata = pod["metadata"].as_object_mut().unwrap();
    let (name, uid) = (set["metadata"]["name"].as_str().unwrap(), &set["metadata"]["uid"]);
    if let Some(owner) = metadata.get_mut("ownerReferences") {
        owner[0]["name"] = name.into();
        if owner[0]["uid"] == "u" {
            owner[0]["uid"] = uid.clone();
        }
    }
    match metadata.get_mut("name") {
        Some(Value::String(own)) => *own = own.replace("redis", name),
        _ => drop(metadata.insert("generateName".to_owned(), "judged-".into())),
    }
}

struct Trial<'a> {
    served: &'a Namespace,
    unserved: &'a Namespace,
    tally: Mutex<Tally>,
}

impl Trial<'_> {
    fn judge_all(&self, pods: &[Value]) {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    while let Some(pod) = pods.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.judge(pod);
                    }
                });
            }
        });
    }

    fn judge(&self, pod: &Value) {
        let without = self.unserved.dry_run_pod(pod);
        let with = self.served.dry_run_pod(pod);
        let mut tally = self.tally.lock().unwrap();
        match (without, with) {
            (_, Err(message)) if message.contains(OURS) => {
                *tally.refused.entry(reason(&message)).or_default() += 1;
            }
            // Its author's mistakes are not ours.
            (Err(message), Err(_)) => *tally.invalid.entry(mistake(&message)).or_default() += 1,
            (Ok(_), Err(message)) => tally.bugs.push(format!("{message}\n{pod}")),
            (_, Ok(created)) => tally.admitted(&created),
        }
    }
}

/// What the API server says before a refusal of ours.
const OURS: &str = "denied the request: podwright: ";

/// Of a refusal the place, whichever container and number it is narrowed to: enough to tell one kind from another.
fn reason(message: &str) -> String {
    let message = message.split_once(OURS).map_or(message, |(_, message)| message);
    let place = message.split(": ").next().unwrap_or_default();
    let key = place.strip_prefix("annotation ").map(|key| {
        let (prefix, name) = key.split_once('/').unwrap_or((key, ""));
        let parts: Vec<_> = prefix.rsplitn(4, '.').take(3).collect();
        let name = name.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        format!("annotation {}/{name}", parts.into_iter().rev().collect::<Vec<_>>().join("."))
    });
    key.unwrap_or_else(|| place.replace(|c: char| c.is_ascii_digit(), "N"))
}

/// Of what the API server itself finds the first field, and what is wrong with it.
fn mistake(message: &str) -> String {
    let first = message.split_once(" is invalid: ").map_or(message, |(_, causes)| causes);
    let place: Vec<_> = first.trim_start_matches('[').split(": ").take(2).collect();
    place.join(": ").replace(|c: char| c.is_ascii_digit(), "N")
}

/// What became of the Pods.
#[derive(Default)]
struct Tally {
    untouched: usize,
    patched: usize,
    invalid: BTreeMap<String, usize>,
    edits: BTreeMap<String, usize>,
    refused: BTreeMap<String, usize>,
    faults: Option<f64>,
    bugs: Vec<String>,
}

impl Tally {
    fn admitted(&mut self, created: &Value) {
        let Some(status) = created["metadata"]["annotations"]["podwright.dev/status"].as_str() else {
            self.untouched += 1;
            return;
        };
        self.patched += 1;
        let status: BTreeMap<String, Value> = serde_json::from_str(status).unwrap();
        for kind in status.into_keys().filter(|kind| kind != "generation") {
            *self.edits.entry(kind).or_default() += 1;
        }
    }

    fn told(&self, count: u64, seed: u64) -> String {
        let [refused, invalid] = [&self.refused, &self.invalid].map(|counts| counts.values().sum::<usize>());
        let mut text = format!(
            "the API server judged {count} Pods of seed {seed}: {} admitted and patched, {} admitted as they were, \
             {refused} refused by Podwright, {invalid} invalid with it and without it, {} refused by the API server for what \
             Podwright made of them",
            self.patched,
            self.untouched,
            self.bugs.len(),
        );
        let list = |counts: &BTreeMap<String, usize>| {
            let mut counts: Vec<_> = counts.iter().collect();
            counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
        };
        let _ = write!(text, "\n  patched: {}\n  refused for: {}", list(&self.edits), list(&self.refused));
        let _ = write!(text, "\n  invalid for: {}", list(&self.invalid));
        text
    }
}
