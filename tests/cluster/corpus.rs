//! Manifests as people write them, asking for everything: what the API server takes without Podwright, it takes with it.

use std::fs;
use std::path::{Path, PathBuf};

use podwright::pod::template_pointer;
use podwright::yaml;
use serde_json::{Value, json};

use crate::pods::{self, PATHS};
use crate::world::{World, has_sidecar};

/// A folder of more manifests to hold it against, if it is set.
const MORE: &str = "PODWRIGHT_CORPUS";
/// What every Pod asks for.
const ASKED: [(&str, &str); 4] = [
    (PATHS, "/app/logs/*.log"),
    ("lxcfs.podwright.dev/mount", "true"),
    ("faketime.podwright.dev/time", "+2d"),
    ("sidecar.podwright.dev/inject", "agent"),
];
/// Policies, and what is changed in them where they would not serve every Pod: this API server may know no native
/// sidecars, which Jobs need, and few people set limits.
const POLICIES: [(&str, &str, &str); 4] = [
    ("policies/filebeat.yaml", "jobs: refuse", "jobs: warn"),
    ("policies/lxcfs.yaml", "containers: limited", "containers: all"),
    ("policies/faketime.yaml", "", ""),
    ("tests/properties/policies.yaml", "name: agent}\nspec:\n", "name: agent}\nspec:\n  jobs: warn\n"),
];

pub(crate) fn asking_for_everything(world: &World) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for (number, (file, from, to)) in POLICIES.into_iter().enumerate() {
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(folder.path().join(format!("{number}.yaml")), text.replace(from, to)).unwrap();
    }
    let (served, _registered) = world.served_by("corpus", &["--policies", folder.path().to_str().unwrap()]);
    let unserved = world.unserved();

    let (mut accepted, mut refused, mut with_lxcfs) = (0, 0, 0);
    for (file, pod) in pods_of_the_corpus() {
        if let Err(reason) = unserved.dry_run_pod(&pod) {
            assert!(served.dry_run_pod(&pod).is_err(), "{file}: refused without Podwright only: {reason}");
            refused += 1;
            continue;
        }
        let created = served.dry_run_pod(&pod).unwrap_or_else(|reason| panic!("{file}: {reason}\n{pod:#}"));
        assert!(has_sidecar(&created), "{file}: {created:#}");
        pods::named(&created["spec"]["containers"], "agent");
        pods::named(&created["spec"]["initContainers"], "podwright-faketime");
        // Not where the Pod mounts the node's /proc or /sys itself.
        let is_lxcfs = |volume: &Value| volume["name"] == "podwright-lxcfs-meminfo";
        with_lxcfs += usize::from(pods::items(&created["spec"]["volumes"]).iter().any(is_lxcfs));
        accepted += 1;
    }
    assert!(
        accepted >= 20,
        "{accepted} Pods were accepted, {refused} are refused with and without Podwright"
    );
    assert!(with_lxcfs > accepted * 3 / 4, "only {with_lxcfs} of {accepted} Pods have LXCFS");
}

fn pods_of_the_corpus() -> Vec<(String, Value)> {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus"));
    let folders = [own].into_iter().chain(std::env::var_os(MORE).map(PathBuf::from));
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let is_manifest = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "yaml" || kind == "json");
    files
        .filter(is_manifest)
        .flat_map(|path| {
            // JSON files may hold several objects, one behind the other.
            let text = fs::read_to_string(&path).unwrap().replace("}\n{", "}\n---\n{");
            let objects: Vec<Value> =
                yaml::documents(&text).into_iter().map(|document| yaml::read(document).unwrap()).collect();
            objects.into_iter().flat_map(pods_of).map(move |pod| (path.display().to_string(), pod))
        })
        .collect()
}

/// The Pod that a controller would make of each template.
fn pods_of(mut object: Value) -> Vec<Value> {
    if let Some(Value::Array(items)) = object.get_mut("items").map(Value::take) {
        return items.into_iter().flat_map(pods_of).collect();
    }
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let group = text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    let Some(template) = template_pointer(group, text("kind")).and_then(|pointer| object.pointer(pointer))
    else {
        return Vec::new();
    };
    let mut pod = json!({
        "metadata": {"generateName": "corpus-", "labels": template["metadata"]["labels"].clone()},
        "spec": template["spec"].clone(),
    });
    let mut annotations = template["metadata"]["annotations"].clone();
    if annotations.is_null() {
        annotations = json!({});
    }
    for (key, value) in ASKED {
        annotations[key] = json!(value);
    }
    pod["metadata"]["annotations"] = annotations;
    for claim in pods::items(&object["spec"]["volumeClaimTemplates"]) {
        let name = &claim["metadata"]["name"];
        let volume = json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
        match pod["spec"]["volumes"].as_array_mut() {
            Some(volumes) => volumes.push(volume),
            None => pod["spec"]["volumes"] = json!([volume]),
        }
    }
    vec![pod]
}
