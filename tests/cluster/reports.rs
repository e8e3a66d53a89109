//! Policy reports of a scan, as objects of a cluster that has their definitions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use podwright::yaml;
use serde_json::{Value, json};

use crate::api::SOON;
use crate::pods;
use crate::process::within;
use crate::world::World;

pub(crate) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The folder of the official definitions, which are in no package and not ours to keep here.
pub(crate) fn definitions() -> Option<PathBuf> {
    std::env::var_os("PODWRIGHT_REPORT_SCHEMAS").map(PathBuf::from).filter(|folder| folder.is_dir())
}

/// The API server takes them as they are, and drops no field.
pub(crate) fn are_taken(world: &World) {
    let folder = definitions().unwrap();
    let scan = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scan");
    let namespace = world.unserved();
    for (format, group, resources) in [
        ("policyreport", "wgpolicyk8s.io", ["policyreports", "clusterpolicyreports"]),
        ("openreports", "openreports.io", ["reports", "clusterreports"]),
    ] {
        for resource in resources {
            define(world, &official(&folder, group, resource));
        }
        let output = Command::new(cargo_bin!("podwright"))
            .args(["scan", "-f", "manifests", "--policies", "policies.yaml", "--format", format])
            .current_dir(&scan)
            .output()
            .unwrap();
        let written = String::from_utf8(output.stdout).unwrap();
        for (number, document) in yaml::documents(&written).into_iter().enumerate() {
            let mut object: Value = yaml::read(document).unwrap();
            let version = object["apiVersion"].as_str().unwrap().to_owned();
            object["metadata"]["name"] = format!("podwright-{number}").into();
            let collection = if object["metadata"].get("namespace").is_some() {
                object["metadata"]["namespace"] = namespace.name().into();
                namespace.path(&format!("/apis/{version}"), resources[0])
            } else {
                format!("/apis/{version}/{}", resources[1])
            };
            // The definition is served a moment after it is established.
            let kept =
                within(SOON, "the kind is served", || match world.api().create(&collection, &object) {
                    Err(error) if error.contains("not found") => None,
                    answer => Some(answer),
                });
            let kept = kept.unwrap().unwrap();
            for field in ["results", "summary", "source"] {
                assert_eq!(kept.get(field), object.get(field), "{field} of {}", object["kind"]);
            }
        }
    }
}

/// The official definition of a kind.
pub(crate) fn official(folder: &Path, group: &str, resource: &str) -> Value {
    let text = fs::read_to_string(folder.join(format!("{group}_{resource}.yaml"))).unwrap();
    yaml::read(yaml::documents(&text)[0]).unwrap()
}

/// Adds a kind, and waits until it is known.
pub(crate) fn define(world: &World, definition: &Value) {
    let name = definition["metadata"]["name"].as_str().unwrap();
    world.api().create(DEFINITIONS, definition).unwrap();
    let path = format!("{DEFINITIONS}/{name}");
    let is_established = || {
        let kept = world.api().get(&path).ok()?;
        let conditions = kept["status"]["conditions"].as_array()?;
        conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True").then_some(())
    };
    within(SOON, "the kind is established", is_established).unwrap();
}

/// One finding for all Pods of a workload, and for a workload without Pods.
pub(crate) fn of_a_running_cluster(world: &World) {
    let namespace = world.unserved();
    let deployment = |name: &str, replicas: u32| {
        let mut template = pods::logging_template("Always");
        template["metadata"]["labels"] = json!({"app": name});
        template["spec"]["volumes"] = json!([{"name": "settings", "hostPath": {"path": "/etc"}}]);
        json!({"metadata": {"name": name}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template,
        }})
    };
    for (name, replicas) in [("three", 3), ("none", 0)] {
        namespace.create("apps/v1", "deployments", &deployment(name, replicas)).unwrap();
    }
    let three = || (namespace.list("pods").len() == 3).then_some(());
    within(SOON, "three Pods", three).unwrap();

    let kubeconfig = world.control_plane().kubeconfig();
    let output = Command::new(cargo_bin!("podwright"))
        .args(["scan", "--live", "--format", "json", "--kubeconfig"])
        .arg(kubeconfig)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let here = |finding: &&Value| {
        finding["namespace"] == namespace.name() && finding["rule"].to_string().contains("HostPath")
    };
    let found = report["findings"].as_array().unwrap().iter().filter(here);
    let mut workloads: Vec<_> = found.map(|finding| finding["workload"]["name"].to_string()).collect();
    workloads.sort();
    assert_eq!(workloads, ["\"none\"", "\"three\""], "{report:#}");
}
