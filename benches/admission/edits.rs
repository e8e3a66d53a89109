//! What all mutators make of a Pod, as a patch: as Podwright sends it, and with an operation for each entry.

use bytes::Bytes;
use podwright::engine::{self, Endpoint, Question};
use podwright::pod::patch_json;
use podwright::policy_set::PolicySet;
use podwright::review::Request;
use podwright::view::View;
use serde_json::{Value, json};

/// The patch as Podwright sends it.
pub(crate) fn whole(request: &Request<'_>) -> Bytes {
    let policies = PolicySet::load(&["tests/cases/together/stateful-set/policy.yaml".into()]).unwrap();
    let now = jiff::Timestamp::now();
    let question = Question { endpoint: Endpoint::Mutate, request, now, asked: None };
    let decision = engine::decide(&policies, &View::default(), &question);
    let made: Vec<_> = decision.made().iter().map(|mutation| mutation.kind).collect();
    assert_eq!(made, ["Filebeat", "LXCFS", "Faketime"], "{:?}", decision.refusal);
    patch_json(&decision.operations).into()
}

/// The same with an operation for each entry of a list or a map.
pub(crate) fn apart(request: &Request<'_>) -> Bytes {
    let object: Value = serde_json::from_str(request.object.unwrap().get()).unwrap();
    let operations: Vec<Value> = serde_json::from_slice(&whole(request)).unwrap();
    let apart: Vec<Value> = operations.iter().flat_map(|operation| entries(&object, operation)).collect();
    let applied = |operations: &[Value]| {
        let patch: json_patch::Patch = serde_json::from_value(json!(operations)).unwrap();
        let mut object = object.clone();
        json_patch::patch(&mut object, &patch).unwrap();
        object
    };
    assert_eq!(applied(&apart), applied(&operations));
    println!("  {} operations with lists whole, {} entry by entry", operations.len(), apart.len());
    serde_json::to_vec(&apart).unwrap().into()
}

/// An operation as one for each entry that it brings.
fn entries(object: &Value, operation: &Value) -> Vec<Value> {
    let path = operation["path"].as_str().unwrap();
    let add = |path: String, value: &Value| json!({"op": "add", "path": path, "value": value});
    match (object.pointer(path), &operation["value"]) {
        (Some(Value::Array(held)), Value::Array(items)) => {
            let new = items.iter().enumerate().filter(|(_, item)| !held.contains(item));
            new.map(|(place, item)| add(format!("{path}/{place}"), item)).collect()
        }
        (None, Value::Array(items)) => {
            let first = add(path.to_owned(), &json!([items[0]]));
            let others = items.iter().enumerate().skip(1);
            [first]
                .into_iter()
                .chain(others.map(|(place, item)| add(format!("{path}/{place}"), item)))
                .collect()
        }
        (Some(Value::Object(held)), Value::Object(fields)) => {
            let new = fields.iter().filter(|(key, value)| held.get(*key) != Some(value));
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            new.map(|(key, value)| add(format!("{path}/{}", escaped(key)), value)).collect()
        }
        _ => vec![operation.clone()],
    }
}
