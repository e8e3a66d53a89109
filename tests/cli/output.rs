//! `-o` and `--diff`.

use serde_json::{Value, json};

use crate::support::{FORGED, Folder, inject, value, values};

fn pod() -> String {
    format!(
        "# mine\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    {FORGED}\n    keep: this\n"
    )
}

#[test]
fn yaml_becomes_json() {
    let stream = format!("{}---\n# nothing\n---\nkind: Service\n---\n~\n", pod());
    let written = inject("-o json", &stream).quiet();
    let objects: Vec<Value> =
        serde_json::Deserializer::from_str(&written).into_iter().map(Result::unwrap).collect();
    let expected = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": {"keep": "this"}}});
    assert_eq!(objects, [expected, json!({"kind": "Service"})]);
}

#[test]
fn json_becomes_yaml() {
    let written =
        inject("-o yaml", "{\"kind\": \"Service\", \"port\": \"0644\"}{\"kind\": \"Secret\"}").quiet();
    assert_eq!(written, "kind: Service\nport: \"0644\"\n---\nkind: Secret\n");
}

#[test]
fn json_stays_json() {
    let lines = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"annotations\":{\"podwright.dev/status\":\"forged\",\"a\":\"b\"}}}\n\
                 {\"kind\":\"Service\" }\n";
    let written = inject("", lines).quiet();
    assert_eq!(
        written,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"annotations\":{\"a\":\"b\"}}}\n{\"kind\":\"Service\" }\n"
    );
    let pretty = serde_json::to_string_pretty(&value(lines.lines().next().unwrap())).unwrap();
    let written = inject("", &pretty).quiet();
    assert_eq!(written, pretty.replace("      \"podwright.dev/status\": \"forged\",\n", ""));
}

#[test]
fn the_same_format_leaves_what_needs_no_change() {
    let stream = "kind:   Service # as it came\n";
    assert_eq!(inject("-o yaml", stream).quiet(), stream);
}

#[test]
fn json_among_yaml_is_set_apart() {
    let folder = Folder::with("a.json", "{\"kind\": \"Service\"}").and("b.yaml", "kind: Secret\n");
    let written = folder.run("inject -f a.json -f b.yaml").quiet();
    assert_eq!(written, "---\n{\"kind\": \"Service\"}\n---\nkind: Secret\n");
    assert_eq!(values(&written).len(), 2);
    let folder =
        Folder::with("a.yaml", "kind: Secret\n").and("b.json", "{\"kind\": \"A\"}\n\n{\"kind\": \"B\"}");
    let written = folder.run("inject -f .").quiet();
    assert_eq!(written, "kind: Secret\n---\n{\"kind\": \"A\"}\n---\n{\"kind\": \"B\"}");
    let folder = Folder::with("a.json", "{\"kind\": \"Service\"}").and("b.json", "{\"kind\": \"Secret\"}\n");
    assert_eq!(folder.run("inject -f .").quiet(), "{\"kind\": \"Service\"}\n{\"kind\": \"Secret\"}\n");
}

#[test]
fn a_diff_shows_what_changes_and_nothing_else() {
    let stream = format!("kind: Service\n---\n{}", pod());
    let written = inject("--diff", &stream).quiet();
    let expected = "--- <stdin>:4\n+++ <stdin>:4 injected\n@@ -3,5 +3,4 @@\n metadata:\n   name: a\n   annotations:\n-    podwright.dev/status: forged\n     keep: this\n";
    assert_eq!(written, expected);
    assert_eq!(inject("--diff", "kind: Service\n").quiet(), "");
}

#[test]
fn a_diff_is_coloured_on_a_terminal_only() {
    let folder = Folder::with("pod.yaml", pod());
    assert!(!folder.run("inject --diff -f pod.yaml").stdout.contains('\u{1b}'));
    // What `CLICOLOR_FORCE` asks for is what a terminal gets.
    let forced = assert_cmd::cargo::cargo_bin_cmd!("podwright")
        .args(["inject", "--diff", "-f", "pod.yaml"])
        .current_dir(folder.path())
        .env("CLICOLOR_FORCE", "1")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    assert!(
        String::from_utf8(forced.stdout)
            .unwrap()
            .contains("\u{1b}[31m-    podwright.dev/status: forged\u{1b}[0m")
    );
}

#[test]
fn what_passes_through_is_not_filtered() {
    // A terminal's escapes within a value are the author's.
    let stream = "kind: Service\ntext: \"\u{85} \u{a0}\u{200b} \u{7f}\"\n".replace('\u{7f}', "");
    assert_eq!(inject("", &stream).quiet(), stream);
}
