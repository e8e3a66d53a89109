//! Sentences that several formats share.

use serde_json::{Map, Value};

use super::Report;
use super::report::{Exemption, ExemptionState};

/// Where we stand, in one sentence or two.
#[must_use]
pub fn headline(report: &Report) -> String {
    let summary = &report.summary;
    let all = counted(summary.objects, "workload");
    let others = summary.affected - summary.refused;
    let mut headline = match (summary.objects, summary.refused, others) {
        (0, ..) => "There was no Pod and no Pod template to look at.".to_owned(),
        (_, 0, 0) => format!("Every rule is kept: {all} and no open finding."),
        (_, 0, others) => format!("None of {all} would be refused; {others} {}.", have(others)),
        (_, refused, 0) => format!("{refused} of {all} would be refused."),
        (_, refused, others) => {
            format!("{refused} of {all} would be refused, and {others} more {}.", have(others))
        }
    };
    let exempt = summary.findings.exempt;
    if exempt > 0 {
        let is = if exempt == 1 { "is" } else { "are" };
        headline.push_str(&format!(" {} {is} excused by exemptions.", counted(exempt, "finding")));
    }
    headline
}

fn have(count: u64) -> &'static str {
    if count == 1 { "has findings" } else { "have findings" }
}

/// `1 finding`, `2 findings`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How an exemption stands: `ends in 12 days`.
#[must_use]
pub fn standing(exemption: &Exemption) -> String {
    let days = u64::from(exemption.days_left.unsigned_abs());
    let mut words = match (exemption.state, days) {
        (ExemptionState::Expired, days) => format!("expired {} ago", counted(days, "day")),
        (_, 0) => "ends today".to_owned(),
        (ExemptionState::Expiring, days) => format!("ends in {}", counted(days, "day")),
        (ExemptionState::InForce, _) => "in force".to_owned(),
    };
    if !exemption.is_matched() {
        words.push_str(", matched nothing");
    } else if exemption.findings == 0 && exemption.state != ExemptionState::Expired {
        words.push_str(", excused nothing");
    }
    words
}

/// Facts as a person would write them: `time: +2d; containers: app, db`.
#[must_use]
pub fn facts(facts: &Map<String, Value>) -> String {
    facts.iter().map(|(name, fact)| format!("{name}: {}", plain(fact))).collect::<Vec<_>>().join("; ")
}

fn plain(fact: &Value) -> String {
    match fact {
        Value::String(text) => text.clone(),
        Value::Array(entries) if entries.iter().all(|entry| !entry.is_object() && !entry.is_array()) => {
            entries.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)))
            .collect::<Vec<_>>()
            .join(", "),
        fact => fact.to_string(),
    }
}
