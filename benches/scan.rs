//! What a scan of many Pods takes, beside reading and parsing the same bytes.
//!
//! `cargo bench --bench scan` scans 100,000 Pods, with `-- --quick` 2,000. The parser is the same in both: what is over
//! one is the cost of deciding and reporting. One Pod of a hundred breaks a rule that denies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)] // the table

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use podwright::yaml;
use serde_json::{Value, json};

/// How many Pods stand in one file.
const PER_FILE: usize = 1000;

fn main() {
    let args: Vec<String> = env::args().collect();
    // As `cargo test` calls it, it only shows that it works.
    let is_quick = args.iter().any(|arg| arg == "--quick") || !args.iter().any(|arg| arg == "--bench");
    let files = if is_quick { 2 } else { 100 };
    println!(
        "{:<5} {:>7} {:>7} {:>9} {:>9} {:>7} {:>10}",
        "form", "Pods", "MB", "parse", "scan", "ratio", "peak"
    );
    for (form, write) in [("json", as_json as fn(usize) -> String), ("yaml", as_yaml)] {
        let folder = tempfile::tempdir().unwrap();
        for file in 0..files {
            fs::write(folder.path().join(format!("{file:03}.{form}")), write(file)).unwrap();
        }
        let bytes: u64 =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        let parse = parse(folder.path());
        let (scan, peak) = scan(folder.path());
        let (pods, megabytes) = (files * PER_FILE, bytes / 1_000_000);
        let ratio = scan.as_secs_f64() / parse.as_secs_f64();
        println!("{form:<5} {pods:>7} {megabytes:>7} {parse:>8.1?} {scan:>8.1?} {ratio:>7.2} {peak:>6} MiB");
    }
}

/// Reads and parses every file, one after the other.
fn parse(folder: &Path) -> Duration {
    let start = Instant::now();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        if path.extension().unwrap() == "json" {
            black_box(serde_json::from_str::<Value>(&text).unwrap());
        } else {
            yaml::documents(&text)
                .into_iter()
                .for_each(|document| drop(black_box(yaml::read::<Value>(document).unwrap())));
        }
    }
    start.elapsed()
}

/// Scans the folder; how long that takes, and how much memory at most, in MiB.
fn scan(folder: &Path) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_podwright"))
        .args(["scan", "--fail-on", "never", "--format", "json", "-f"])
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    loop {
        peak = memory(&child).unwrap_or(peak);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return (start.elapsed(), peak / 1024);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The most that a process has had in memory, in KiB.
fn memory(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn as_json(file: usize) -> String {
    let pods: Vec<_> = (0..PER_FILE).map(|number| pod(file * PER_FILE + number)).collect();
    serde_json::to_string_pretty(&json!({"apiVersion": "v1", "kind": "List", "items": pods})).unwrap()
}

fn as_yaml(file: usize) -> String {
    let pods = (0..PER_FILE).map(|number| yaml::write(&pod(file * PER_FILE + number)).unwrap());
    pods.collect::<Vec<_>>().join("---\n")
}

/// A Pod as one of a Deployment.
fn pod(number: usize) -> Value {
    let workload = format!("shop-{}", number / 4);
    let mut volumes =
        json!([{"name": "tmp", "emptyDir": {}}, {"name": "config", "configMap": {"name": "shop"}}]);
    if number.is_multiple_of(100) {
        volumes[0] = json!({"name": "tmp", "hostPath": {"path": "/var/run/docker.sock"}});
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("{workload}-5d9c7-{number}"), "namespace": format!("team-{}", number % 50),
            "labels": {"app": workload, "pod-template-hash": "5d9c7"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{workload}-5d9c7"), "uid": "u",
                "controller": true,
            }],
        },
        "spec": {
            "containers": [{
                "name": "app", "image": "registry.example/shop:1", "ports": [{"containerPort": 8080}],
                "env": [{"name": "MODE", "value": "production"}, {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 10},
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "config", "mountPath": "/etc/shop"}],
            }],
            "volumes": volumes,
        },
    })
}
