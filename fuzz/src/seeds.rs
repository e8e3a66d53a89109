//! What the targets start from: the case folders, taken apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use podwright::policy_set::EMBEDDED;
use podwright::yaml::{self, Document};
use serde_json::{Value, json};

/// Inputs by target.
pub type Seeds = BTreeMap<&'static str, Vec<String>>;

/// All that `tests/cases`, below the root of the project, gives.
pub fn of_the_cases(root: &Path) -> Seeds {
    let mut seeds = Seeds::new();
    let mut add = |target, seed: String| seeds.entry(target).or_default().push(seed);
    let policies = EMBEDDED.iter().map(|(_, text)| (*text).to_owned());
    policies.for_each(|text| add("policies", text));
    for kind in entries(&root.join("tests/cases")) {
        for case in entries(&kind) {
            let read = |name: &str| fs::read_to_string(case.join(name)).ok();
            read("policy.yaml").into_iter().for_each(|text| add("policies", text));
            let Some(text) = read("pod.yaml") else { continue };
            let object: Value = yaml::read(Document { text: &text, lines_before: 0 }).unwrap();
            add("decide", object.to_string());
            add("review", review(&object).to_string());
            let annotations = annotations(&object);
            let lines: Vec<_> = annotations.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
            add("annotations", lines.concat());
            for (key, value) in annotations {
                let ends = [
                    ("ipam.podwright.dev/addresses", "addresses"),
                    ("faketime.podwright.dev/time", "faketime"),
                ];
                ends.into_iter()
                    .filter(|(end, _)| key.ends_with(end))
                    .for_each(|(_, target)| add(target, value.to_owned()));
            }
        }
    }
    seeds
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn review(object: &Value) -> Value {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").rsplit_once('/').unwrap_or(("", text("/apiVersion")));
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE",
            "kind": {"group": group, "version": version, "kind": text("/kind")},
            "resource": {"group": group, "version": version, "resource": text("/kind").to_lowercase() + "s"},
            "namespace": "trial-shop", "name": text("/metadata/name"), "userInfo": {"username": "admin"},
            "object": object, "oldObject": null, "dryRun": false,
        },
    })
}

/// Of the object and of its Pod template.
fn annotations(object: &Value) -> Vec<(&str, &str)> {
    let places = ["/metadata/annotations", "/spec/template/metadata/annotations"];
    let maps = places.into_iter().filter_map(|place| object.pointer(place)?.as_object());
    maps.flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}
