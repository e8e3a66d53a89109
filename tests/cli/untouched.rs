//! What needs no change leaves as it came, byte for byte.

use crate::support::{FORGED, Folder, inject, value, values};

#[track_caller]
fn passes(text: &str) {
    assert_eq!(inject("", text).quiet(), text);
}

#[test]
fn comments_anchors_and_spelling_stay() {
    passes(
        "# head\n\n---   # marker\nkind:   Pod # aside\napiVersion: \"v1\"\nmetadata: {name: 'a',\n  labels: &l {b: \"c\"}}\n\
         spec:\n    containers:\n      # within\n    - {name: a, image: \"b\", env: [{name: X, value: \"010\"}]}\n\t\n# tail\n---\n# nothing\n---\nother: *x\n"
            .replace("*x", "y")
            .as_str(),
    );
    passes("a: &x {b: 1}\nc:\n  <<: *x\nd: *x\n");
}

#[test]
fn streams_without_a_document_stay() {
    for text in [
        "",
        "\n",
        "---\n",
        "# only a comment\n",
        "---\n---\n# a\n---\n",
        "...\n",
        "---\n# Source: empty.yaml\n",
    ] {
        passes(text);
    }
}

#[test]
fn line_ends_and_a_missing_last_one_stay() {
    for text in [
        "kind: Pod\r\napiVersion: v1\r\n---\r\n# x\r\nkind: Service\r\n",
        "kind: Service",
        "a: |\n  b",
        "a: b\n...",
    ] {
        passes(text);
    }
}

#[test]
fn a_byte_order_mark_and_directives_stay() {
    for text in [
        "\u{feff}kind: Service\n",
        "%YAML 1.2\n---\nkind: Service\n...\n%YAML 1.2\n---\nkind: Secret\n",
        "\u{feff}# c\n---\nkind: Service\n",
    ] {
        passes(text);
    }
}

#[test]
fn other_kinds_stay() {
    for text in [
        "apiVersion: v1\nkind: Secret\nstringData: {a: b}\n",
        "apiVersion: example.com/v1\nkind: Deployment\nspec: {template: {metadata: {annotations: {podwright.dev/status: forged}}}}\n",
        "apiVersion: v1\nkind: List\nitems: []\n",
        "apiVersion: v1\nkind: List\n",
        "just: a file\nof: values\n",
        "- a\n- list\n",
        "text\n",
        "~\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 1}\n",
        "apiVersion: apps/v1\nkind: Deployment\nspec: {template: null}\n",
        "apiVersion: apps/v1\nkind: Deployment\nspec: {template: none}\n",
    ] {
        passes(text);
    }
}

#[test]
fn json_stays() {
    for text in [
        "{\"kind\": \"Service\",\n\t\"a\": 1.50}\n\n{ }\n",
        "  {\"apiVersion\":\"v1\",\"kind\":\"Pod\"}",
        "[]\n",
        "{braces: that are, not: JSON}\n",
    ] {
        passes(text);
    }
}

#[test]
fn the_neighbours_of_a_change_stay() {
    let before = "# one\nkind: Service   # first\n---\n# pod\n";
    let pod = format!("apiVersion: v1\nkind: Pod # mine\nmetadata: {{annotations: {{{FORGED}, a: b}}}}\n");
    let after = "--- # two\nkind:    Service\n# end\n";
    let written = inject("", &format!("{before}{pod}{after}")).quiet();
    let middle = written.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).unwrap();
    assert_eq!(value(middle), value("{apiVersion: v1, kind: Pod, metadata: {annotations: {a: b}}}"));
}

#[test]
fn the_head_of_a_changed_document_stays() {
    let block = format!("apiVersion: v1\nkind: Pod\nmetadata: {{annotations: {{{FORGED}}}}}\n");
    let flow = format!("{{apiVersion: v1, kind: Pod, metadata: {{annotations: {{{FORGED}}}}}}}\n");
    for (head, body, written_head) in [
        ("# licence\n\n--- # marker\n# about\n", &block, "# licence\n\n--- # marker\n# about\n"),
        ("...\n%YAML 1.2\n---\n", &block, "...\n%YAML 1.2\n---\n"),
        ("---\n# a\n", &format!("{block}...\n%YAML 1.2\n---\n# b\n{block}"), "---\n# a\n"),
        ("--- ", &flow, "---\n"),
        ("# about\n--- # one\n--- ", &flow, "# about\n--- # one\n---\n"),
    ] {
        let written = inject("", &format!("kind: Service\n---\nkind: Service\n{head}{body}")).quiet();
        let start = format!("kind: Service\n---\nkind: Service\n{written_head}apiVersion: v1\n");
        assert!(written.starts_with(&start), "{written}");
        let count = 2 + body.matches("Pod").count();
        assert_eq!(values(&written).len(), count, "{written}");
    }
}

#[test]
fn several_files_stay_apart() {
    let folder = Folder::with("a.yaml", "kind: Service")
        .and("b.yaml", "# b\nkind: Secret\n")
        .and("c.yaml", "---\nkind: Pod\n");
    let written = folder.run("inject -f a.yaml -f b.yaml -f c.yaml").quiet();
    assert_eq!(written, "kind: Service\n---\n# b\nkind: Secret\n---\nkind: Pod\n");

    let folder = Folder::with("a.yaml", "kind: Service\n").and("b.yaml", "%YAML 1.2\n---\nkind: Secret\n");
    let written = folder.run("inject -f a.yaml -f b.yaml").quiet();
    assert_eq!(written, "kind: Service\n...\n%YAML 1.2\n---\nkind: Secret\n");
    assert_eq!(values(&written).len(), 2);
}
