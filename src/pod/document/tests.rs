use std::collections::HashMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::reader::Reader;
use super::*;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    value_of("[a-e]{0,2}|\\PC{0,3}")
}

/// With parts that are put off.
fn value_in_parts() -> impl Strategy<Value = Value> {
    value_of("[a-c]{0,2}|env|managedFields")
}

fn value_of(names: &'static str) -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 20, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..20)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Texts that are JSON, nearly JSON, and of the letters of JSON.
fn text() -> impl Strategy<Value = String> {
    let torn = (value(), any::<prop::sample::Index>(), any::<char>()).prop_map(|(value, at, letter)| {
        let mut letters: Vec<_> = value.to_string().chars().collect();
        let at = at.index(letters.len());
        letters[at] = letter;
        letters.into_iter().collect()
    });
    prop_oneof![
        value().prop_map(|value| value.to_string()),
        value().prop_map(|value| format!(" {value:#}\n")),
        torn,
        r#"[\[\]{},:"\\ 01ae.u+-]{0,12}"#,
        r#"\{"a":(-?[0-9]{1,20}(\.[0-9]{0,3})?([eE][+-]?[0-9]{1,3})?|true|nul|"\\[a-z/"\\]*")\}"#,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_serde_json_reads(text in text()) {
        let expected = serde_json::from_str::<Value>(&text);
        if let Some(read) = Reader::new(&text).read() {
            let expected = expected.as_ref().expect("what is no JSON was read");
            prop_assert_eq!(read.root().to_string(), expected.to_string());
        }
        match (Document::parse(&text), expected) {
            (Ok(document), Ok(expected)) => prop_assert_eq!(document.root().to_value(), expected),
            (Err(error), Err(expected)) => prop_assert_eq!(error.to_string(), expected.to_string()),
            (document, expected) => prop_assert!(false, "{document:?} {expected:?}"),
        }
    }

    #[test]
    fn values_go_in_and_come_out(value in value()) {
        let document = Document::of(&value);
        prop_assert_eq!(document.root().to_string(), value.to_string());
        prop_assert_eq!(serde_json::to_string(&document).unwrap(), value.to_string());
        let mut written = Vec::new();
        document.root().write(&mut written);
        prop_assert_eq!(String::from_utf8(written).unwrap(), value.to_string());
        prop_assert_eq!(Value::deserialize(document.root()).unwrap(), value.clone());
        prop_assert_eq!(&Document::from(document.root()), &document);
        prop_assert_eq!(Document::parse(&value.to_string()).unwrap(), document);
    }

    #[test]
    fn parts_that_are_put_off_are_as_if_they_were_read(value in value_in_parts(), spaced in any::<bool>()) {
        let text = if spaced { format!("{value:#}") } else { value.to_string() };
        let document = Document::parse(&text).unwrap();
        prop_assert_eq!(&document, &Document::parse(&text).unwrap());
        prop_assert_eq!(&document, &Document::from(&value));
        prop_assert_eq!(document.root().to_string(), value.to_string());
    }

    #[test]
    fn parts_that_are_put_off_are_edited_as_if_they_were_read(
        value in value_in_parts(),
        at in any::<prop::sample::Index>(),
        added in value_in_parts(),
        is_read in any::<bool>(),
    ) {
        let holders = holders(&value, &[]);
        prop_assume!(!holders.is_empty());
        let path = at.get(&holders);
        let mut document = Document::parse(&value.to_string()).unwrap();
        let mut expected = Document::from(&value);
        if is_read {
            let _ = document.root().to_string();
        }
        for added in [added, value] {
            document.add(path, &Document::of(&added)).unwrap();
            expected.add(path, &Document::of(&added)).unwrap();
            prop_assert_eq!(document.root().to_string(), expected.root().to_string());
        }
        if document.remove(path).is_ok() {
            expected.remove(path).unwrap();
        }
        prop_assert_eq!(&document, &expected);
        prop_assert_eq!(document.root().to_string(), expected.root().to_string());
    }

    #[test]
    fn copies_are_the_same_where_their_values_are(
        value in value_in_parts(),
        ats in any::<[prop::sample::Index; 2]>(),
        added in (scalar(), value_in_parts()),
        is_like in any::<bool>(),
    ) {
        let holders = holders(&value, &[]);
        prop_assume!(!holders.is_empty());
        let original = Document::parse(&value.to_string()).unwrap();
        let [mut one, mut two] = [original.clone(), original.clone()];
        let [path, other] = ats.map(|at| at.get(&holders));
        let other = if is_like { path } else { other };
        let (first, second) = &added;
        one.add(path, &Document::of(first)).unwrap();
        two.add(other, &Document::of(if is_like { first } else { second })).unwrap();
        let are_alike = one.root().to_value() == two.root().to_value();
        prop_assert_eq!(one == two, are_alike);
        prop_assert_eq!(original.root().to_string(), value.to_string());
        for path in &holders {
            let (_, above) = path.split_last().unwrap();
            let Some(held) = one.root().at(above) else { continue };
            let mut part = one.part(held);
            prop_assert_eq!(part.root(), held);
            // What was taken from one hangs in the other as the same, and is no longer its own once it is edited.
            if above.is_empty() {
                prop_assert_eq!(&part, &one);
            } else if two.add(above, &part).is_ok() {
                prop_assert_eq!(two.root().at(above).map(Node::to_value), Some(held.to_value()));
            }
            let before = one.root().to_string();
            let is_edited = part.add(["-"], &Document::of(&1)).is_ok();
            prop_assert_eq!(one.root().to_string(), before);
            prop_assert_eq!(is_edited, part != one.part(one.root().at(above).unwrap()));
        }
    }
}

/// The path behind the last entry of each list, and of one field of each object.
fn holders(value: &Value, above: &[String]) -> Vec<Vec<String>> {
    let below = |token: &str| [above, &[token.to_owned()]].concat();
    match value {
        Value::Array(items) => {
            let within = items.iter().enumerate();
            let within = within.flat_map(|(place, item)| holders(item, &below(&place.to_string())));
            within.chain([below("-")]).collect()
        }
        Value::Object(fields) => {
            let within = fields.iter().flat_map(|(name, field)| holders(field, &below(name)));
            within.chain([below("a")]).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn parts_are_read_when_they_are_asked_for() {
    let text =
        r#"{"env":[{"name":"A","value":"\"]"},{"env":{"b":[1.10]}}],"managedFields":{},"c":{"env":"d"}}"#;
    let document = Document::parse(text).unwrap();
    assert_eq!(document.store.entries.len(), 5);
    let root = document.root();
    assert_eq!(root.at(["env", "0", "value"]).and_then(Node::as_str), Some("\"]"));
    assert_eq!(document.part(root.at(["env", "1", "env", "b"]).unwrap()).root().to_string(), "[1.1]");
    assert!(
        root.get("env").is_some_and(Node::is_array) && root.get("managedFields").is_some_and(Node::is_object)
    );
    assert_eq!(root.at(["c", "env"]).and_then(Node::as_str), Some("d"));
    assert_eq!(document.store.entries.len(), 5);
}

#[test]
fn a_part_that_is_no_json_has_nothing_in_it() {
    let document = Document::parse(r#"{"env":[{"name" "A"}],"b":1}"#).unwrap();
    assert_eq!(document.root().to_string(), r#"{"env":[],"b":1}"#);
    assert!(document.check().is_err() && Document::parse(r#"{"env":[]}"#).unwrap().check().is_ok());
    assert!(document.clone().add(["env", "-"], &Document::of(&1)).is_err());
    assert!(Document::parse(r#"{"env":[{"name":"A"},"b":1}"#).is_err());
    let depth = 100_000;
    let deep = format!("{}1{}", r#"{"env":"#.repeat(depth), "}".repeat(depth));
    assert_eq!(Document::parse(&deep).unwrap().root().to_string(), r#"{"env":{}}"#);
}

#[test]
fn what_the_api_server_writes_is_read_at_once() {
    for text in [
        r#"{"a":[{},[],"x\n\u00fc\ud83d\ude00",-1,1.5e3,18446744073709551615],"b":null,"c":{"d":false}}"#,
        &format!("{}{}", "[".repeat(100), "]".repeat(100)),
        &json!({"many": (0..100).map(|number| (number.to_string(), number.into())).collect::<serde_json::Map<_, _>>()}).to_string(),
    ] {
        assert!(Reader::new(text).read().is_some(), "{text}");
    }
}

#[test]
fn of_two_fields_of_one_name_the_last_counts() {
    let many: String = (0..100).map(|number| format!("\"{number}\":0,")).collect();
    for text in [r#"{"a":1,"b":2,"a":3}"#, r#"[{"\u0061":1,"b":2,"a":3}]"#, &format!("{{{many}\"7\":1}}")] {
        assert!(Reader::new(text).read().is_none(), "{text}");
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Document::parse(text).unwrap().root().to_string(), expected.to_string());
    }
}

#[test]
fn numbers_stay_as_they_are_written() {
    for text in
        ["[1,1.5]", "[1.10]", "[1e3]", "[12345678901234567890123]", "[-0]", "[-7,18446744073709551615]"]
    {
        let document = Document::parse(text).unwrap();
        let copy = Document::from(document.root());
        assert_eq!(serde_json::to_string(&copy).unwrap(), text);
        assert_eq!(document, Document::of(&document.root().to_value()), "{text}");
    }
}

#[test]
fn edits_leave_their_neighbours_alone() {
    let original = json!({"list": [1, 2], "map": {"a": 1, "b": 2, "c": 3}, "none": [], "empty": {}});
    let edits: [(&[&str], Option<Value>, &str, Value); 10] = [
        (&["list", "0"], Some(json!(0)), "/list", json!([0, 1, 2])),
        (&["list", "1"], Some(json!(0)), "/list", json!([1, 0, 2])),
        (&["list", "2"], Some(json!(0)), "/list", json!([1, 2, 0])),
        (&["list", "-"], Some(json!(0)), "/list", json!([1, 2, 0])),
        (&["none", "0"], Some(json!({"x": []})), "/none", json!([{"x": []}])),
        (&["empty", "a"], Some(json!(null)), "/empty", json!({"a": null})),
        (&["map", "a"], Some(json!("x")), "/map", json!({"a": "x", "b": 2, "c": 3})),
        (&["map", "c"], Some(json!("x")), "/map", json!({"a": 1, "b": 2, "c": "x"})),
        (&["map", "a"], None, "/map", json!({"b": 2, "c": 3})),
        (&["map", "c"], None, "/map", json!({"a": 1, "b": 2})),
    ];
    for (path, edit, place, expected) in edits {
        let mut document = Document::from(&original);
        let path = path.iter().copied();
        match edit {
            Some(value) => document.add(path, &Document::of(&value)).unwrap(),
            None => document.remove(path).unwrap(),
        }
        // Behind what was there, whatever was edited.
        let mut expected_whole = original.clone();
        *expected_whole.pointer_mut(place).unwrap() = expected;
        assert_eq!(document.root().to_string(), expected_whole.to_string());
        for (path, place) in [(["list", "-"], "/list"), (["map", "z"], "/map")] {
            document.add(path, &Document::of(&9)).unwrap();
            match expected_whole.pointer_mut(place).unwrap() {
                Value::Array(items) => items.push(json!(9)),
                object => object["z"] = json!(9),
            }
        }
        assert_eq!(document.root().to_string(), expected_whole.to_string());
    }
    let mut document = Document::from(&original);
    for path in [&["list", "3"][..], &["list", "x"], &["gone", "a"], &["map", "a", "b"], &[]] {
        assert!(document.add(path.iter().copied(), &Document::of(&1)).is_err(), "{path:?}");
    }
    assert!(document.remove(["map", "z"]).is_err() && document.remove(["list", "0"]).is_err());
    assert_eq!(document, Document::from(&original));
}

#[test]
fn whatever_serializes_goes_in_as_it_goes_into_json() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Unit,
        One(u8),
        Two(i8, f32),
        Struct { a: Option<char>, b: () },
    }
    let shapes = [Shape::Unit, Shape::One(1), Shape::Two(-1, 0.5), Shape::Struct { a: Some('é'), b: () }];
    let of_numbers: HashMap<i32, Shape> = HashMap::from([(-7, Shape::Struct { a: None, b: () })]);
    let value = (shapes, of_numbers, [Some(f64::NAN), None], (true, "x", u64::MAX));
    assert_eq!(Document::of(&value).root().to_string(), serde_json::to_string(&value).unwrap());
    for shape in value.0 {
        let document = Document::of(&shape);
        assert_eq!(Shape::deserialize(document.root()).unwrap(), shape);
    }
    assert!(Document::of(&HashMap::from([((1, 2), 3)])).root().is_null());
    assert!(u8::deserialize(Document::of("x").root()).is_err());
    assert!(Shape::deserialize(Document::of(&7).root()).is_err());
}
