//! What app teams get wrong in annotations: a row is a set of annotations, and what they are told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

use podwright::engine::{Decision, admit};
use podwright::pod::{Operation, Pod, Workload};
use podwright::policy::Subject;
use podwright::policy_set::PolicySet;
use podwright::view::View;
use serde_json::{Value, json};

fn decide(annotations: &Value) -> Decision {
    let pod = Pod::from_value(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "shop", "annotations": annotations},
        "spec": {
            "containers": [
                {"name": "app", "image": "example/shop:1", "volumeMounts": [
                    {"name": "settings", "mountPath": "/settings"},
                    {"name": "fixed", "mountPath": "/fixed", "readOnly": true},
                    {"name": "fixed", "mountPath": "/by-variable", "subPathExpr": "$(GONE)/logs"}]},
                {"name": "web", "image": "nginx:1"}],
            "volumes": [{"name": "settings", "configMap": {"name": "settings"}}, {"name": "fixed", "emptyDir": {}}]},
    }))
    .unwrap();
    let view = View::default();
    let subject = Subject::new("shop", Workload::of(&pod), &pod, &view);
    admit(&PolicySet::embedded().unwrap(), &subject, "2026-11-22T12:00:00Z".parse().unwrap())
}

const SHIPPED: &str = include_str!("../policies/filebeat.yaml");

