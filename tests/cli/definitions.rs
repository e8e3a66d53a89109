//! `podwright schema --crd`: policies as custom resources.

use std::fs;
use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use podwright::policy::plural;
use podwright::policy_set::EMBEDDED;
use serde_json::{Map, Value, json};

use crate::support::{Folder, value, values};

/// Each in a file of its own, for those who apply them with their other manifests.
#[test]
fn the_files_in_manifests_are_what_is_printed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/crds");
    let definitions = definitions();
    let mut expected = Vec::new();
    for definition in &definitions {
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        let name = format!("podwright.dev_{}.yaml", plural(kind));
        let printed = Folder::new().run(&format!("schema --crd {kind}")).quiet();
        assert_eq!(&value(&printed), definition);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(folder.join(&name), &printed).unwrap();
        }
        let kept = fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(
            kept == printed,
            "manifests/crds/{name} is not what is printed; run UPDATE_DOCS=1 cargo test --test cli"
        );
        expected.push(name);
    }
    let mut found: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(definitions.len(), EMBEDDED.len());
}

#[test]
fn kubernetes_knows_every_word_of_them() {
    for definition in definitions() {
        let typed: CustomResourceDefinition = serde_json::from_value(definition.clone()).unwrap();
        let again = serde_json::to_value(&typed).unwrap();
        assert_eq!(comparable(again), comparable(definition));
    }
}

/// Of its words alone: Kubernetes has all bounds as floating point numbers.
fn comparable(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Map<_, _> =
                fields.into_iter().map(|(key, value)| (key, comparable(value))).collect();
            fields.sort_keys();
            Value::Object(fields)
        }
        Value::Array(parts) => parts.into_iter().map(comparable).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other,
    }
}

/// The API server must neither drop what it does not know nor write what nobody wrote.
#[test]
fn a_policy_is_kept_as_it_is_written() {
    fn look(schema: &Value, field: &str, count: &mut usize) {
        assert!(schema.get("default").is_none() && schema.get("$ref").is_none(), "{field}");
        if schema.get("properties").is_some() {
            *count += 1;
            assert_eq!(schema["x-kubernetes-preserve-unknown-fields"], true, "{field}");
            assert!(schema.get("additionalProperties").is_none(), "{field}");
        }
        let parts = schema["properties"].as_object().into_iter().flatten();
        parts.for_each(|(name, part)| look(part, &format!("{field}.{name}"), count));
        for inner in ["items", "additionalProperties"] {
            schema.get(inner).into_iter().for_each(|part| look(part, &format!("{field}[]"), count));
        }
    }
    for definition in definitions() {
        let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        for own in ["metadata", "status"] {
            schema["properties"].as_object_mut().unwrap().remove(own);
        }
        let mut count = 0;
        look(&schema, definition["spec"]["names"]["kind"].as_str().unwrap(), &mut count);
        assert!(count > 5, "only {count} objects were found");
    }
}

#[test]
fn a_report_has_no_definition() {
    let outcome = Folder::new().run("schema --crd Report");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("kind \"Report\" is not known; "), "{}", outcome.stderr);
}

fn definitions() -> Vec<Value> {
    values(&Folder::new().run("schema --crd").quiet())
}
