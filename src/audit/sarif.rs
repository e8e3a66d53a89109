//! The report as SARIF 2.1.0, for code scanning: rules, results, and where each stands.
//!
//! The shape is that of the OASIS standard's schema, of which this is what we have something to say in.

use std::io::{self, Write};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use super::Report;
use super::report::{Finding, Location, Place, Rule, Status};
use super::severity::Severity;
use crate::policy::Action;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const HOME: &str = "https://github.com/podwright/podwright";
/// What a path keeps in a URI (RFC 3986, 3.3); a colon might pass for the end of a scheme.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b':');

/// Writes a report.
///
/// # Errors
/// When it cannot be written.
pub fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: json!({ "driver": {
                "name": "Podwright",
                "semanticVersion": report.metadata.podwright,
                "informationUri": HOME,
                "rules": report.rules.iter().map(rule).collect::<Vec<_>>(),
            }}),
            invocations: json!([{
                "executionSuccessful": true,
                "endTimeUtc": report.metadata.generated_at,
            }]),
            column_kind: "unicodeCodePoints",
            results: report.findings.iter().map(|finding| Result::of(finding, report)).collect(),
            properties: json!({
                "generation": report.metadata.generation,
                "objects": report.summary.objects,
                "mutations": report.mutations,
            }),
        }],
    };
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'a str,
    version: &'a str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Value,
    invocations: Value,
    column_kind: &'a str,
    results: Vec<Result<'a>>,
    properties: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Result<'a> {
    rule_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'a str,
    message: Value,
    locations: [Value; 1],
    partial_fingerprints: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_state: Option<&'a str>,
    /// Present even where it is empty: the run knows of suppressions.
    suppressions: Vec<Value>,
    properties: Value,
}

impl<'a> Result<'a> {
    fn of(finding: &'a Finding, report: &Report) -> Self {
        let mut text = format!(
            "{} {}: {}: {}",
            finding.at.workload.kind, finding.at.workload.name, finding.field, finding.message
        );
        for expired in &finding.expired {
            text.push_str("; ");
            text.push_str(expired);
        }
        Self {
            rule_id: finding.rule.id(),
            rule_index: report.rules.iter().position(|rule| rule.name == finding.rule),
            level: level(finding.action),
            // Or a viewer would make a link of it (3.11.6).
            message: json!({ "text": text.replace("](", "] (") }),
            locations: [location(&finding.at, &finding.field)],
            partial_fingerprints: json!({ "podwright/v1": finding.id }),
            baseline_state: finding.status.map(Status::as_str),
            suppressions: finding.exemption.iter().map(|name| suppression(name, finding, report)).collect(),
            properties: json!({
                "action": finding.action,
                "severity": finding.severity,
                "team": finding.at.team,
            }),
        }
    }
}

fn rule(rule: &Rule) -> Value {
    let about = match rule.name.policy.as_str() {
        "" => "What a Pod asks for by annotation and cannot be given".to_owned(),
        policy => format!("The {} policy {policy}", rule.name.kind),
    };
    json!({
        "id": rule.name.id(),
        "name": rule.name.kind,
        "shortDescription": { "text": about },
        "defaultConfiguration": { "level": level(rule.action) },
        "properties": {
            "tags": ["kubernetes", "security"],
            "problem.severity": level(rule.action).replace("note", "recommendation"),
            "security-severity": score(rule.severity),
            "checked": rule.checked,
            "passed": rule.passed,
        },
    })
}

const fn level(action: Action) -> &'static str {
    match action {
        Action::Deny => "error",
        Action::Warn => "warning",
        Action::Audit => "note",
    }
}

/// In the middle of the range that code scanning shows under the same word.
const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

fn suppression(name: &str, finding: &Finding, report: &Report) -> Value {
    let exemption = report.exemptions.iter().find(|known| known.name == name && known.rule == finding.rule);
    let why = exemption.map(|exemption| {
        format!("exemption {name} until {}, by {}: {}", exemption.expires, exemption.owner, exemption.reason)
    });
    json!({
        "kind": "external",
        "status": "accepted",
        "justification": why.unwrap_or_else(|| format!("exemption {name}")),
    })
}

fn location(at: &Location, field: &str) -> Value {
    let object = at.path();
    let mut location = json!({
        "logicalLocations": [
            { "name": at.workload.name, "fullyQualifiedName": object, "kind": "resource" },
            { "name": field, "fullyQualifiedName": format!("{object}/{field}"), "kind": "property" },
        ],
    });
    // What was piped in has no place that anyone could open.
    let place = at.source.as_ref().filter(|place| place.file != "<stdin>");
    if let (Some(place), Some(fields)) = (place, location.as_object_mut()) {
        fields.insert("physicalLocation".to_owned(), physical(place));
    }
    location
}

fn physical(Place { file, line }: &Place) -> Value {
    let path = utf8_percent_encode(file.trim_start_matches("./"), RESERVED);
    let uri = if file.starts_with('/') { format!("file://{path}") } else { path.to_string() };
    json!({ "artifactLocation": { "uri": uri }, "region": { "startLine": line } })
}
