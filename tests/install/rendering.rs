//! The objects that manifests and chart give a cluster.

#![allow(dead_code, reason = "tests/install and tests/cluster have it both, and use a part each")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use podwright::yaml;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tools::{root, stdout, tool};

/// A copy of the manifests with a kustomization of a user's own among them, as one would write it over ours.
pub(crate) struct Manifests {
    folder: TempDir,
}

impl Manifests {
    /// An overlay with components, by their names.
    pub(crate) fn with(overlay: &str, components: &[&str]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let manifests = folder.path().join("manifests");
        copy(&root().join("manifests"), &manifests);
        copy(&root().join("certs"), &folder.path().join("certs"));
        let components: Vec<_> = components.iter().map(|name| format!("../components/{name}")).collect();
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [format!("../overlays/{overlay}")],
            "components": components,
        });
        fs::create_dir(manifests.join("yours")).unwrap();
        fs::write(manifests.join("yours/kustomization.yaml"), kustomization.to_string()).unwrap();
        Self { folder }
    }

    /// The folder that `manifests` is in.
    pub(crate) fn top(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The user's own kustomization.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("manifests/yours")
    }

    /// For Kubernetes 1.20's kubectl, whose kustomize is of 2019: the fields by the names that they had then, and
    /// components, which it does not know, taken apart.
    pub(crate) fn into_2019(self) -> Self {
        for folder in folders(self.folder.path()) {
            let file = folder.join("kustomization.yaml");
            // Components are read where they are asked for.
            if let Ok(text) = fs::read_to_string(&file)
                && !text.contains("kind: Component")
            {
                let text = layered(&folder, &text);
                let kustomization = into_2019(&folder, yaml::read(yaml::documents(&text)[0]).unwrap());
                fs::write(file, kustomization.to_string()).unwrap();
            }
        }
        self
    }

    /// Their objects, by `kubectl kustomize`.
    pub(crate) fn render(&self, kubectl: &Path) -> Vec<Value> {
        let text = stdout(Command::new(kubectl).arg("kustomize").arg(self.path()));
        let mut objects: Vec<Value> =
            yaml::documents(&text).into_iter().map(|one| yaml::read(one).unwrap()).collect();
        objects.sort_by_key(name);
        objects
    }
}

/// An overlay's objects, by the kubectl that every Debian 12 can have.
pub(crate) fn overlay(overlay: &str, components: &[&str]) -> Vec<Value> {
    Manifests::with(overlay, components).into_2019().render(&tool("kubectl").unwrap())
}

/// The chart's objects for a Kubernetes version; its refusal where values are not as they must be.
pub(crate) fn chart(values: &Value, version: &str) -> Result<Vec<Value>, String> {
    let mut command = Command::new(tool("helm").unwrap());
    command
        .arg(root().join("tests/install/helm.py"))
        .arg("render")
        .arg(root().join("manifests/helm/podwright"));
    let output = command.args([&values.to_string(), version]).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut objects: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    objects.sort_by_key(name);
    Ok(objects)
}

/// Kind and name, which tell the objects of one installation apart.
pub(crate) fn name(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", text("/kind"), text("/metadata/name"))
}

/// The object of this kind and name.
pub(crate) fn find<'a>(objects: &'a [Value], wanted: &str) -> &'a Value {
    objects.iter().find(|object| name(object) == wanted).unwrap_or_else(|| panic!("no {wanted}"))
}

/// A kustomization with components: each becomes a folder of its own over the one before, as they are meant.
fn layered(folder: &Path, text: &str) -> String {
    let mut kustomization: Value = yaml::read(yaml::documents(text)[0]).unwrap();
    let components = kustomization.as_object_mut().unwrap().remove("components");
    for component in components.iter().flat_map(|list| list.as_array().unwrap()) {
        let component = component.as_str().unwrap();
        let layer = folder.join(component.rsplit('/').next().unwrap());
        copy(&folder.join(component), &layer);
        let text = fs::read_to_string(layer.join("kustomization.yaml")).unwrap();
        let mut parts: Value = yaml::read(yaml::documents(&text)[0]).unwrap();
        parts["kind"] = json!("Kustomization");
        parts["apiVersion"] = kustomization["apiVersion"].clone();
        let mut below = kustomization["resources"].as_array().unwrap().clone();
        below.iter_mut().for_each(|entry| *entry = json!(format!("../{}", entry.as_str().unwrap())));
        below.extend(parts["resources"].as_array().into_iter().flatten().cloned());
        parts["resources"] = below.into();
        let parts = into_2019(&layer, parts);
        fs::write(layer.join("kustomization.yaml"), parts.to_string()).unwrap();
        kustomization["resources"] = json!([format!("./{}", layer.file_name().unwrap().display())]);
    }
    kustomization.to_string()
}

fn into_2019(folder: &Path, mut kustomization: Value) -> Value {
    let list = |value: &mut Value, name: &str| match value.as_object_mut().unwrap().remove(name) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    };
    let (bases, resources): (Vec<_>, Vec<_>) = list(&mut kustomization, "resources")
        .into_iter()
        .partition(|entry| folder.join(entry.as_str().unwrap()).is_dir());
    let patches = list(&mut kustomization, "patches");
    let (operations, merges): (Vec<_>, Vec<_>) =
        patches.into_iter().partition(|patch| patch.get("target").is_some());
    kustomization["bases"] = bases.into();
    kustomization["resources"] = resources.into();
    kustomization["patchesJson6902"] = operations.into();
    kustomization["patchesStrategicMerge"] =
        merges.into_iter().map(|mut patch| patch["path"].take()).collect();
    kustomization
}

/// A folder and all below it that are no links.
fn folders(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![top.to_owned()];
    let mut next = 0;
    while let Some(folder) = found.get(next).cloned() {
        found.extend(
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()),
        );
        next += 1;
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for folder in folders(from) {
        let there = to.join(folder.strip_prefix(from).unwrap());
        fs::create_dir_all(&there).unwrap();
        for file in
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
        {
            fs::copy(&file, there.join(file.file_name().unwrap())).unwrap();
        }
    }
}
