//! The report as one HTML file for people: a first screen that says where we stand, then tables to sort and filter.
//!
//! It loads nothing, and its policy (CSP) lets nothing run but the style and the script that stand in it, each named by
//! its hash. The template escapes every value. Without a script all of it can still be read.

mod chart;

use std::io::{self, Write};

use askama::Template;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use self::chart::{Bar, Chart};
use super::Report;
use super::report::{Exemption, ExemptionState, Finding, Mutation, Status, Trend, WorkloadTotal};
use super::words::{self, counted};
use crate::policy::Action;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// The most rows of one table: more make a browser slow, and nobody reads them here.
const MOST_ROWS: usize = 5_000;

/// Writes a report.
///
/// # Errors
/// When it cannot be written.
pub fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    Page::of(report).write_into(out)
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    report: &'a Report,
    headline: String,
    tone: &'a str,
    date: String,
    looked_at: String,
    rules: String,
    grouping: &'a str,
    policy: String,
    style: &'a str,
    script: &'a str,
    tiles: Vec<Tile>,
    attention: Vec<String>,
    charts: Vec<Chart>,
    since: Option<Since>,
    findings: Vec<&'a Finding>,
    /// Each with its team.
    workloads: Vec<(&'a str, &'a WorkloadTotal)>,
    mutations: &'a [Mutation],
    exemptions: &'a [Exemption],
}

/// One number of the first screen.
struct Tile {
    name: &'static str,
    class: &'static str,
    count: u64,
    hint: &'static str,
    /// How it has changed since the earlier report: `+2`, with whether that is for the better.
    change: Option<(String, &'static str)>,
}

/// How the report compares with an earlier one.
struct Since {
    date: String,
    trend: Trend,
    bars: [(String, Bar); 2],
}

impl<'a> Page<'a> {
    fn of(report: &'a Report) -> Self {
        let summary = &report.summary;
        let mut findings: Vec<_> = report.findings.iter().collect();
        // What matters most comes first; within that the order stays.
        findings.sort_by_key(|finding| (weight(finding), std::cmp::Reverse(finding.severity)));
        findings.truncate(MOST_ROWS);
        Self {
            report,
            headline: words::headline(report),
            tone: match (summary.refused, summary.affected) {
                (0, 0) => "good",
                (0, _) => "warn",
                _ => "deny",
            },
            date: day(report.metadata.generated_at, "%-d %B %Y, %H:%M UTC"),
            looked_at: format!(
                "{} in {}",
                counted(summary.objects, "workload"),
                counted(
                    report.namespaces.iter().filter(|one| !one.name.is_empty()).count() as u64,
                    "namespace"
                )
            ),
            rules: counted(report.rules.len() as u64, "rule"),
            grouping: report.metadata.group_by.strip_prefix("label=").unwrap_or("namespace"),
            policy: content_policy(),
            style: STYLE,
            script: SCRIPT,
            tiles: tiles(report),
            attention: attention(report),
            charts: chart::all(report),
            since: report.trend.as_ref().map(|trend| Since::of(trend, report)),
            findings,
            workloads: workloads(report),
            mutations: report.mutations.get(..MOST_ROWS).unwrap_or(&report.mutations),
            exemptions: &report.exemptions,
        }
    }
}

impl Since {
    fn of(trend: &Trend, report: &Report) -> Self {
        let now = report.summary.findings;
        let most = trend.before.open().max(now.open());
        let bar = |time, counts| (day(time, "%-d %b %Y"), Bar::of_open(counts, most));
        Self {
            date: day(trend.since, "%-d %B %Y"),
            trend: trend.clone(),
            bars: [bar(trend.since, trend.before), bar(report.metadata.generated_at, now)],
        }
    }
}

fn tiles(report: &Report) -> Vec<Tile> {
    let now = report.summary.findings;
    let before = report.trend.as_ref().map(|trend| trend.before);
    let tile = |name, class, hint, count: fn(&super::report::Counts) -> u64| Tile {
        name,
        class,
        count: count(&now),
        hint,
        change: before.map(|before| change(count(&before), count(&now))),
    };
    vec![
        tile("Denied", "deny", "findings that keep a Pod out", |counts| counts.deny),
        tile("Warned", "warn", "findings shown to the author", |counts| counts.warn),
        tile("Recorded", "audit", "findings that are recorded", |counts| counts.audit),
        tile("Exempt", "exempt", "findings excused for now", |counts| counts.exempt),
    ]
}

fn change(before: u64, now: u64) -> (String, &'static str) {
    match now.cmp(&before) {
        std::cmp::Ordering::Less => (format!("−{}", before - now), "better"),
        std::cmp::Ordering::Equal => ("±0".to_owned(), "same"),
        std::cmp::Ordering::Greater => (format!("+{}", now - before), "worse"),
    }
}

/// What about the exemptions someone should look at, a sentence each.
fn attention(report: &Report) -> Vec<String> {
    let counts = report.summary.exemptions;
    let within = report.metadata.expiring_within_days;
    let lines = [
        (counts.expired, "past its day and excuses nothing", "past their day and excuse nothing"),
        (counts.expiring, "about to end", "about to end"),
        (counts.unmatched, "about nothing that was looked at", "about nothing that was looked at"),
    ];
    let told = lines.into_iter().filter(|(count, ..)| *count > 0).map(|(count, one, many)| {
        let rest = if count == 1 { format!("is {one}") } else { format!("are {many}") };
        format!("{} {rest}", counted(count, "exemption"))
    });
    told.map(|line| if line.ends_with("to end") { format!("{line} within {within} days") } else { line })
        .collect()
}

/// The workloads with findings, those with the most that is refused first.
fn workloads(report: &Report) -> Vec<(&str, &WorkloadTotal)> {
    let teams = report.teams.iter();
    let mut workloads: Vec<_> =
        teams.flat_map(|team| team.workloads.iter().map(|workload| (team.name.as_str(), workload))).collect();
    workloads.sort_by_key(|(_, workload)| {
        let counts = workload.findings;
        std::cmp::Reverse((counts.deny, counts.warn, counts.audit, counts.exempt))
    });
    workloads.truncate(MOST_ROWS);
    workloads
}

/// Nothing from anywhere; of what stands in the file the style and the script alone.
fn content_policy() -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// The rank of what is done about a finding, the strictest first.
fn weight(finding: &Finding) -> u8 {
    match (&finding.exemption, finding.action) {
        (None, Action::Deny) => 0,
        (None, Action::Warn) => 1,
        (None, Action::Audit) => 2,
        (Some(_), _) => 3,
    }
}

fn day(time: Timestamp, format: &str) -> String {
    time.to_zoned(TimeZone::UTC).strftime(format).to_string()
}
