//! What is written anew says what it said before.

use serde_json::Value;

use crate::support::{FORGED, inject, value, without_own};

/// A scalar as it stands in the manifest.
const SCALARS: &[&str] = &[
    "\"0644\"",
    "'0644'",
    "0644",
    "0o644",
    "\"0o644\"",
    "0x1F",
    "'0x1F'",
    "\"007\"",
    "08",
    "1.10",
    "\"1.10\"",
    "1e3",
    "\"1e3\"",
    "1_000",
    "'1_000'",
    "yes",
    "'yes'",
    "no",
    "\"no\"",
    "on",
    "'on'",
    "y",
    "'y'",
    "true",
    "'true'",
    "True",
    "'True'",
    "~",
    "'~'",
    "null",
    "'null'",
    "\"\"",
    "\" \"",
    "' a '",
    "12:30",
    "'12:30:45'",
    "2024-02-29",
    "'2024-02-29'",
    ".5",
    "'.5'",
    "-0",
    "+1",
    "'+1'",
    "18446744073709551615",
    "-9223372036854775808",
    "\"a: b\"",
    "\"a #b\"",
    "'#a'",
    "'*'",
    "'&a'",
    "'!a'",
    "'@a'",
    "'`a`'",
    "'%a'",
    "'- a'",
    "'? a'",
    "'{a}'",
    "'[a]'",
    "','",
    "'|'",
    "'>'",
    "'---'",
    "'...'",
    "'it''s'",
    "\"\\\"\"",
    "\"C:\\\\a\"",
    "\"a\\tb\"",
    "\"\\u00e9\\U0001F511\"",
    "\"\\u200b\\u00a0\\ufeff\"",
    "\"\\e[0m\\x07\"",
    "\"\\u0085\\u2028\"",
    "\"a\\r\\nb\"",
    "\"a\\n\"",
    "\"\\n\\n a\\n\\n\"",
    "\"a\\n---\\nb\\n\"",
    "{}",
    "[]",
    "{a: []}",
    "|\n      a\n        b\n\n      c",
    "|-\n      a\n      b",
    "|+\n      a\n\n\n",
    ">\n      a\n      b\n\n      c",
    "|2\n        a\n      b",
    "|\n      ---\n      a",
    "\"%{[message]}\"",
    "plain text, with commas",
    "http://a/b?c#d",
    "über 鍵 🔑",
];

#[test]
fn scalars_survive() {
    let fields: Vec<_> =
        SCALARS.iter().enumerate().map(|(index, scalar)| format!("    f{index}: {scalar}\n")).collect();
    let long = "word ".repeat(80);
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, annotations: {{{FORGED}, keep: it}}}}\nspec:\n  odd:\n{}    long: \"{long} \"\n",
        fields.concat()
    );
    let before = without_own(value(&manifest));
    let written = inject("", &manifest).quiet();
    assert_eq!(value(&written), before, "{written}");
    assert_eq!(strings(&value(&written)), strings(&before));
    let as_json: Value = serde_json::from_str(&inject("-o json", &manifest).quiet()).unwrap();
    assert_eq!(as_json, before);
}

/// Which readings are strings; others' readers must see them as such too.
fn strings(value: &Value) -> Vec<(&String, bool)> {
    value["spec"]["odd"].as_object().unwrap().iter().map(|(key, value)| (key, value.is_string())).collect()
}

#[test]
fn what_is_a_string_is_written_so_that_every_reader_sees_one() {
    for text in [
        "0644",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "null",
        "~",
        "1.10",
        "1e3",
        "12:30",
        "0x1F",
        "0o17",
        "1_000",
        ".inf",
        "2024-02-29",
        "=",
        "<<",
    ] {
        let manifest = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    {FORGED}\n    a: \"{text}\"\n"
        );
        let written = inject("", &manifest).quiet();
        let quoted = [format!("    a: \"{text}\"\n"), format!("    a: '{text}'\n")];
        assert!(quoted.iter().any(|line| written.contains(line)), "{written}");
    }
}

#[test]
fn the_order_of_fields_stays() {
    let manifest = format!(
        "kind: Pod\nspec: {{z: 1, containers: [], a: 2}}\nmetadata: {{name: x, annotations: {{{FORGED}}}}}\napiVersion: v1\n"
    );
    let written = inject("", &manifest).quiet();
    let places: Vec<_> = ["kind", "spec", "z:", "containers", "a:", "metadata", "apiVersion"]
        .iter()
        .map(|field| written.find(field).unwrap())
        .collect();
    assert!(places.is_sorted(), "{written}");
}

#[test]
fn anchors_and_merges_survive_in_meaning() {
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  labels: &l {{a: b}}\n  annotations:\n    {FORGED}\n    <<: *l\nspec: {{nodeSelector: *l}}\n"
    );
    assert_eq!(value(&inject("", &manifest).quiet()), without_own(value(&manifest)));
}

#[test]
fn line_ends_of_windows_stay_in_a_changed_document() {
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    {FORGED}\n    a: |\n      b\n      c\n"
    )
    .replace('\n', "\r\n");
    let written = inject("", &manifest).quiet();
    assert_eq!(written.matches('\n').count(), written.matches("\r\n").count(), "{written:?}");
    assert_eq!(value(&written), without_own(value(&manifest)));
}
