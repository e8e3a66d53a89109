//! Accounts as text for people.

use std::io::{self, Write};

use serde_json::Value;

use super::account::{Account, Effect, Found, Part, Verdict};
use crate::cli::style::Palette;
use crate::policy::Action;

/// Writes accounts, a blank line between them.
pub(super) fn write(accounts: &[Account], palette: Palette, out: &mut impl Write) -> io::Result<()> {
    for (index, account) in accounts.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write_one(account, palette, out)?;
    }
    Ok(())
}

fn write_one(account: &Account, palette: Palette, out: &mut impl Write) -> io::Result<()> {
    let Account { file, line, title, summary, .. } = account;
    let summary = match account.verdict {
        Verdict::Admitted => palette.good(summary),
        Verdict::Refused | Verdict::Fault => palette.error(summary),
    };
    writeln!(out, "{file}:{line}: {}: {summary}", palette.name(title))?;
    for part in &account.policies {
        write_part(part, account.verdict, palette, out)?;
    }
    for rejection in &account.rejections {
        writeln!(out, "  {} {rejection}", palette.error("cannot be given:"))?;
    }
    for warning in &account.warnings {
        writeln!(out, "  {} {warning}", palette.warning("warning:"))?;
    }
    if !account.operations.is_empty() {
        let within = account.template.trim_start_matches('/').replace('/', ".");
        writeln!(out, "  edits{}:", if within.is_empty() { within } else { format!(" within {within}") })?;
        for operation in &account.operations {
            writeln!(out, "    {} {}", operation.name(), operation.path())?;
        }
    }
    Ok(())
}

fn write_part(part: &Part, verdict: Verdict, palette: Palette, out: &mut impl Write) -> io::Result<()> {
    let policy = format!("{} {}", part.kind, part.policy);
    let policy = palette.name(policy);
    match &part.effect {
        Effect::NoMatch { reason } => {
            writeln!(out, "  {policy}: {}", palette.faint(format_args!("not for it: {reason}")))
        }
        Effect::NotAsked { reason } => {
            writeln!(out, "  {policy}: {}", palette.faint(format_args!("not asked: {reason}")))
        }
        Effect::Passed => writeln!(out, "  {policy}: fine"),
        Effect::NothingToDo => {
            writeln!(out, "  {policy}: {}", palette.faint("nothing in this Pod that it is for"))
        }
        Effect::NotApplied => writeln!(out, "  {policy}: {}", palette.error("asked for, and not applied")),
        Effect::Applied { facts } => {
            match verdict {
                Verdict::Admitted => writeln!(out, "  {policy}: {}", palette.good("applied"))?,
                // A Pod that is refused gets nothing.
                Verdict::Refused | Verdict::Fault => writeln!(out, "  {policy}: could be applied")?,
            }
            facts.iter().try_for_each(|(name, fact)| writeln!(out, "    {name}: {}", plain(fact)))
        }
        Effect::Violated { action, violations } => {
            // An exemption is of the policy, so what it does for one violation it does for all.
            let exemption = violations.iter().find_map(|found| found.exemption.as_deref());
            writeln!(out, "  {policy}: {}", consequence(*action, exemption, palette))?;
            violations.iter().try_for_each(|Found { field, message, expired, .. }| {
                writeln!(out, "    {field}: {message}")?;
                expired.iter().try_for_each(|expired| writeln!(out, "    {expired}"))
            })
        }
    }
}

fn consequence(action: Action, exemption: Option<&str>, palette: Palette) -> String {
    match (exemption, action) {
        (Some(exemption), _) => format!("exempt by {exemption}"),
        (None, Action::Deny) => palette.error("denied").to_string(),
        (None, Action::Warn) => palette.warning("warned").to_string(),
        (None, Action::Audit) => "recorded".to_owned(),
    }
}

/// A fact as a person would write it.
fn plain(fact: &Value) -> String {
    match fact {
        Value::String(text) => text.clone(),
        Value::Array(entries) if entries.iter().all(|entry| !entry.is_object() && !entry.is_array()) => {
            entries.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        fact => fact.to_string(),
    }
}
