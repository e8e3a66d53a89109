//! The audit records: what is on a line, what never is, and what becomes of lines when writing fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by a panic"
)]

mod hostile;
mod lines;
mod sinks;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use podwright::audit::Record;
use podwright::engine::{Decision, Endpoint, Question, decide};
use podwright::policy_set::PolicySet;
use podwright::review::Review;
use podwright::telemetry::metrics::Outcome;
use podwright::view::{Maker, SetName, StatefulSet, View};
use podwright::yaml;
use serde_json::{Value, json};

/// The policies of these tests.
fn policies() -> PolicySet {
    PolicySet::load(&[folder().join("policies.yaml")]).unwrap()
}

/// One of the reviews' requests.
fn request(name: &str) -> Value {
    let path = folder().join(format!("reviews/{name}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    yaml::read(yaml::Document { text: &text, lines_before: 0 }).unwrap()
}

/// The line of what is decided about a request, if there is one.
fn line(policies: &PolicySet, endpoint: Endpoint, request: &Value) -> Option<String> {
    deciding(endpoint, request, |question| decide(policies, &view(), question))
}

/// The line of a decision about a request.
fn deciding(
    endpoint: Endpoint,
    request: &Value,
    decide: impl Fn(&Question<'_>) -> Decision,
) -> Option<String> {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let body = review.to_string();
    let review = Review::parse(body.as_bytes()).unwrap();
    let now = "2026-11-22T12:00:00.123456789Z".parse().unwrap();
    let question = Question { endpoint, request: &review.request, now, asked: None };
    let decision = decide(&question);
    let outcome = match &decision.refusal {
        Some(_) => Outcome::Denied,
        None if decision.operations.is_empty() => Outcome::Allowed,
        None => Outcome::Patched,
    };
    let record = Record::of(&question, &decision, outcome, Duration::from_micros(321))?;
    Some(String::from_utf8(record.to_line().unwrap()).unwrap())
}

/// A cluster with the StatefulSet `redis`.
fn view() -> View {
    let name = SetName { maker: Maker::Kubernetes, namespace: "shop".to_owned(), name: "redis".to_owned() };
    let set =
        json!({"metadata": {"namespace": "shop", "name": "redis", "uid": "u1"}, "spec": {"replicas": 3}});
    View {
        is_watched: true,
        stateful_sets: [(name, Arc::new(StatefulSet::read(&set)))].into_iter().collect(),
        ..View::default()
    }
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audit"))
}
