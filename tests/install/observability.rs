//! Alerts and dashboard: that they ask for what there is, and fire when they should.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use podwright::yaml;
use serde_json::{Value, json};

use crate::Row;
use crate::rendering::{chart, find};
use crate::tools::{root, stdout, tool};

pub(crate) const TRIALS: &[Row] = &[
    (&[], "observability::only_metrics_and_labels_that_exist_are_named", named),
    (&[], "observability::every_metric_worth_an_alert_has_one", alerted),
    (&["promtool"], "observability::alerts_fire_when_they_should", fire),
    (&["helm"], "observability::the_chart_has_the_same_alerts", of_the_chart),
];

/// The API server's, which are not ours to have.
const FOREIGN: &[(&str, &[&str])] = &[
    ("apiserver_admission_webhook_fail_open_count", &["name"]),
    ("apiserver_admission_webhook_rejection_count", &["name", "error_type"]),
    ("apiserver_admission_webhook_admission_duration_seconds", &["name"]),
];
/// What Prometheus gives every series of a Pod, and every bucket.
const GIVEN: &[&str] = &["pod", "le"];

fn named() {
    let known = known();
    let alerts: Vec<_> = rules().iter().map(|rule| text(rule, "expr")).collect();
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let shown: Vec<_> =
        targets.map(|target| format!("{} {}", text(target, "expr"), text(target, "legendFormat"))).collect();
    assert!(alerts.len() > 10 && shown.len() > 20);
    for query in alerts.iter().chain(&shown) {
        let metrics = metrics(query);
        assert!(!metrics.is_empty(), "{query} asks for nothing");
        let labels: BTreeSet<_> = metrics
            .iter()
            .flat_map(|metric| {
                known.get(metric.as_str()).unwrap_or_else(|| panic!("there is no {metric}: {query}"))
            })
            .collect();
        for label in labels_of(query) {
            assert!(
                GIVEN.contains(&&*label) || labels.contains(&label),
                "no {label} in {metrics:?}: {query}"
            );
        }
    }
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "panels of one id");
}

/// The table of docs/operation.md names each of them.
fn alerted() {
    let page = fs::read_to_string(root().join("docs/operation.md")).unwrap();
    let rules = rules();
    let names: BTreeSet<_> = rules.iter().map(|rule| text(rule, "alert")).collect();
    assert_eq!(names.len(), rules.len(), "two alerts of one name");
    let told: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `Podwright")?.split('`').next())
        .map(|rest| format!("Podwright{rest}"))
        .collect();
    assert_eq!(told, names);
    for rule in &rules {
        assert!(["warning", "critical"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{rule}");
        assert!(!text(&rule["annotations"], "summary").is_empty(), "{rule}");
    }
}

fn fire() {
    let promtool = tool("promtool").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for file in ["manifests/observability/alerts.yaml", "tests/install/alerts.test.yaml"] {
        let name = file.rsplit('/').next().unwrap();
        fs::copy(root().join(file), folder.path().join(name)).unwrap();
    }
    stdout(Command::new(&promtool).args(["check", "rules"]).arg(folder.path().join("alerts.yaml")));
    let tests = folder.path().join("alerts.test.yaml");
    stdout(Command::new(&promtool).args(["test", "rules"]).arg(&tests));
    let text = fs::read_to_string(tests).unwrap();
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        let fires = [format!("alertname=\"{name}\""), format!("alertname: {name}\n")];
        assert!(fires.iter().any(|mark| text.contains(mark)), "no test fires {name}");
    }
}

fn of_the_chart() {
    let objects = chart(&json!({"podMonitor": true, "prometheusRule": true}), "1.33.0").unwrap();
    let file: Value = yaml::read(yaml::documents(&read("alerts.yaml"))[0]).unwrap();
    assert_eq!(find(&objects, "PrometheusRule podwright")["spec"], file);
    let monitor: Value = yaml::read(yaml::documents(&read("pod-monitor.yaml"))[0]).unwrap();
    assert_eq!(find(&objects, "PodMonitor podwright")["spec"], monitor["spec"]);
}

fn rules() -> Vec<Value> {
    let file: Value = yaml::read(yaml::documents(&read("alerts.yaml"))[0]).unwrap();
    file["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

/// Names and labels, as docs/operation.md tells them, which tests/docs holds to the code; a counter's and a histogram's
/// own ends are left out.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("docs/operation.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `podwright_"));
    let ours = rows.map(|row| {
        let cells: Vec<_> = row.split(" |").collect();
        let labels = cells[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (base(cells[0].trim_start_matches("| `").trim_end_matches('`')), labels)
    });
    let foreign = FOREIGN
        .iter()
        .map(|(name, labels)| ((*name).to_owned(), labels.iter().map(|label| (*label).to_owned()).collect()));
    let known: BTreeMap<_, _> = ours.chain(foreign).collect();
    assert!(known.len() > 30, "{known:?}");
    known
}

/// The metrics that a query names.
fn metrics(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("podwright_") || word.starts_with("apiserver_")).map(base).collect()
}

/// The labels that it selects, groups or shows by.
fn labels_of(query: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    let inner = |text: &str, open: &str, close: char| -> Vec<String> {
        text.split(open).skip(1).filter_map(|rest| rest.split(close).next()).map(str::to_owned).collect()
    };
    for group in inner(query, "by (", ')') {
        labels.extend(group.split(',').map(|label| label.trim().to_owned()));
    }
    labels.extend(inner(query, "{{", '}'));
    for selector in inner(&query.replace("{{", "["), "{", '}') {
        labels
            .extend(selector.split(',').filter_map(|part| part.split(['=', '!']).next()).map(str::to_owned));
    }
    labels
}

fn base(name: &str) -> String {
    let ends = ["_total", "_bucket", "_count", "_sum"];
    // The API server's have such an end of their own.
    let is_ours = name.starts_with("podwright_") || name.ends_with("_bucket");
    ends.iter().find_map(|end| name.strip_suffix(end).filter(|_| is_ours)).unwrap_or(name).to_owned()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join("manifests/observability").join(file)).unwrap()
}
