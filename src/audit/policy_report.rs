//! The report as objects of a cluster, for the tools that read them: `PolicyReport` of `wgpolicyk8s.io/v1alpha2`, and
//! `Report` of `openreports.io/v1alpha1`, its successor of the same shape.
//!
//! One for each namespace, and one for the cluster where PersistentVolumes break a rule or exemptions need someone's eye.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use serde_json::{Value, json};

use super::Report;
use super::report::{Exemption, ExemptionState, Finding, Namespace};
use super::words;
use crate::cluster::kept::Kind;
use crate::policy::Action;
use crate::yaml;

/// The most results of one object. `kubectl apply` keeps a copy of it in an annotation, of which there may be 256 KiB.
const MOST_RESULTS: usize = 100;

/// Which of the two kinds is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `PolicyReport` and `ClusterPolicyReport`.
    PolicyReport,
    /// `Report` and `ClusterReport`.
    OpenReports,
}

/// Why it could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A value that YAML cannot hold.
    #[error("writing a report as YAML: {0}")]
    Yaml(#[from] serde_saphyr::SerializeError),
    /// The output took no more.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// Writes a report as a stream of YAML documents.
///
/// # Errors
/// When it cannot be written.
pub fn write(report: &Report, dialect: Dialect, out: &mut impl Write) -> Result<(), WriteError> {
    for object in objects(report, dialect) {
        write!(out, "---\n{}", yaml::write(&object)?)?;
    }
    Ok(())
}

/// The objects of a report, made one namespace at a time.
pub fn objects(report: &Report, dialect: Dialect) -> impl Iterator<Item = Value> {
    let mut by_namespace: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        by_namespace.entry(&finding.at.namespace).or_default().push(finding);
    }
    let of_cluster = by_namespace.remove("").unwrap_or_default();
    let is_namespace = |namespace: &&Namespace| !namespace.name.is_empty();
    let namespaced = report.namespaces.iter().filter(is_namespace).flat_map(move |namespace| {
        let found = by_namespace.get(namespace.name.as_str()).into_iter().flatten();
        let results = found.map(|finding| of_finding(finding, report));
        let left_out = left_out(namespace, report);
        shards(&results.chain(left_out).collect::<Vec<_>>(), Some(namespace), dialect, report)
    });
    namespaced.chain(std::iter::once_with(move || cluster(&of_cluster, dialect, report)).flatten())
}

/// What belongs to no namespace, if there is anything to tell of it.
fn cluster(findings: &[&Finding], dialect: Dialect, report: &Report) -> Vec<Value> {
    let found = findings.iter().map(|finding| of_finding(finding, report));
    let unplaced = report.namespaces.iter().find(|namespace| namespace.name.is_empty());
    let left_out = unplaced.and_then(|unplaced| left_out(unplaced, report));
    let exemptions = report.exemptions.iter().filter(|exemption| needs_an_eye(exemption));
    let exemptions = exemptions.map(|exemption| of_exemption(exemption, report));
    let results: Vec<_> = found.chain(left_out).chain(exemptions).collect();
    if results.is_empty() { Vec::new() } else { shards(&results, None, dialect, report) }
}

impl Dialect {
    /// The kind of a namespace's reports, or that of the cluster's.
    #[must_use]
    pub const fn kind(self, is_namespaced: bool) -> Kind {
        let (kind, plural, path) = match (self, is_namespaced) {
            (Self::PolicyReport, true) => {
                ("PolicyReport", "policyreports", "/apis/wgpolicyk8s.io/v1alpha2/policyreports")
            }
            (Self::PolicyReport, false) => (
                "ClusterPolicyReport",
                "clusterpolicyreports",
                "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports",
            ),
            (Self::OpenReports, true) => ("Report", "reports", "/apis/openreports.io/v1alpha1/reports"),
            (Self::OpenReports, false) => {
                ("ClusterReport", "clusterreports", "/apis/openreports.io/v1alpha1/clusterreports")
            }
        };
        let (group, version) = match self {
            Self::PolicyReport => ("wgpolicyk8s.io", "v1alpha2"),
            Self::OpenReports => ("openreports.io", "v1alpha1"),
        };
        Kind { group, version, kind, plural, path, is_namespaced }
    }
}

/// The counts of results, under the words of both kinds.
#[derive(Debug, Default, Serialize)]
struct Summary {
    pass: u64,
    fail: u64,
    warn: u64,
    error: u64,
    skip: u64,
}

