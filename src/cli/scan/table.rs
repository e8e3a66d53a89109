//! The report as tables for people.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::output::Output;
use crate::audit::report::{Exemption, Finding, Location, Mutation, Report, Status, Team, Trend};
use crate::audit::words::{self, counted};
use crate::cli::style::Palette;

/// Writes a report: where we stand, the teams, their findings, then mutations and exemptions.
pub(super) fn write(report: &Report, output: Output, out: &mut impl Write) -> io::Result<()> {
    let palette = output.palette;
    let headline = words::headline(report);
    match (report.summary.refused, report.summary.affected) {
        (0, 0) => writeln!(out, "{}", palette.good(headline))?,
        (0, _) => writeln!(out, "{}", palette.warning(headline))?,
        _ => writeln!(out, "{}", palette.error(headline))?,
    }
    let metadata = &report.metadata;
    writeln!(
        out,
        "{}",
        palette.faint(format_args!("policies {}, {}", metadata.generation, metadata.generated_at))
    )?;
    if let Some(trend) = &report.trend {
        writeln!(out, "{}", told(trend))?;
    }
    teams(report, output, out)?;
    for team in &report.teams {
        write_findings(team, report.findings_of(team), output, out)?;
    }
    mutations(&report.mutations, output, out)?;
    exemptions(&report.exemptions, output, out)
}

fn told(trend: &Trend) -> String {
    let Trend { since, new, fixed, exempted, unchanged, .. } = trend;
    let exempted = if *exempted > 0 { format!(", {exempted} exempted") } else { String::new() };
    format!("since {since}: {new} new, {fixed} fixed{exempted}, {unchanged} unchanged")
}

fn teams(report: &Report, output: Output, out: &mut impl Write) -> io::Result<()> {
    if report.teams.is_empty() {
        return Ok(());
    }
    let mut table = table(output, &["TEAM", "WORKLOADS", "AFFECTED", "DENY", "WARN", "AUDIT", "EXEMPT"]);
    let mut row = |name: &str, objects: u64, affected: u64, counts: crate::audit::report::Counts| {
        let numbers = [objects, affected, counts.deny, counts.warn, counts.audit, counts.exempt];
        let numbers = numbers.iter().map(|number| Cell::new(number).set_alignment(CellAlignment::Right));
        table.add_row([Cell::new(name)].into_iter().chain(numbers));
    };
    for team in &report.teams {
        row(title(team), team.objects, team.affected, team.findings);
    }
    if report.teams.len() > 1 {
        let summary = &report.summary;
        row("all", summary.objects, summary.affected, summary.findings);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out)?;
    lines(&table, output.palette, out)
}

fn write_findings(team: &Team, findings: &[Finding], output: Output, out: &mut impl Write) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", output.palette.name(title(team)))?;
    let mut table = table(output, &["ACTION", "WORKLOAD AND RULE", "FINDING"]);
    for finding in findings {
        let status = if finding.status == Some(Status::New) { "new" } else { "" };
        let mut what = format!("{}\n{}", finding.field, finding.message);
        for expired in &finding.expired {
            what.push_str(&format!("\n{expired}"));
        }
        if let Some(exemption) = &finding.exemption {
            what.push_str(&format!("\nexempt by {exemption}"));
        }
        if let Some(place) = place(&finding.at) {
            what.push_str(&format!("\n{place}"));
        }
        let workload = format!("{}\n{}", workload(&finding.at), finding.rule.id());
        table.add_row([format!("{}\n{status}", finding.outcome()), workload, what]);
    }
    lines(&table, output.palette, out)
}

fn mutations(mutations: &[Mutation], output: Output, out: &mut impl Write) -> io::Result<()> {
    if mutations.is_empty() {
        return Ok(());
    }
    let title = format!("{} by Podwright", counted(mutations.len() as u64, "mutation"));
    writeln!(out, "\n{}", output.palette.name(title))?;
    let mut table = table(output, &["MUTATOR", "WORKLOAD", "WHAT IT HAS"]);
    for mutation in mutations {
        let refused = if mutation.refused { "; not while a rule refuses it" } else { "" };
        table.add_row([
            format!("{}/{}", mutation.kind, mutation.policy),
            format!("{} in {}", workload(&mutation.at), mutation.at.namespace),
            format!("{}{refused}", words::facts(&mutation.facts)),
        ]);
    }
    lines(&table, output.palette, out)
}

fn exemptions(exemptions: &[Exemption], output: Output, out: &mut impl Write) -> io::Result<()> {
    if exemptions.is_empty() {
        return Ok(());
    }
    let title = counted(exemptions.len() as u64, "exemption");
    writeln!(out, "\n{}", output.palette.name(title))?;
    let mut table = table(output, &["EXEMPTION", "RULE", "OWNER", "LAST DAY", "EXCUSES", "STANDING"]);
    for exemption in exemptions {
        table.add_row([
            exemption.name.clone(),
            exemption.rule.id(),
            exemption.owner.clone(),
            exemption.expires.to_string(),
            counted(exemption.findings, "finding"),
            words::standing(exemption),
        ]);
    }
    lines(&table, output.palette, out)
}

fn table(output: Output, head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(output.width)
        .set_header(head);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Writes a table's lines, the word that opens one in its colour.
fn lines(table: &Table, palette: Palette, out: &mut impl Write) -> io::Result<()> {
    for (index, line) in table.lines().enumerate() {
        let line = line.trim_end();
        let (word, rest) = line.split_at(line.find(' ').unwrap_or(line.len()));
        match word {
            _ if index == 0 => writeln!(out, "{}", palette.faint(line))?,
            "deny" => writeln!(out, "{}{rest}", palette.error(word))?,
            "warn" => writeln!(out, "{}{rest}", palette.warning(word))?,
            "audit" | "new" => writeln!(out, "{}{rest}", palette.place(word))?,
            "exempt" => writeln!(out, "{}{rest}", palette.good(word))?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

fn title(team: &Team) -> &str {
    if team.name.is_empty() { "(no team)" } else { &team.name }
}

fn workload(at: &Location) -> String {
    let name = if at.workload.name.is_empty() { "(no name)" } else { &at.workload.name };
    format!("{} {name}", at.workload.kind)
}

fn place(at: &Location) -> Option<String> {
    at.source.as_ref().map(|place| format!("{}:{}", place.file, place.line))
}
