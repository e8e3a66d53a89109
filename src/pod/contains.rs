//! Whether an object still says what was once written into it, after the API server and other webhooks had their turn.

use serde_json::Value;

use super::Quantity;

/// Whether every field that is desired is in the actual value, with the value desired.
///
/// What the API server does to an object between two passes makes no difference: it adds defaults and entries of its
/// own, leaves out what is empty, and writes quantities its own way. A list of objects must hold each that is
/// desired, in whatever place; a list of anything else must be the same, for its order means something.
#[must_use]
pub fn contains(actual: &Value, desired: &Value) -> bool {
    match (actual, desired) {
        (Value::Object(actual), Value::Object(desired)) => {
            desired.iter().all(|(key, desired)| match actual.get(key) {
                None | Some(Value::Null) => is_empty(desired),
                Some(actual) => contains(actual, desired) || is_quantity(key) && is_equal(actual, desired),
            })
        }
        (Value::Array(actual), Value::Array(desired)) if desired.iter().all(Value::is_object) => {
            desired.iter().all(|desired| actual.iter().any(|actual| contains(actual, desired)))
        }
        _ => actual == desired,
    }
}

/// Whether Kubernetes' types leave a value out when they are written (`omitempty`).
#[must_use]
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// The fields of volumes, containers and claims that hold quantities: elsewhere `1` and `1000m` are two texts.
fn is_quantity(key: &str) -> bool {
    matches!(key, "cpu" | "memory" | "ephemeral-storage" | "storage" | "sizeLimit" | "divisor")
}

fn is_equal(actual: &Value, desired: &Value) -> bool {
    let quantity = |value: &Value| match value {
        Value::String(text) => text.parse::<Quantity>().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    quantity(actual).is_some_and(|actual| quantity(desired) == Some(actual))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn additions_defaults_and_spellings_make_no_difference() {
        for (actual, desired) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1})),
            (
                json!({"name": "a", "imagePullPolicy": "Always", "terminationMessagePath": "/dev/termination-log"}),
                json!({"name": "a"}),
            ),
            (
                json!({"ports": [{"containerPort": 1, "protocol": "TCP"}]}),
                json!({"ports": [{"containerPort": 1}]}),
            ),
            (json!([{"name": "added"}, {"name": "b"}, {"name": "a"}]), json!([{"name": "a"}, {"name": "b"}])),
            (json!({"name": "A"}), json!({"name": "A", "value": "", "readOnly": false, "args": [], "n": 0})),
            (json!({"emptyDir": {"sizeLimit": "1Gi"}}), json!({"emptyDir": {"sizeLimit": "1024Mi"}})),
            (json!({"limits": {"cpu": "1"}}), json!({"limits": {"cpu": 1}})),
            (json!({"configMap": {"name": "a", "defaultMode": 420}}), json!({"configMap": {"name": "a"}})),
            (json!({"a": null}), json!({"a": null})),
        ] {
            assert!(contains(&actual, &desired), "{actual} {desired}");
        }
    }

    #[test]
    fn anything_else_does() {
        for (actual, desired) in [
            (json!({"a": 1}), json!({"a": 2})),
            (json!({}), json!({"a": true})),
            (json!({"a": null}), json!({"a": "x"})),
            (json!({"args": ["a", "b"]}), json!({"args": ["b", "a"]})),
            (json!({"args": ["a", "b"]}), json!({"args": ["a"]})),
            (json!([{"name": "a", "value": "1"}]), json!([{"name": "a", "value": "1000m"}])),
            (json!([{"name": "a"}]), json!([{"name": "a"}, {"name": "b"}])),
            (json!({"emptyDir": {}}), json!({"emptyDir": {"sizeLimit": "1Gi"}})),
            (json!("a"), json!(["a"])),
        ] {
            assert!(!contains(&actual, &desired), "{actual} {desired}");
        }
    }
}