/// Objects of a bounded size, one at least. What was kept is counted on the first.
fn shards(results: &[Value], namespace: Option<&Namespace>, dialect: Dialect, report: &Report) -> Vec<Value> {
    let mut chunks = results.chunks(MOST_RESULTS);
    let passed = namespace.map_or(0, |namespace| namespace.passed);
    let first = shard("podwright", passed, chunks.next().unwrap_or_default());
    let others =
        chunks.enumerate().map(|(index, chunk)| shard(&format!("podwright-{}", index + 2), 0, chunk));
    let mut shards: Vec<_> = [first].into_iter().chain(others).collect();
    for fields in shards.iter_mut().filter_map(Value::as_object_mut) {
        let Kind { group, version, kind, .. } = dialect.kind(namespace.is_some());
        fields.insert("apiVersion".to_owned(), format!("{group}/{version}").into());
        fields.insert("kind".to_owned(), kind.into());
        if dialect == Dialect::OpenReports {
            fields.insert("source".to_owned(), "podwright".into());
        }
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata
                .extend(namespace.map(|namespace| ("namespace".to_owned(), namespace.name.as_str().into())));
            let annotations = json!({ "podwright.dev/generation": report.metadata.generation });
            metadata.insert("annotations".to_owned(), annotations);
        }
    }
    shards
}

fn shard(name: &str, passed: u64, results: &[Value]) -> Value {
    let mut summary = Summary { pass: passed, ..Summary::default() };
    for result in results {
        match result.get("result").and_then(Value::as_str) {
            Some("fail") => summary.fail += 1,
            Some("skip") => summary.skip += 1,
            _ => summary.warn += 1,
        }
    }
    json!({
        "apiVersion": "",
        "kind": "",
        "metadata": { "name": name, "labels": { "app.kubernetes.io/managed-by": "podwright" } },
        "summary": summary,
        "results": results,
    })
}

fn of_finding(finding: &Finding, report: &Report) -> Value {
    let at = &finding.at;
    let mut properties = BTreeMap::from([
        ("action", finding.action.as_str().to_owned()),
        ("field", finding.field.clone()),
        ("id", finding.id.clone()),
        ("team", at.team.clone()),
        ("workload", format!("{}/{}", at.workload.kind, at.workload.name)),
    ]);
    properties.extend(finding.exemption.clone().map(|name| ("exemption", name)));
    if !finding.expired.is_empty() {
        properties.insert("expired", finding.expired.join("; "));
    }
    // Server-side apply of older API servers takes an empty text for null, which is no text.
    properties.retain(|_, text| !text.is_empty());
    // Not scored is what does not keep the Pod out.
    let result = match (&finding.exemption, finding.action) {
        (Some(_), _) => "skip",
        (None, Action::Deny) => "fail",
        (None, Action::Warn | Action::Audit) => "warn",
    };
    let mut resource = json!({
        "apiVersion": at.object.api_version,
        "kind": at.object.kind,
        "namespace": at.namespace,
        "name": at.object.name,
    });
    if let Some(fields) = resource.as_object_mut().filter(|_| at.namespace.is_empty()) {
        fields.shift_remove("namespace");
    }
    json!({
        "source": "podwright",
        "policy": if finding.rule.policy.is_empty() { &finding.rule.kind } else { &finding.rule.policy },
        "rule": finding.rule.kind,
        "category": "Pod Security",
        "severity": finding.severity,
        "result": result,
        "scored": finding.action == Action::Deny,
        "message": format!("{}: {}", finding.field, finding.message),
        "timestamp": timestamp(report),
        "resources": [resource],
        "properties": properties,
    })
}

/// What is said of findings that the report has no room for.
fn left_out(namespace: &Namespace, report: &Report) -> Option<Value> {
    let count = namespace.left_out;
    (count > 0).then(|| {
        let more = words::counted(count, "more finding");
        json!({
            "source": "podwright",
            "policy": "podwright",
            "rule": "Left out",
            "category": "Pod Security",
            "severity": "info",
            "result": "warn",
            "scored": false,
            "message": format!("there is no room here for {more}; podwright scan --live tells all of them"),
            "timestamp": timestamp(report),
        })
    })
}

fn of_exemption(exemption: &Exemption, report: &Report) -> Value {
    let message = format!(
        "exemption {} of {}: {}; its last day is {}; ask {}",
        exemption.name,
        exemption.rule.id(),
        words::standing(exemption),
        exemption.expires,
        exemption.owner
    );
    json!({
        "source": "podwright",
        "policy": exemption.rule.policy,
        "rule": format!("{} exemption", exemption.rule.kind),
        "category": "Exemptions",
        "severity": if exemption.state == ExemptionState::InForce { "info" } else { "low" },
        "result": "warn",
        "scored": false,
        "message": message,
        "timestamp": timestamp(report),
        "properties": {
            "exemption": exemption.name,
            "owner": exemption.owner,
            "expires": exemption.expires,
        },
    })
}

fn needs_an_eye(exemption: &Exemption) -> bool {
    exemption.state != ExemptionState::InForce || !exemption.is_matched()
}

fn timestamp(report: &Report) -> Value {
    json!({ "seconds": report.metadata.generated_at.as_second(), "nanos": 0 })
}
