//! Bars: how many findings, by what is done about them.

use super::super::Report;
use super::super::report::{Counts, Team};

/// The most bars of one chart; what is below them stands in the tables.
const MOST_BARS: usize = 8;

/// A title and its bars.
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// The column of the findings that a bar's name filters by.
    pub(super) column: &'static str,
    pub(super) rows: Vec<Row>,
    /// How many bars were left out.
    pub(super) more: usize,
}

/// A name, its number and its bar.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) bar: Bar,
}

/// The parts of a bar, from the left.
pub(super) struct Bar(pub(super) Vec<Part>);

/// A part of a bar; places and widths are in percent of the longest bar.
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) count: u64,
    pub(super) x: String,
    pub(super) width: String,
}

impl Bar {
    /// A bar of all findings.
    fn of(counts: Counts, most: u64) -> Self {
        Self::of_parts(
            &[
                ("deny", counts.deny),
                ("warn", counts.warn),
                ("audit", counts.audit),
                ("exempt", counts.exempt),
            ],
            most,
        )
    }

    /// A bar of those that no exemption excuses.
    pub(super) fn of_open(counts: Counts, most: u64) -> Self {
        Self::of(Counts { exempt: 0, ..counts }, most)
    }

    fn of_parts(parts: &[(&'static str, u64)], most: u64) -> Self {
        let percent = |count: u64| count as f64 * 100.0 / most.max(1) as f64;
        let mut before = 0;
        let parts = parts.iter().filter(|(_, count)| *count > 0).map(|&(class, count)| {
            let x = format!("{:.2}%", percent(before));
            before += count;
            Part { class, count, x, width: format!("{:.2}%", percent(count)) }
        });
        Self(parts.collect())
    }

    /// What it shows, in words.
    pub(super) fn words(&self) -> String {
        self.0.iter().map(|part| format!("{} {}", part.count, part.class)).collect::<Vec<_>>().join(", ")
    }
}

/// The charts of a report; none where nothing was found.
pub(super) fn all(report: &Report) -> Vec<Chart> {
    if report.findings.is_empty() {
        return Vec::new();
    }
    let rules = report.rules.iter().map(|rule| (rule.name.id(), rule.findings));
    let teams = report.teams.iter().map(|team: &Team| (team.name.clone(), team.findings));
    let by_namespace = report.metadata.group_by == "namespace";
    vec![
        by_counts("By rule", "rule", rules.collect()),
        by_counts(if by_namespace { "By namespace" } else { "By team" }, "team", teams.collect()),
        by_severity(report),
    ]
}

fn by_counts(title: &'static str, column: &'static str, mut counted: Vec<(String, Counts)>) -> Chart {
    let total = |counts: &Counts| counts.open() + counts.exempt;
    counted.retain(|(_, counts)| total(counts) > 0);
    counted.sort_by_key(|(_, counts)| std::cmp::Reverse((counts.deny, total(counts))));
    let most = counted.iter().map(|(_, counts)| total(counts)).max().unwrap_or_default();
    let more = counted.len().saturating_sub(MOST_BARS);
    let rows = counted.into_iter().take(MOST_BARS).map(|(name, counts)| Row {
        name,
        count: total(&counts),
        bar: Bar::of(counts, most),
    });
    Chart { title, column, rows: rows.collect(), more }
}

fn by_severity(report: &Report) -> Chart {
    let open = &report.summary.severities;
    let severities =
        [("critical", open.critical), ("high", open.high), ("medium", open.medium), ("low", open.low)];
    let most = severities.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let rows = severities.into_iter().map(|(name, count)| Row {
        name: name.to_owned(),
        count,
        bar: Bar::of_parts(&[(name, count)], most),
    });
    Chart { title: "By severity", column: "severity", rows: rows.collect(), more: 0 }
}
