//! Generators of JSON, whatever it is.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::shapes::CONTAINERS;

/// Any JSON.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        select(CONTAINERS).prop_map(Value::from),
    ];
    let keys = select(
        &[
            "metadata",
            "spec",
            "annotations",
            "containers",
            "name",
            "volumes",
            "logs.podwright.dev/paths",
            "x",
        ][..],
    );
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(keys.clone(), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// The pointers to all values within.
pub(crate) fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            collect(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), pointers);
        }),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, value)| collect(value, format!("{at}/{index}"), pointers)),
        _ => {}
    }
    pointers.push(at);
}
