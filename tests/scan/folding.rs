//! Files of any length, and lists: everything in them is seen once, and where it stands is known.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::support::{scan, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("folding::a_long_stream_is_seen_in_pieces", long_yaml),
        trial("folding::a_list_is_seen_item_by_item", long_json),
        trial("folding::lists_of_yaml_and_lists_in_lists_have_their_lines", yaml_list),
        trial("folding::a_namespace_may_stand_behind_its_pods", late_namespace),
        trial("folding::stdin_is_read_once_and_seen_twice", stdin),
        trial("folding::directives_stay_with_their_document", directives),
    ]
}

fn run(path: &Path, words: &[&str]) -> Value {
    let mut all = vec!["-f", path.to_str().unwrap(), "--format", "json"];
    all.extend(words);
    let output = scan(&all);
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn file(suffix: &str, text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

/// What was found: the name of the Pod, and its line.
fn found(report: &Value) -> Vec<(String, u64)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let mut found: Vec<_> = findings
        .map(|finding| {
            (
                finding["object"]["name"].as_str().unwrap().to_owned(),
                finding["source"]["line"].as_u64().unwrap(),
            )
        })
        .collect();
    found.sort_by_key(|(_, line)| *line);
    found
}

fn long_yaml() {
    let mut text = String::new();
    let mut expected = Vec::new();
    for number in 0..3_000 {
        let line = text.lines().count() as u64 + 2;
        if number % 1_000 == 7 {
            expected.push((format!("p{number}"), line));
            writeln!(text, "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}}}\nspec: {{volumes: [{{name: a, hostPath: {{path: /etc}}}}]}}").unwrap();
        } else {
            writeln!(
                text,
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}, annotations: {{a: {}}}}}",
                "x".repeat(300)
            )
            .unwrap();
        }
    }
    assert!(text.len() > 3 * 256 * 1024, "more than a piece");
    let report = run(file(".yaml", &text).path(), &[]);
    assert_eq!(report["summary"]["objects"], 3_000);
    assert_eq!(found(&report), expected);
}

fn long_json() {
    let pods: Vec<_> = (0..500)
        .map(|number| {
            let path = if number % 100 == 3 {
                json!([{"name": "a", "hostPath": {"path": "/etc"}}])
            } else {
                json!([])
            };
            json!({"metadata": {"name": format!("p{number}")}, "spec": {"volumes": path}})
        })
        .collect();
    let list = json!({"apiVersion": "v1", "items": pods, "kind": "PodList"});
    let text = serde_json::to_string_pretty(&list).unwrap();
    let report = run(file(".json", &text).path(), &[]);
    assert_eq!(report["summary"]["objects"], 500);
    let lines: Vec<_> = text.lines().collect();
    for (name, line) in found(&report) {
        let start = usize::try_from(line).unwrap() - 1;
        assert_eq!(lines[start].trim(), "{");
        assert!(lines[start + 2].contains(&format!("\"{name}\"")), "{name} at {line}");
    }
    assert_eq!(found(&report).len(), 5);
    assert_eq!(report["findings"][0]["object"]["apiVersion"], "v1");
}

fn yaml_list() {
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\n  kind: Pod\n  metadata: {{name: {name}}}\n  spec: {{volumes: [{{name: a, hostPath: {{path: /etc}}}}]}}\n"
        )
    };
    let text = format!(
        "# head\napiVersion: v1\nkind: List\nitems:\n- {}- {}---\n{{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{{\"kind\": \"PodList\", \"apiVersion\": \"v1\", \"items\": [\n{{\"metadata\": {{\"name\": \"c\"}}, \"spec\": {{\"volumes\": [{{\"name\": \"a\", \"hostPath\": {{\"path\": \"/etc\"}}}}]}}}}]}}]}}\n",
        pod("a"),
        pod("b")
    );
    let report = run(file(".yaml", &text).path(), &[]);
    assert_eq!(found(&report), [("a".to_owned(), 5), ("b".to_owned(), 9), ("c".to_owned(), 15)]);
}

fn late_namespace() {
    let policy = "apiVersion: podwright.dev/v1alpha1\nkind: HostPath\nmetadata: {name: a}\nspec: {match: {namespaceSelector: {matchLabels: {tier: strict}}}}\n";
    let policy = file(".yaml", policy);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: s}\nspec: {volumes: [{name: a, hostPath: {path: /etc}}]}\n";
    let text = format!(
        "{pod}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: s, labels: {{tier: strict}}}}\n"
    );
    let words = ["--policies", policy.path().to_str().unwrap()];
    assert_eq!(run(file(".yaml", &text).path(), &words)["summary"]["refused"], 1);
    assert_eq!(run(file(".yaml", pod).path(), &words)["summary"]["refused"], 0);
    let list = json!({"apiVersion": "v1", "kind": "NamespaceList", "items": [{"metadata": {"name": "s", "labels": {"tier": "strict"}}}]});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "s"}, "spec": {"volumes": [{"name": "a", "hostPath": {"path": "/etc"}}]}});
    assert_eq!(run(file(".json", &format!("{pod}\n{list}")).path(), &words)["summary"]["refused"], 1);
}

fn stdin() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {volumes: [{name: a, hostPath: {path: /etc}}]}\n";
    for (text, line) in [(text.to_owned(), 1), (format!("\n\n---\n{text}"), 4)] {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("podwright");
        let output =
            command.args(["scan", "-f", "-", "--format", "json"]).write_stdin(text).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["findings"][0]["source"], json!({"file": "<stdin>", "line": line}));
    }
}

fn directives() {
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{volumes: [{{name: a, hostPath: {{path: /etc}}}}]}}\n"
        )
    };
    let filler = format!("data: {{a: {}}}\n", "x".repeat(300_000));
    let text = format!(
        "%YAML 1.2\n---\n{}...\n%YAML 1.2\n# of the second\n---\n{}---\n{filler}...\n%YAML 1.2\n---\n{}",
        pod("a"),
        pod("b"),
        pod("c")
    );
    let report = run(file(".yaml", &text).path(), &[]);
    let lines = found(&report);
    assert_eq!(lines.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}
