//! The schemas: what they take and what they do not.

use jsonschema::Validator;
use podwright::mutators::MUTATORS;
use podwright::policy_set::EMBEDDED;
use podwright::validators::VALIDATORS;
use serde_json::{Value, json};

use crate::support::{Folder, value};

fn schema(kind: &str) -> Value {
    serde_json::from_str(&Folder::new().run(&format!("schema {kind}")).quiet()).unwrap()
}

fn validator(kind: &str) -> Validator {
    jsonschema::draft202012::new(&schema(kind)).unwrap()
}

fn kinds() -> Vec<&'static str> {
    MUTATORS.iter().map(|kind| kind.name).chain(VALIDATORS.iter().map(|kind| kind.name)).collect()
}

#[test]
fn every_schema_is_one_and_says_what_it_is_for() {
    for kind in kinds() {
        let schema = schema(kind);
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(
            schema["$id"],
            format!("https://podwright.dev/schemas/v1alpha1/{}.json", kind.to_lowercase())
        );
        assert_eq!(schema["properties"]["kind"]["const"], kind);
        assert_eq!(schema["properties"]["apiVersion"]["const"], "podwright.dev/v1alpha1");
    }
    jsonschema::draft202012::meta::validate(&schema("")).unwrap();
}

#[test]
fn every_shipped_policy_fits_its_schema_and_no_other() {
    let any = validator("");
    for (file, text) in EMBEDDED {
        let policy = value(text);
        let errors: Vec<_> = any.iter_errors(&policy).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{file}: {errors:?}");
        for kind in kinds() {
            assert_eq!(validator(kind).is_valid(&policy), policy["kind"] == kind, "{file} {kind}");
        }
    }
}

#[test]
fn a_wrong_policy_fits_none() {
    let (any, host_path) = (validator(""), validator("HostPath"));
    let right = json!({"apiVersion": "podwright.dev/v1alpha1", "kind": "HostPath", "metadata": {"name": "a"}, "spec": {}});
    assert!(any.is_valid(&right) && host_path.is_valid(&right));
    let wrong = [
        ("/apiVersion", json!("v1")),
        ("/kind", json!("HostPaths")),
        ("/kind", json!(null)),
        ("/metadata/name", json!("A_b")),
        ("/metadata", json!({})),
        ("/spec", json!(null)),
        ("/spec", json!({"acton": "deny"})),
        ("/spec", json!({"action": "denny"})),
        ("/spec", json!({"allowed": [{"pathPrefix": "var"}]})),
        ("/spec", json!({"match": {"ownerKinds": ["Deploymnet"]}})),
        ("/spec", json!({"exemptions": [{"name": "a"}]})),
        (
            "/spec",
            json!({"exemptions": [{"name": "a", "match": {}, "reason": "r", "owner": "o", "expires": "soon"}]}),
        ),
    ];
    for (pointer, part) in wrong {
        let mut policy = right.clone();
        *policy.pointer_mut(pointer).unwrap_or(&mut Value::Null) = part;
        assert!(!any.is_valid(&policy), "{policy}");
        assert!(!host_path.is_valid(&policy), "{policy}");
    }
}

#[test]
fn a_kind_that_is_not_known_is_told_with_the_nearest() {
    let outcome = Folder::new().run("schema HostPaht");
    assert_eq!(
        outcome.transcript(),
        "exit code: 2\n--- stdout\n--- stderr\nerror: kind \"HostPaht\" is not known; did you mean HostPath?\n"
    );
    let outcome = Folder::new().run("schema Gadget");
    assert!(outcome.stderr.contains("expected one of Filebeat, "), "{}", outcome.stderr);
    assert_eq!(schema("hostpath"), schema("HostPath"));
}
