//! Holds the pages to the code: what there is stands in them, what stands in them is so, and their examples are decided
//! as they say.
//!
//! An example that is refused has `<!-- refused -->` before it, one that is only recorded `<!-- recorded -->`; a `text`
//! block behind it is part of what is told.
//! Run with `UPDATE_DOCS=1` to write the help of the command line anew, and read the difference before it is committed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::CommandFactory as _;
use heck::ToKebabCase as _;
use podwright::audit::{Report, csv};
use podwright::cli::Cli;
use podwright::engine::{Decision, Endpoint, Question, Refusal, admit};
use podwright::mutators::{MUTATORS, OWN_ANNOTATIONS};
use podwright::pod::{Pod, Workload, template_pointer};
use podwright::policy::{API_VERSION, Action, Subject};
use podwright::policy_set::PolicySet;
use podwright::telemetry::metrics::{Outcome, register_generation};
use podwright::telemetry::{Metrics, Reloads};
use podwright::validators::{Finding, VALIDATORS, Violation};
use podwright::view::{Version, View};
use podwright::{audit, cluster, yaml};
use prometheus_client::registry::Registry;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use serde_json::{Value, json};

use page::{Page, pages, spans, tokens};

/// What the schemas of all kinds share; it is told once, in `docs/policies.md`.
const SHARED: &[&str] =
    &["Metadata", "Match", "LabelSelector", "Requirement", "Operator", "OwnerKind", "Exemption"];

#[test]
fn every_policy_field_is_named_on_the_page_of_its_kind() {
    let shared = Page::read("docs/policies.md");
    let mut missing = Vec::new();
    for (kind, schema) in kinds() {
        let page = Page::read(&format!("docs/{}.md", kind.to_kebab_case()));
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let mut parts = vec![("Envelope".to_owned(), schema(&mut generator).to_value())];
        parts.extend(generator.take_definitions(true));
        for (name, part) in parts {
            let is_shared = name == "Envelope" || SHARED.contains(&name.as_str());
            let page = if is_shared { &shared } else { &page };
            let absent = words(&part).into_iter().filter(|word| !page.names(word));
            missing.extend(absent.map(|word| format!("{}: `{word}` of {kind}'s {name}", page.name)));
        }
    }
    assert!(missing.is_empty(), "not told:\n{}", missing.join("\n"));
}

#[test]
fn every_annotation_is_named_on_the_page_of_its_kind_and_no_other() {
    for kind in MUTATORS {
        let page = Page::read(&format!("docs/{}.md", kind.name.to_kebab_case()));
        let known = known_annotations(kind.domain);
        let told = page.first_cells("key").chain(page.first_cells("annotation"));
        let told: BTreeSet<_> =
            told.filter(|key| !key.contains('<')).map(|key| without(kind.domain, &key)).collect();
        assert_eq!(told, known, "the keys under {}, as {} has them and as they are", kind.domain, page.name);
    }
    for own in OWN_ANNOTATIONS {
        assert!(pages().iter().any(|page| page.names(own)), "no page names {own}");
    }
}

#[test]
fn the_directories_that_are_told_to_be_refused_are() {
    let page = Page::read("docs/filebeat.md");
    let mut count = 0;
    for (marker, below) in [("<!-- refused-at -->", ""), ("<!-- refused-below -->", "/any/where")] {
        let (_, behind) = page.text.split_once(marker).unwrap();
        let paragraph = behind.trim_start().split("\n\n").next().unwrap();
        for directory in spans(paragraph) {
            let directory = if directory == "/" { "" } else { directory };
            let path = format!("{directory}{below}/x.log");
            let decision = decide(&json!({
                "metadata": {"annotations": {"logs.podwright.dev/paths": path}}, "spec": {"containers": [{"name": "app"}]},
            }));
            let refusal = decision.refusal.unwrap_or_else(|| panic!("{path} is admitted"));
            assert!(refusal.message.contains("would hide"), "{path}: {}", refusal.message);
            count += 1;
        }
    }
    assert!(count > 40, "only {count} directories were found");
}

