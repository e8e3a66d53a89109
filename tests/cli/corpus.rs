//! Manifests as people write them: those that ask for nothing stay, those that ask get what they ask for.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::support::{Folder, Outcome, values};

const LOGS: (&str, &str) = ("logs.podwright.dev/paths", "/app/logs/*.log");

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn files() -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn what_asks_for_nothing_stays_byte_for_byte() {
    for (name, text) in files() {
        let outcome = Folder::with(&name, &text).run(&format!("inject -f {name}"));
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, text, "{name}");
        // The rules' warnings are all that is said.
        assert!(outcome.stderr.lines().all(|line| line.contains("would be refused")), "{}", outcome.stderr);
    }
}

#[test]
fn the_corpus_has_what_it_should() {
    let all: Vec<_> = files().into_iter().flat_map(|(_, text)| documents(&text)).collect();
    let count: usize = all.into_iter().map(|mut document| templates(&mut document).len()).sum();
    assert!(count >= 25, "{count} workloads");
}

#[test]
fn what_asks_for_logs_gets_them_and_keeps_the_rest() {
    for (name, text) in files() {
        let originals = asking(&text);
        let outcome = inject(&name, &stream(&originals));
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        let injected = values(&outcome.stdout);
        assert_eq!(injected.len(), originals.len(), "{name}");
        for (mut injected, mut original) in injected.into_iter().zip(originals) {
            for template in templates(&mut injected) {
                assert!(container(template, "podwright-filebeat").is_some(), "{name}: {template:#}");
            }
            templates(&mut injected).into_iter().for_each(take_back);
            templates(&mut original).into_iter().for_each(tidy);
            assert_eq!(injected, original, "{name}");
        }
    }
}

#[test]
fn a_second_run_changes_nothing() {
    for (name, text) in files() {
        let once = inject(&name, &stream(&asking(&text))).stdout;
        assert_eq!(inject(&name, &once).stdout, once, "{name}");
    }
}

#[test]
fn all_of_it_as_one_stream_says_the_same_and_stays() {
    let together = Folder::new().run(&format!("inject -f {}", corpus().display())).stdout;
    let apart: Vec<_> = files().iter().flat_map(|(_, text)| documents(text)).collect();
    assert_eq!(values(&together), apart);
    assert_eq!(Folder::new().run_with_stdin("inject -f -", &together).stdout, together);
}

#[test]
fn a_diff_of_the_corpus_adds_and_takes_nothing_away() {
    for (name, text) in files() {
        let folder = Folder::with(&name, stream(&asking(&text)));
        let diff = folder.run(&format!("inject -f {name} --diff --kubernetes-version 1.33")).stdout;
        let removed: Vec<_> =
            diff.lines().filter(|line| line.starts_with('-') && !line.starts_with("--- ")).collect();
        // Only what was empty or missing may give way.
        assert!(removed.iter().all(|line| line.contains("{}") || line.contains("[]")), "{name}: {removed:?}");
    }
}

fn inject(name: &str, text: &str) -> Outcome {
    Folder::with(name, text).run(&format!("inject -f {name} --kubernetes-version 1.33"))
}

/// The documents of a file, with every Pod template asking for logs.
fn asking(text: &str) -> Vec<Value> {
    let mut documents = documents(text);
    for template in documents.iter_mut().flat_map(templates) {
        let metadata = template.as_object_mut().unwrap().entry("metadata").or_insert_with(|| json!({}));
        let annotations = metadata.as_object_mut().unwrap().entry("annotations").or_insert_with(|| json!({}));
        annotations.as_object_mut().unwrap().insert(LOGS.0.to_owned(), json!(LOGS.1));
    }
    documents
}

/// The documents of a file; those of JSON stand one behind the other.
fn documents(text: &str) -> Vec<Value> {
    values(&text.replace("}\n{", "}\n---\n{"))
}

fn stream(documents: &[Value]) -> String {
    documents.iter().map(|document| format!("---\n{}", podwright::yaml::write(document).unwrap())).collect()
}

/// The Pods and Pod templates of a document.
fn templates(document: &mut Value) -> Vec<&mut Value> {
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let is_builtin = document["apiVersion"]
        .as_str()
        .is_some_and(|version| ["v1", "apps/v1", "apps/v2", "batch/v1"].contains(&version));
    let pointer = match kind.as_str() {
        "List" => {
            return document["items"].as_array_mut().unwrap().iter_mut().flat_map(templates).collect();
        }
        _ if !is_builtin => return Vec::new(),
        "Pod" => "",
        "PodTemplate" => "/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    };
    document.pointer_mut(pointer).into_iter().collect()
}

fn container<'a>(template: &'a Value, name: &str) -> Option<&'a Value> {
    ["initContainers", "containers"]
        .iter()
        .flat_map(|list| template["spec"][list].as_array().into_iter().flatten())
        .find(|container| container["name"] == name)
}

/// Removes everything that carries our name.
fn take_back(template: &mut Value) {
    let spec = template["spec"].as_object_mut().unwrap();
    let is_ours = |entry: &Value| entry["name"].as_str().is_some_and(|name| name.starts_with("podwright-"));
    for list in ["containers", "initContainers", "volumes", "imagePullSecrets"] {
        if let Some(entries) = spec.get_mut(list).and_then(Value::as_array_mut) {
            entries.retain(|entry| !is_ours(entry));
        }
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(|mount| !is_ours(mount));
            }
        }
    }
    let annotations = template["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| !key.starts_with("podwright.dev/"));
    tidy(template);
}

/// Removes lists that are empty, as those are that we began.
fn tidy(template: &mut Value) {
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let clean = |fields: &mut Map<String, Value>, lists: &[&str]| {
        fields.retain(|key, value| !(lists.contains(&key.as_str()) && empty(value)));
    };
    let spec = template["spec"].as_object_mut().unwrap();
    clean(spec, &["volumes", "initContainers", "imagePullSecrets"]);
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            clean(container.as_object_mut().unwrap(), &["volumeMounts"]);
        }
    }
}
