//! What app teams may write, and what of it comes onto a line.

use std::fs;
use std::path::{Path, PathBuf};

use podwright::engine::{Decision, Endpoint, Refusal};
use podwright::mutators::Mutation;
use podwright::pod::{Operation, Workload};
use podwright::policy::Action;
use podwright::policy_set::PolicySet;
use podwright::validators::{Finding, Violation};
use podwright::yaml;
use serde_json::{Map, Value, json};

use crate::{deciding, line, policies, request};

/// What is searched for on every line.
const MARK: &str = "s3cr3t-m4rk";
/// The longest line that is promised.
const LINE: usize = 64 * 1024;

#[test]
fn no_line_holds_an_environment_variable_or_an_annotation_that_is_not_ours() {
    let mut lines = 0;
    for case in cases() {
        let text = fs::read_to_string(case.join("pod.yaml")).unwrap();
        let mut object: Value = yaml::read(yaml::Document { text: &text, lines_before: 0 }).unwrap();
        mark(&mut object);
        let policy = case.join("policy.yaml");
        let policies = if policy.exists() { PolicySet::load(&[policy]) } else { PolicySet::embedded() };
        let policies = policies.unwrap();
        let (group, kind) = {
            let version = object["apiVersion"].as_str().unwrap_or("v1");
            (version.rsplit_once('/').map_or("", |(group, _)| group), object["kind"].clone())
        };
        let review = json!({
            "uid": "u", "operation": "CREATE", "namespace": "shop",
            "kind": {"group": group, "version": "v1", "kind": kind}, "object": object,
        });
        for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
            if let Some(line) = line(&policies, endpoint, &review) {
                assert!(!line.contains(MARK), "{}: {line}", case.display());
                lines += 1;
            }
        }
    }
    assert!(lines > 60, "only {lines} lines");
}

#[test]
fn a_value_that_offends_is_on_the_line_and_cut() {
    let mut pod = request("wrong-annotation");
    let value = format!("{MARK}\n\u{1b}[31m{}", "x".repeat(3000));
    pod["object"]["metadata"]["annotations"]["faketime.podwright.dev/time"] = value.into();
    let line = line(&policies(), Endpoint::Mutate, &pod).unwrap();
    assert!(line.contains(MARK) && line.contains('…') && line.len() < 4096, "{}", line.len());
    let printable = line.trim_end_matches('\n').chars().all(|c| !c.is_control());
    assert!(printable && line.matches('\n').count() == 1, "{line}");
}

#[test]
fn names_and_texts_are_cut_wherever_they_stand() {
    let huge = "💥".repeat(1 << 16);
    let mut request = request("wrong-annotation");
    for field in ["uid", "name", "namespace", "subResource"] {
        request[field] = huge.as_str().into();
    }
    request["kind"]["kind"] = huge.as_str().into();
    request["userInfo"]["username"] = huge.as_str().into();
    let line = deciding(Endpoint::Mutate, &request, |_| monster(&huge, 1)).unwrap();
    let record = read(&line);
    assert!(!record.to_string().contains(&"💥".repeat(1 << 10)));
    assert_eq!(record["refusal"]["code"], 422);
}

#[test]
fn a_line_is_bounded_whatever_is_on_it() {
    let request = request("wrong-annotation");
    for text in ["x", "\u{1}", "💥", "some words of a common length"] {
        for count in [1, 64, 65, 3000] {
            let text = text.repeat(if count == 3000 { 10 } else { 1 << 12 });
            let decision = || monster(&text, count);
            let record = read(&deciding(Endpoint::Mutate, &request, |_| decision()).unwrap());
            let entries = |list: &str| record[list].as_array().unwrap().len();
            let shown = entries("violations") + entries("exemptions");
            let omitted = record["omitted"].as_u64().unwrap_or(0);
            // Facts and ended exemptions may have been left out too.
            assert!(
                shown > 0 && omitted + shown as u64 >= 2 * count as u64,
                "{count}: {shown} and {omitted}"
            );

            let made = || Decision { refusal: None, operations: operations(), ..decision() };
            let record = read(&deciding(Endpoint::Mutate, &request, |_| made()).unwrap());
            assert!(!record["mutations"].as_array().unwrap().is_empty(), "{count}");
        }
    }
}

/// The record of a line that is none too long.
fn read(line: &str) -> Value {
    assert!(line.len() <= LINE && line.ends_with('\n'), "{} bytes", line.len());
    let json = line.strip_suffix('\n').unwrap();
    assert!(!json.contains(char::is_control));
    serde_json::from_str(json).unwrap()
}

/// A decision with as much of everything, each with its own exemption.
fn monster(text: &str, count: usize) -> Decision {
    let violation = |number: usize| Violation {
        kind: "HostPath",
        policy: text.to_owned(),
        action: Action::Deny,
        finding: Finding { path: text.to_owned(), message: text.to_owned(), brief: None },
        exemption: Some(format!("{number}-{text}")),
        expired: vec![text.to_owned(); count.min(20)],
    };
    let mut deep = json!(text);
    for _ in 0..8 {
        deep = json!([{text: deep, "n": 1}, [0, null, true]]);
    }
    let mut facts = Map::from_iter([("deep".to_owned(), deep)]);
    facts.insert("list".to_owned(), vec![json!(text); count.min(100)].into());
    facts.extend((0..count.min(100)).map(|number| (format!("{number}-{text}"), json!(text))));
    let mutation = Mutation { kind: "Sidecar", policy: text.to_owned(), facts };
    Decision {
        refusal: Some(Refusal { code: 422, message: text.to_owned() }),
        violations: (0..count).map(violation).collect(),
        mutations: vec![mutation; count.min(20)],
        workload: Some(Workload::new(text, text, text)),
        generation: text.to_owned(),
        ..Decision::default()
    }
}

fn operations() -> Vec<Operation> {
    vec![Operation::Remove { path: "/metadata/labels".parse().unwrap() }]
}

/// Marks every variable and gives each container another; marks what no one is steered by.
fn mark(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for list in ["containers", "initContainers", "ephemeralContainers"] {
                for container in fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    let env = container.as_object_mut().unwrap().entry("env").or_insert(json!([]));
                    let env = env.as_array_mut().unwrap();
                    // Those of libfaketime may offend, and a value that offends is told.
                    let is_other = |variable: &&mut Value| {
                        variable.get("value").is_some()
                            && !variable["name"].as_str().unwrap().starts_with("FAKETIME")
                    };
                    for variable in env.iter_mut().filter(is_other) {
                        variable["value"] = format!("{}{MARK}", variable["value"].as_str().unwrap()).into();
                    }
                    env.push(json!({"name": "PASSWORD", "value": MARK}));
                }
            }
            if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
                let annotations = metadata.entry("annotations").or_insert(json!({}));
                annotations["example.com/mark"] = MARK.into();
            }
            fields.values_mut().for_each(mark);
        }
        Value::Array(entries) => entries.iter_mut().for_each(mark),
        _ => {}
    }
}

fn cases() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases = folders(&all).iter().flat_map(|kind| folders(kind)).collect::<Vec<_>>();
    cases.into_iter().filter(|case| case.join("pod.yaml").exists()).collect()
}

fn folders(of: &Path) -> Vec<PathBuf> {
    fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}