#[test]
fn every_field_of_a_report_is_told() {
    let page = Page::read("docs/reports.md");
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut parts = vec![Report::json_schema(&mut generator).to_value()];
    parts.extend(generator.take_definitions(true).into_iter().map(|(_, part)| part));
    let absent: BTreeSet<_> = parts
        .iter()
        .flat_map(words)
        .filter(|word| {
            !page.text.contains(&format!("`{word}`")) && !page.text.contains(&format!("\"{word}\""))
        })
        .collect();
    assert!(absent.is_empty(), "not told: {absent:?}");
    let columns: Vec<_> = csv::COLUMNS.iter().filter(|column| !page.names(column)).collect();
    assert!(columns.is_empty(), "not told: {columns:?}");
}

#[test]
fn every_metric_is_told_and_no_other() {
    let page = Page::read("docs/operation.md");
    let told = tokens(&page.text, "podwright_");
    let registered = registered_metrics();
    let ends = ["", "_total", "_seconds", "_info"];
    let mut missing: Vec<_> = registered
        .iter()
        .filter(|name| ends.iter().filter(|end| told.contains(&format!("{name}{end}"))).count() != 1)
        .map(|name| format!("{name} is not told, or twice"))
        .collect();
    let is_one = |name: &String| {
        ends.iter().any(|end| name.strip_suffix(end).is_some_and(|base| registered.contains(base)))
    };
    missing
        .extend(told.iter().filter(|name| !is_one(name)).map(|name| format!("{name} is told and is none")));
    // Those that can be made to show give their full names and labels.
    for (name, labels) in exposed_metrics() {
        let row = page.text.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row in {}", page.name));
        let absent = labels.iter().filter(|label| !spans(row).any(|span| span == *label));
        missing.extend(absent.map(|label| format!("label {label} of {name} is not told")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_field_of_an_audit_record_is_told_and_no_other() {
    let page = Page::read("docs/operation.md");
    let (_, section) = page.text.split_once("## Audit\n").unwrap();
    let section = Page { text: section.split("\n## ").next().unwrap().to_owned(), ..page };
    let record = audit_record();
    let fields: BTreeSet<_> = record.as_object().unwrap().keys().cloned().collect();
    assert_eq!(section.first_cells("field").collect::<BTreeSet<_>>(), fields);
    let lists = ["workload", "refusal"].map(|name| &record[name]).into_iter();
    let lists = lists.chain(["violations", "exemptions"].map(|name| &record[name][0]));
    for key in lists.flat_map(|part| part.as_object().unwrap().keys()) {
        assert!(section.names(key), "{key} is not told");
    }
    let blocks = section.blocks();
    let example = blocks.iter().find(|block| block.language == "json").unwrap();
    let example: Value = serde_json::from_str(&example.text).unwrap();
    assert!(example.as_object().unwrap().keys().all(|key| fields.contains(key)));
}

#[test]
fn examples_are_decided_as_they_say() {
    let (mut wrong, mut pods, mut policies) = (Vec::new(), 0, 0);
    // The first pages shorten theirs.
    for page in pages().into_iter().filter(|page| page.name.contains('/')) {
        let blocks = page.blocks();
        for (index, block) in blocks.iter().enumerate() {
            let place = format!("{}:{}", page.name, block.line);
            if block.language == "json" && serde_json::from_str::<Value>(&block.text).is_err() {
                wrong.push(format!("{place}: it is no JSON"));
            }
            if block.language != "yaml" {
                continue;
            }
            let documents: Result<Vec<Value>, _> =
                yaml::documents(&block.text).into_iter().map(yaml::read).collect();
            let documents = documents.unwrap_or_else(|error| panic!("{place}: it is no YAML: {error}"));
            let is_policy = documents.iter().any(|document| document["apiVersion"] == API_VERSION);
            let refusal = if is_policy {
                policies += 1;
                Some(load(&block.text))
            } else {
                let refusals: Vec<_> = documents.iter().filter_map(refusal).collect();
                pods += refusals.len();
                refusals.into_iter().reduce(Option::or)
            };
            let next = blocks.get(index + 1);
            let unlike = refusal.and_then(|refusal| block.unlike(refusal, next));
            let unlike = unlike.or_else(|| block.unlike_recorded(&recorded(&documents), next));
            wrong.extend(unlike.map(|why| format!("{place}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(pods > 5 && policies > 5, "only {pods} Pods and {policies} policies were found");
}

#[test]
fn the_help_of_every_command_is_told() {
    let mut page = Page::read("docs/command-line.md");
    let before = page.text.clone();
    let mut cli = Cli::command().term_width(100);
    cli.build();
    for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        // The values of variables are of the machine that the test runs on.
        let help = command.clone().mut_args(|arg| arg.hide_env_values(true)).render_long_help().to_string();
        let help: Vec<_> = help.lines().map(str::trim_end).collect();
        let help = format!("\n```text\n{}\n```\n", help.join("\n").trim_end());
        let begin = format!("<!-- help: {name} -->");
        let (head, rest) = page.text.split_once(&begin).unwrap_or_else(|| panic!("{begin} is missing"));
        let (_, tail) = rest.split_once("<!-- end of help -->").unwrap();
        page.text = format!("{head}{begin}{help}<!-- end of help -->{tail}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join("docs/command-line.md"), &page.text).unwrap();
        return;
    }
    let difference = diffy::create_patch(&before, &page.text);
    assert!(before == page.text, "run UPDATE_DOCS=1 cargo test --test docs\n{difference}");
}

#[test]
fn every_flag_that_is_told_exists() {
    let cli = Cli::command();
    let flags: BTreeSet<_> = cli
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long)
        .chain(["help", "version"])
        .collect();
    for page in pages() {
        let told = spans(&page.text).filter_map(|span| span.strip_prefix("--"));
        let unknown: Vec<_> = told
            .map(|flag| flag.split([' ', '=']).next().unwrap())
            .filter(|flag| !flags.contains(flag))
            .collect();
        assert!(unknown.is_empty(), "{} tells of flags that do not exist: {unknown:?}", page.name);
    }
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        for target in page.links().filter(|target| !target.contains("://")) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => page.path.clone(),
                path => page.path.parent().unwrap().join(path),
            };
            let is_there = path.exists() && (anchor.is_empty() || Page::at(&path).has_heading(anchor));
            if !is_there {
                broken.push(format!("{}: {target}", page.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The names and words of a schema: its properties, and the values that it lists.
fn words(schema: &Value) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    match schema {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("properties", Value::Object(properties)) => words.extend(properties.keys().cloned()),
                    ("enum", Value::Array(values)) => words.extend(values.iter().map(text)),
                    ("const", value) => {
                        words.insert(text(value));
                    }
                    _ => {}
                }
                words.extend(self::words(field));
            }
        }
        Value::Array(parts) => words.extend(parts.iter().flat_map(self::words)),
        _ => {}
    }
    words
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The keys of a mutator's domain, from what it tells of one that is none.
fn known_annotations(domain: &str) -> BTreeSet<String> {
    let decision = decide(&json!({
        "metadata": {"annotations": {format!("{domain}/qqqqqqqq"): "x"}}, "spec": {"containers": [{"name": "app"}]},
    }));
    let message = decision.refusal.expect("refused").message;
    // A mutator with a single key asks whether that was meant.
    let hints = ["expected one of ", "expected ", "did you mean "];
    let list =
        hints.iter().find_map(|hint| message.split_once(hint)).unwrap_or_else(|| panic!("{message}")).1;
    list.trim_end_matches('?').split(", ").map(|key| without(domain, key)).collect()
}

/// What stands behind the domain of a key, if it has that.
fn without(domain: &str, key: &str) -> String {
    key.strip_prefix(domain).and_then(|rest| rest.strip_prefix('/')).unwrap_or(key).to_owned()
}

/// The names that the code registers, without the ends that their types give them.
fn registered_metrics() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let source = fs::read_to_string(&path).unwrap();
                let code = source.split("#[cfg(test)]").next().unwrap();
                // As a literal; comments have the full names.
                names.extend(
                    code.split('"').skip(1).step_by(2).flat_map(|literal| tokens(literal, "podwright_")),
                );
            }
        }
    }
    names
}

/// Full names and labels, as `/metrics` has them.
fn exposed_metrics() -> BTreeMap<String, BTreeSet<String>> {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let _cluster = cluster::Metrics::register(&mut registry);
    let _audit = audit::Metrics::register(&mut registry);
    let _scan = audit::scan::Metrics::register(&mut registry);
    let _policies = Reloads::of_policies(&mut registry);
    let _certificates = Reloads::of_certificates(&mut registry);
    register_generation(&mut registry, || "abc".to_owned());
    metrics.review("mutate", Outcome::Patched, Duration::from_micros(30));
    metrics.edit("Filebeat", "filebeat");
    metrics.violation("HostPath", "host-path", "deny");
    metrics.tls_handshake_failure("timeout");
    metrics.http_error(413);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let mut exposed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once(['{', ' ']).unwrap();
        let name =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let labels = labels.split("=\"").filter_map(|part| part.rsplit([',', '"']).next());
        let labels = labels.filter(|label| !matches!(*label, "" | "le") && !label.contains([' ', '}']));
        let labels = labels.filter(|label| label.chars().all(|c| c.is_ascii_lowercase()));
        exposed.entry(name.to_owned()).or_default().extend(labels.map(str::to_owned));
    }
    exposed
}

/// An audit record that has every field.
fn audit_record() -> Value {
    let text = r#"{"uid": "u", "operation": "CREATE", "name": "a", "subResource": "s", "userInfo": {"username": "b"}}"#;
    let request = serde_json::from_str(text).unwrap();
    let question = Question {
        endpoint: Endpoint::Mutate,
        request: &request,
        now: jiff::Timestamp::UNIX_EPOCH,
        asked: None,
    };
    let violation = Violation {
        kind: "HostPath",
        policy: "host-path".to_owned(),
        action: Action::Deny,
        finding: Finding { path: "spec".to_owned(), message: "no".to_owned(), brief: None },
        exemption: Some("exporter".to_owned()),
        expired: vec!["legacy".to_owned()],
    };
    let decision = Decision {
        refusal: Some(Refusal { code: 403, message: "no".to_owned() }),
        violations: vec![violation; 100],
        fault: Some("a bug".to_owned()),
        workload: Some(Workload::new("Pod", "", "a")),
        ..Decision::default()
    };
    let record = audit::Record::of(&question, &decision, Outcome::Denied, Duration::ZERO).unwrap();
    serde_json::from_slice(&record.to_line().unwrap()).unwrap()
}

/// Why a policy file does not load, if so.
fn load(text: &str) -> Option<String> {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    fs::write(file.path(), text).unwrap();
    PolicySet::load(&[file.path().to_owned()]).err().map(|errors| errors.to_string())
}

/// Why the Pods of an object would be refused: `None` where it has none, `Some(None)` where they are admitted.
fn refusal(object: &Value) -> Option<Option<String>> {
    template_pointer(group(object), object["kind"].as_str()?)?;
    Some(decide(object).refusal.map(|refusal| refusal.message))
}

/// What the shipped policies find in the Pods of these objects, whatever they do about it.
fn recorded(objects: &[Value]) -> String {
    let is_pod = |object: &&Value| {
        object["kind"].as_str().is_some_and(|kind| template_pointer(group(object), kind).is_some())
    };
    let found = objects.iter().filter(is_pod).flat_map(|object| decide(object).violations);
    found.map(|violation| violation.to_string()).collect::<Vec<_>>().join("; ")
}

/// What the shipped policies decide, in a cluster of today.
fn decide(object: &Value) -> Decision {
    let kind = object["kind"].as_str().unwrap_or("Pod");
    let template = object.pointer(template_pointer(group(object), kind).unwrap()).unwrap();
    let pod = Pod::from_value(template.clone()).unwrap();
    let workload = match kind {
        "Pod" => Workload::of(&pod),
        kind => Workload::new(kind, group(object), object["metadata"]["name"].as_str().unwrap()),
    };
    let today = Some(Version::v1(33));
    let view = View { api_server: today, oldest_kubelet: today, ..View::default() };
    let subject = Subject::new("shop", workload, &pod, &view);
    let whole = Pod::from_value(object.clone()).unwrap();
    let subject = if kind == "Pod" { subject } else { subject.within(&whole, None) };
    admit(&PolicySet::embedded().unwrap(), &subject, "2026-11-22T12:00:00Z".parse().unwrap())
}

fn group(object: &Value) -> &str {
    object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group)
}

fn kinds() -> impl Iterator<Item = (&'static str, fn(&mut SchemaGenerator) -> Schema)> {
    let mutators = MUTATORS.iter().map(|kind| (kind.name, kind.schema));
    mutators.chain(VALIDATORS.iter().map(|kind| (kind.name, kind.schema)))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
