//! The report as CSV (RFC 4180): one row for each finding, mutation and exemption, for spreadsheets.

use std::io::Write;

use super::Report;
use super::report::{Exemption, Finding, Location, Mutation, Status};
use super::words;

/// The columns, in order. New ones are added at the end.
pub const COLUMNS: &[&str] = &[
    "record",
    "outcome",
    "severity",
    "team",
    "namespace",
    "workload_kind",
    "workload",
    "object_kind",
    "object",
    "rule_kind",
    "policy",
    "field",
    "message",
    "exemption",
    "owner",
    "expires",
    "file",
    "line",
    "status",
    "id",
    "generation",
    "generated_at",
];

/// Writes a report.
///
/// # Errors
/// When it cannot be written.
pub fn write(report: &Report, out: &mut impl Write) -> csv::Result<()> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(COLUMNS)?;
    let finding = report.findings.iter().map(Row::of_finding);
    let mutations = report.mutations.iter().map(Row::of_mutation);
    let exemptions = report.exemptions.iter().map(Row::of_exemption);
    for mut row in finding.chain(mutations).chain(exemptions) {
        row.set("generation", &report.metadata.generation);
        row.set("generated_at", report.metadata.generated_at.to_string());
        rows.write_record(&row.0)?;
    }
    rows.flush()?;
    Ok(())
}

/// One row; a cell that nothing is set in is empty.
#[derive(Debug)]
struct Row(Vec<String>);

impl Row {
    fn new(record: &str) -> Self {
        let mut row = Self(vec![String::new(); COLUMNS.len()]);
        row.set("record", record);
        row
    }

    fn of_finding(finding: &Finding) -> Self {
        let mut row = Self::new("finding").at(&finding.at);
        let mut message = finding.message.clone();
        for expired in &finding.expired {
            message.push_str("; ");
            message.push_str(expired);
        }
        row.set("outcome", finding.outcome());
        row.set("severity", finding.severity.as_str());
        row.set("rule_kind", &finding.rule.kind);
        row.set("policy", &finding.rule.policy);
        row.set("field", &finding.field);
        row.set("message", message);
        row.set("exemption", finding.exemption.as_deref().unwrap_or_default());
        row.set("id", &finding.id);
        row.set("status", finding.status.map_or("", Status::as_str));
        row
    }

    fn of_mutation(mutation: &Mutation) -> Self {
        let mut row = Self::new("mutation").at(&mutation.at);
        row.set("outcome", if mutation.refused { "refused" } else { "applied" });
        row.set("rule_kind", &mutation.kind);
        row.set("policy", &mutation.policy);
        row.set("message", words::facts(&mutation.facts));
        row
    }

    fn of_exemption(exemption: &Exemption) -> Self {
        let mut row = Self::new("exemption");
        row.set("outcome", words::standing(exemption));
        row.set("rule_kind", &exemption.rule.kind);
        row.set("policy", &exemption.rule.policy);
        row.set("message", &exemption.reason);
        row.set("exemption", &exemption.name);
        row.set("owner", &exemption.owner);
        row.set("expires", exemption.expires.to_string());
        row
    }

    fn at(mut self, at: &Location) -> Self {
        self.set("team", &at.team);
        self.set("namespace", &at.namespace);
        self.set("workload_kind", &at.workload.kind);
        self.set("workload", &at.workload.name);
        self.set("object_kind", &at.object.kind);
        self.set("object", &at.object.name);
        if let Some(place) = &at.source {
            self.set("file", &place.file);
            self.set("line", place.line.to_string());
        }
        self
    }

    fn set(&mut self, column: &str, value: impl Into<String>) {
        let index = COLUMNS.iter().position(|known| *known == column);
        if let Some(cell) = index.and_then(|index| self.0.get_mut(index)) {
            *cell = inert(value.into());
        }
    }
}

/// The value, such that no spreadsheet takes it for a formula (CWE-1236): those begin with these characters, the last
/// four of which are their wide forms. Tabs and line breaks are escapes already.
fn inert(value: String) -> String {
    if value.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        format!("'{value}")
    } else {
        value
    }
}