/// The annotation that is wrong, beside a sound `paths`, and parts of what is told.
const WRONG: &[(&str, &str, &[&str])] = &[
    ("logs.podwright.dev/path", "/a/*.log", &["did you mean logs.podwright.dev/paths?"]),
    ("log.podwright.dev/paths", "/a/*.log", &["did you mean logs.podwright.dev/paths?"]),
    ("logs.podwright.dev/multiline.patern", "^a", &["did you mean logs.podwright.dev/multiline.pattern?"]),
    ("logs.podwright.dev/1.pathss", "/a/*.log", &["did you mean logs.podwright.dev/1.paths?"]),
    (
        "logs.podwright.dev/json.keys_under_rot",
        "true",
        &["did you mean logs.podwright.dev/json.keys_under_root?"],
    ),
    ("logs.podwright.dev/1.paths", "/a:b/*.log", &["no volume can be mounted at /a:b, for its \":\""]),
    ("logs.podwright.dev/wat", "x", &["this key is not known", "expected one of paths, "]),
    (
        "api.logs.podwright.dev/paths",
        "/a/*.log",
        &["no container \"api\"", "did you mean app.logs.podwright.dev/paths?"],
    ),
    (
        "backend.logs.podwright.dev/paths",
        "/a/*.log",
        &["no container \"backend\"", "its containers are app, web"],
    ),
    ("logs.podwright.dev/inject", "yes", &["\"yes\" is no boolean", "did you mean \"true\"?"]),
    ("logs.podwright.dev/inject", "True", &["did you mean \"true\"?"]),
    (
        "logs.podwright.dev/inject",
        "filebeet",
        &["no Filebeat policy \"filebeet\"", "did you mean \"filebeat\"?"],
    ),
    ("app.logs.podwright.dev/inject", "off", &["did you mean \"false\"?"]),
    (
        "app.logs.podwright.dev/paths",
        "app/logs/*.log",
        &["\"app/logs/*.log\" is relative", "\"/app/logs/*.log\""],
    ),
    ("app.logs.podwright.dev/paths", "/app/../etc/*.log", &["segment \"..\""]),
    ("app.logs.podwright.dev/paths", "/app/logs/", &["is a directory", "\"/app/logs/*.log\""]),
    ("app.logs.podwright.dev/paths", "/", &["is a directory", "\"/*.log\""]),
    ("app.logs.podwright.dev/paths", "/app/logs/{a,b}.log", &["no braces"]),
    ("app.logs.podwright.dev/paths", "/app/logs/[a.log", &["a [ is never closed"]),
    ("app.logs.podwright.dev/paths", " ", &["it is empty"]),
    ("app.logs.podwright.dev/paths", "/*.log", &["a volume at / would hide"]),
    ("app.logs.podwright.dev/paths", "/etc/app/*.log", &["a volume at /etc/app would hide"]),
    ("app.logs.podwright.dev/paths", "/proc/1/x", &["a volume at /proc/1 would hide"]),
    ("app.logs.podwright.dev/paths", "/var/run/secrets/kubernetes.io/x.log", &["would hide"]),
    ("app.logs.podwright.dev/paths", "/usr/lib/app.log", &["a volume at /usr/lib would hide"]),
    ("app.logs.podwright.dev/paths", "/settings/app.log", &["configMap volume \"settings\""]),
    ("app.logs.podwright.dev/paths", "/fixed/app.log", &["mounts read-only"]),
    ("logs.podwright.dev/multiline.pattern", "(", &["no regular expression", "RE2"]),
    ("logs.podwright.dev/multiline.pattern", "(?=x)", &["look neither ahead nor behind"]),
    ("logs.podwright.dev/multiline.negate", "maybe", &["\"maybe\" is no boolean"]),
    ("logs.podwright.dev/multiline.match", "befor", &["did you mean \"before\"?"]),
    ("logs.podwright.dev/multiline.max_lines", "0", &["no number from 1"]),
    ("logs.podwright.dev/multiline.timeout", "5", &["no duration", "5s"]),
    (
        "logs.podwright.dev/multiline.negate",
        "true",
        &["does nothing without logs.podwright.dev/multiline.pattern"],
    ),
    ("logs.podwright.dev/exclude_lines", "^a{1,3}b", &[r#"as ["^a{1,3}b"]"#]),
    ("logs.podwright.dev/include_lines", "[", &["no regular expression"]),
    ("app.logs.podwright.dev/paths", "/app/logs", &["looks like a directory", "/app/logs/*"]),
    ("app.logs.podwright.dev/2.paths", "/app/logs/*.log", &["is named twice for container \"app\""]),
    ("app.logs.podwright.dev/0.paths", "/a/*.log", &["this key is not known"]),
    ("app.logs.podwright.dev/01.paths", "/a/*.log", &["this key is not known"]),
    ("logs.podwright.dev/encoding", "utf8", &["did you mean \"utf-8\"?"]),
    ("logs.podwright.dev/fields", "team", &["\"team\" is no field", "name=value"]),
    ("logs.podwright.dev/fields.a b", "x", &["\"a b\" is no name of a field"]),
    ("logs.podwright.dev/fields.a", "${PODWRIGHT_OUTPUT_PASSWORD}", &["reference to a variable"]),
    ("logs.podwright.dev/exclude_lines", "$${x}", &["reference to a variable"]),
    ("logs.podwright.dev/fields.a", "a\u{0}b", &["control character"]),
    ("logs.podwright.dev/target", "Logs Shop", &["is no index or topic"]),
    (
        "logs.podwright.dev/2.encoding",
        "utf-8",
        &["it has no files to apply to; add logs.podwright.dev/2.paths"],
    ),
    ("web.logs.podwright.dev/3.encoding", "utf-8", &["add web.logs.podwright.dev/3.paths"]),
    ("app.logs.podwright.dev/9.paths", "/by-variable/a.log", &["$(GONE)", "not in env of container \"app\""]),
    ("dates.podwright.dev/time", "+2d", &["no mutator knows this key"]),
];

#[test]
fn whatever_is_wrong_is_refused_with_key_expectation_and_remedy() {
    for (key, value, parts) in WRONG {
        let mut annotations = json!({ *key: value });
        annotations
            .as_object_mut()
            .unwrap()
            .entry("logs.podwright.dev/paths")
            .or_insert_with(|| "/app/logs/*.log".into());
        let decision = decide(&annotations);
        let message = decision.refusal.unwrap_or_else(|| panic!("{key}: {value} was admitted")).message;
        for part in parts.iter().chain([key]).filter(|part| !part.ends_with("/inject")) {
            assert!(message.contains(part), "{key}: {value:?}\n  told {message}\n  lacks {part}");
        }
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let decision = decide(&json!({
        "logs.podwright.dev/path": "/a", "web.logs.podwright.dev/paths": "b", "api.logs.podwright.dev/paths": "/c",
    }));
    assert_eq!(decision.rejections.len(), 3, "{:?}", decision.rejections);
}

#[test]
fn more_paths_than_a_pod_may_have_are_told() {
    let paths: Vec<_> = (0..101).map(|number| format!("/logs/{number}/*.log")).collect();
    let decision = decide(&json!({"app.logs.podwright.dev/paths": paths.join(",")}));
    assert!(decision.refusal.unwrap().message.contains("101 paths"), "{:?}", decision.rejections);
}

#[test]
fn inject_alone_and_settings_alone_are_no_silent_nothing() {
    for (annotations, part) in [
        (json!({"logs.podwright.dev/inject": "true"}), "add logs.podwright.dev/paths"),
        (json!({"app.logs.podwright.dev/inject": "true"}), "add logs.podwright.dev/paths"),
        (json!({"logs.podwright.dev/encoding": "utf-8"}), "add logs.podwright.dev/paths"),
        (json!({"app.logs.podwright.dev/encoding": "utf-8"}), "add app.logs.podwright.dev/paths"),
    ] {
        let message = decide(&annotations).refusal.expect("refused").message;
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_line_of_the_log_cannot_choose_its_index() {
    let decision = decide(&json!({
        "app.logs.podwright.dev/paths": "/app/logs/*.log", "app.logs.podwright.dev/json.keys_under_root": "true",
        "app.logs.podwright.dev/json.overwrite_keys": "true",
    }));
    assert!(decision.refusal.unwrap().message.contains("choose its own index"), "{:?}", decision.rejections);
}

#[test]
fn inject_false_is_off() {
    let decision =
        decide(&json!({"logs.podwright.dev/inject": "false", "logs.podwright.dev/paths": "/app/logs/*.log"}));
    assert!(decision.refusal.is_none() && decision.operations.is_empty() && decision.mutations.is_empty());
}

#[test]
fn a_namespace_without_a_policy_is_told() {
    let pod = Pod::from_value(json!({
        "metadata": {"annotations": {"logs.podwright.dev/paths": "/app/logs/*.log"}},
        "spec": {"containers": [{"name": "app"}]},
    }));
    let (pod, view) = (pod.unwrap(), View::default());
    let subject = Subject::new("sandbox", Workload::of(&pod), &pod, &view);
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("elsewhere.yaml");
    std::fs::write(&policy, SHIPPED.replace("match: {}", "match: {namespaces: [shop]}")).unwrap();
    let decision = admit(&PolicySet::load(&[policy]).unwrap(), &subject, jiff::Timestamp::UNIX_EPOCH);
    assert!(
        decision
            .refusal
            .unwrap()
            .message
            .contains("no Filebeat policy is for this Pod in namespace \"sandbox\"")
    );
}

#[test]
fn texts_of_users_cannot_break_out_of_their_value() {
    for hostile in [
        "a\n  evil: true",
        "a: b",
        "'",
        "\"",
        "- x",
        "{x: y}",
        "# c",
        "&a",
        "*a",
        "!!map {}",
        "|",
        "---",
        "a\n---\nb",
    ] {
        let decision = decide(&json!({
            "app.logs.podwright.dev/paths": "/app/logs/*.log", "app.logs.podwright.dev/fields.text": hostile,
        }));
        let config = decision.operations.iter().find_map(|operation| {
            let Operation::Add { value, .. } = operation else { return None };
            // The annotations are sent as a whole.
            value.root().get("podwright.dev/filebeat.yml")?.as_str().map(str::to_owned)
        });
        let text = config.unwrap_or_else(|| panic!("{hostile:?}: {:?}", decision.refusal));
        let config: Value =
            podwright::yaml::read(podwright::yaml::Document { text: &text, lines_before: 0 }).unwrap();
        assert_eq!(config["filebeat.inputs"][0]["fields"], json!({"text": hostile}), "{text}");
        assert_eq!(config.as_object().unwrap().len(), 9, "{text}");
    }
}
