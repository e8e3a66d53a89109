//! What others have laid down for their formats: the official schemas, and our own.
//!
//! That of SARIF comes with a crate. The others are nobody's package and not ours to keep here: they are read from the
//! folder that `PODWRIGHT_REPORT_SCHEMAS` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use libtest_mimic::Trial;
use podwright::yaml;
use serde_json::{Value, json};

use crate::support::{self, report, trial};

pub(crate) fn trials(only_list: bool) -> Vec<Trial> {
    let schemas = support::schemas();
    let linter = !only_list && Command::new("xmllint").arg("--version").output().is_ok();
    if !linter && !only_list {
        eprintln!("skipped: xmllint is missing (Debian: libxml2-utils)");
    }
    if schemas.is_none() && !only_list {
        eprintln!("skipped: {}", support::NO_SCHEMAS);
    }
    let official = |name: &str, is_there: bool, test: fn(&Path)| {
        let found = schemas.clone();
        let run = move || test(&found.expect("ignored without them"));
        trial(&format!("schemas::{name}"), run).with_ignored_flag(!is_there || schemas.is_none())
    };
    vec![
        trial("schemas::json_is_as_our_own_schema_says", own),
        trial("schemas::sarif_is_as_oasis_says", sarif),
        official("junit_is_as_windy_road_says", linter, junit),
        official("policy_reports_are_as_their_definitions_say", true, policy_reports),
    ]
}

fn own() {
    let output = Command::new(cargo_bin!("podwright")).args(["schema", "Report"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    hold(&schema, &support::json());
    // A schema that lets everything pass holds nothing.
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut broken = support::json();
    broken["findings"][0]["action"] = json!("forbid");
    assert!(!validator.is_valid(&broken));
    assert!(!validator.is_valid(&json!({})));
}

fn sarif() {
    let schema = fs::read_to_string(package("serde-sarif").join("src/schema.json")).unwrap();
    // A bracket that closes nothing, which only JavaScript forgives; later editions do without.
    let schema = schema.replace("{2}]?$", "{2}$");
    hold(&serde_json::from_str(&schema).unwrap(), &serde_json::from_str(&report("sarif")).unwrap());
}

/// The folder of a crate that the tests depend on.
fn package(name: &str) -> PathBuf {
    let output = Command::new(env!("CARGO")).args(["metadata", "--locked", "--format-version", "1"]).output();
    let metadata: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|package| package["name"] == name).unwrap();
    Path::new(found["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

fn junit(schemas: &Path) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), report("junit")).unwrap();
    let mut lint = Command::new("xmllint");
    lint.args(["--nonet", "--noout", "--schema"]).arg(schemas.join("JUnit.xsd")).arg(file.path());
    let output = lint.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn policy_reports(schemas: &Path) {
    for (format, group, version) in
        [("policyreport", "wgpolicyk8s.io", "v1alpha2"), ("openreports", "openreports.io", "v1alpha1")]
    {
        let mut kinds = Vec::new();
        for document in yaml::documents(&report(format)) {
            let object: Value = yaml::read(document).unwrap();
            assert_eq!(object["apiVersion"], format!("{group}/{version}"));
            let kind = object["kind"].as_str().unwrap().to_owned();
            let file = schemas.join(format!("{group}_{}s.yaml", kind.to_lowercase()));
            let text = fs::read_to_string(file).unwrap();
            let definition: Value = yaml::read(yaml::documents(&text)[0]).unwrap();
            assert_eq!(definition["spec"]["names"]["kind"], kind);
            let is_namespaced = definition["spec"]["scope"] == "Namespaced";
            assert_eq!(object["metadata"].get("namespace").is_some(), is_namespaced, "{kind}");
            let versions = definition["spec"]["versions"].as_array().unwrap();
            let version = versions.iter().find(|known| known["name"] == version).unwrap();
            hold(&closed(version["schema"]["openAPIV3Schema"].clone()), &object);
            kinds.push(kind);
        }
        kinds.dedup();
        assert_eq!(kinds.len(), 2, "{kinds:?}");
    }
}

/// The schema with every field forbidden that it does not list: the API server would drop it in silence.
fn closed(mut schema: Value) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        for field in fields.values_mut() {
            *field = closed(field.take());
        }
        if fields
            .get("properties")
            .is_some_and(|properties| properties.get("type").is_none_or(Value::is_object))
        {
            fields.entry("additionalProperties").or_insert(json!(false));
        }
    } else if let Some(items) = schema.as_array_mut() {
        for item in items {
            *item = closed(item.take());
        }
    }
    schema
}

fn hold(schema: &Value, value: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}
