//! Whether an object still says what was once written into it, after the API server and other webhooks had their turn.

use super::{Node, Quantity};

/// Whether every field that is desired is in the actual value, with the value desired.
///
/// What the API server does to an object between two passes makes no difference: it adds defaults and entries of its
/// own, leaves out what is empty, and writes quantities its own way. A list of objects must hold each that is
/// desired, in whatever place; a list of anything else must be the same, for its order means something.
#[must_use]
pub fn contains(actual: Node<'_>, desired: Node<'_>) -> bool {
    if let (Some(_), Some(fields)) = (actual.as_object(), desired.as_object()) {
        return fields.into_iter().all(|(key, desired)| {
            match actual.get(key).filter(|actual| !actual.is_null()) {
                None => is_empty(desired),
                Some(actual) => contains(actual, desired) || is_quantity(key) && is_equal(actual, desired),
            }
        });
    }
    match (actual.as_array(), desired.as_array()) {
        (Some(actual), Some(mut desired)) if desired.clone().all(Node::is_object) => {
            desired.all(|desired| actual.clone().any(|actual| contains(actual, desired)))
        }
        _ => actual == desired,
    }
}

/// Whether Kubernetes' types leave a value out when they are written (`omitempty`).
#[must_use]
pub fn is_empty(value: Node<'_>) -> bool {
    value.is_null()
        || value.as_bool() == Some(false)
        || value.as_str() == Some("")
        || value.number().is_some_and(|number| number.as_f64() == Some(0.0))
        || value.as_array().is_some_and(|mut items| items.next().is_none())
        || value.as_object().is_some_and(|mut fields| fields.next().is_none())
}

/// The fields of volumes, containers and claims that hold quantities: elsewhere `1` and `1000m` are two texts.
fn is_quantity(key: &str) -> bool {
    matches!(key, "cpu" | "memory" | "ephemeral-storage" | "storage" | "sizeLimit" | "divisor")
}

fn is_equal(actual: Node<'_>, desired: Node<'_>) -> bool {
    Quantity::read(actual).is_some_and(|actual| Quantity::read(desired) == Some(actual))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pod::Document;

    fn holds(actual: &Value, desired: &Value) -> bool {
        contains(Document::from(actual).root(), Document::from(desired).root())
    }

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
            assert!(holds(&actual, &desired), "{actual} {desired}");
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
            assert!(!holds(&actual, &desired), "{actual} {desired}");
        }
    }
}
