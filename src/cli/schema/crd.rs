//! Policies as custom resources: a CustomResourceDefinition for each kind, made of the same types as everything else.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::Kind;
use super::structural::{KEEP, structural};
use crate::policy::{GROUP, VERSION, plural};
use crate::validators::VALIDATORS;

/// The definition of one kind.
pub(super) fn definition((kind, schema): Kind) -> Value {
    let plural = plural(kind);
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{GROUP}"), "labels": { "app.kubernetes.io/name": "podwright" } },
        "spec": {
            "group": GROUP,
            // A policy says itself which namespaces it is about.
            "scope": "Cluster",
            "names": {
                "kind": kind,
                "listKind": format!("{kind}List"),
                "plural": plural,
                "singular": kind.to_lowercase(),
                // All policies: `kubectl get podwright`.
                "categories": ["podwright"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": columns(kind),
                "schema": { "openAPIV3Schema": policy(kind, schema) },
            }],
        },
    })
}

fn columns(kind: &str) -> Vec<Value> {
    let condition = |name: &str, field: &str| {
        json!({ "name": name, "type": "string",
                "jsonPath": format!(".status.conditions[?(@.type==\"Accepted\")].{field}") })
    };
    let mut columns = vec![
        condition("Accepted", "status"),
        condition("Message", "message"),
        json!({ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" }),
    ];
    if VALIDATORS.iter().any(|validator| validator.name == kind) {
        columns.insert(0, json!({ "name": "Action", "type": "string", "jsonPath": ".spec.action" }));
    }
    columns
}

/// The schema of a policy of this kind, with its status.
fn policy(kind: &str, schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let policy = structural(&schema(&mut settings.into_generator()).to_value());
    let part = |pointer: &str| policy.pointer(pointer).cloned().unwrap_or_default();
    // The API server knows metadata best; a definition may say the form of the name alone.
    let name = part("/properties/metadata/properties/name");
    json!({
        "description": format!("A policy of kind {kind}."),
        "type": "object",
        "required": ["spec"],
        // What stands beside `spec` by mistake is seen too.
        KEEP: true,
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "type": "object", "properties": { "name": name } },
            "spec": part("/properties/spec"),
            "status": status(),
        },
    })
}

/// What Podwright writes back.
fn status() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let number =
        |description: &str| json!({ "type": "integer", "format": "int64", "description": description });
    json!({
        "type": "object",
        "description": "What became of it; written by Podwright.",
        "properties": {
            "conditions": {
                "type": "array",
                "description": "One condition, Accepted: whether this very policy is in force.",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object",
                    "required": ["type", "status"],
                    "properties": {
                        "type": text("Accepted."),
                        "status": text("True or False."),
                        "observedGeneration": number("The generation of the policy that it is about."),
                        "lastTransitionTime": {
                            "type": "string", "format": "date-time", "description": "Since when it has been so.",
                        },
                        "reason": text("InForce or Refused."),
                        "message": text("Where it is wrong, what stands there, what would be right."),
                    },
                },
            },
            "observedGeneration": number("The generation of the policy that was read last."),
            "policySetGeneration": text("Names the content of all policies in force."),
            "version": text("The version of Podwright that says so."),
            "lastAccepted": {
                "type": "object",
                "description": "The last generation that was accepted. It is in force while a newer one is refused, after a \
                                restart too.",
                "properties": {
                    "generation": number("Which it was."),
                    "document": text("What it said, as JSON."),
                },
            },
        },
    })
}
