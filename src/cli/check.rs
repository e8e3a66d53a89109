//! `podwright check`: are these policies right?

use std::io::{self, Write};
use std::path::PathBuf;

use jiff::Unit;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::exit::Exit;
use super::offline::{self, Now};
use super::style::Palette;
use crate::policy::Exemption;
use crate::policy_set::{LoadError, LoadErrors, PolicySet};
use crate::validators;

/// How long before its last day an exemption is worth a warning.
const SOON_DAYS: i32 = 30;

/// The flags of `check`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Check policies before the cluster reads them",
    long_about = "\
Check policies before the cluster reads them.

Reads them as `podwright serve` does: unknown fields, wrong types and values, and names given twice are errors, each \
with its file, line and column. Lists what it found, and warns of exemptions that have ended or end within 30 days.",
    after_long_help = "\
Examples:
  podwright check policies/
  podwright check policies/ --now 2027-06-30

It ends with 1 where a policy is wrong, with 2 where a file cannot be read. Warnings do not change the exit code."
)]
pub(super) struct Args {
    /// Files and folders of policies [default: those that ship with Podwright]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The day that exemptions are held against, such as 2027-06-30 [default: today]
    #[arg(long, value_name = "DATE")]
    now: Option<Now>,
}

impl Args {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<Exit> {
        match offline::policies(&self.paths) {
            Ok(policies) => {
                let today = Now::or_present(self.now.as_ref()).to_zoned(TimeZone::UTC).date();
                list(&policies, today, out)?;
                Ok(Exit::Fine)
            }
            Err(errors) => Ok(tell(&errors)?),
        }
    }
}

fn tell(errors: &LoadErrors) -> io::Result<Exit> {
    let palette = Palette::stderr();
    let mut err = io::stderr().lock();
    for error in &errors.0 {
        writeln!(err, "{} {error}", palette.error("error:"))?;
    }
    let unreadable = errors.0.iter().any(|error| matches!(error, LoadError::Unreadable { .. }));
    Ok(if unreadable { Exit::Usage } else { Exit::Findings })
}

fn list(policies: &PolicySet, today: Date, out: &mut impl Write) -> io::Result<()> {
    let palette = Palette::stdout();
    for policy in policies.mutators() {
        writeln!(out, "{} {}", palette.name(policy.kind), policy.name)?;
    }
    for policy in policies.validators() {
        let action = policy.rules.action.as_str();
        writeln!(out, "{} {}: {action}", palette.name(policy.kind), policy.name)?;
        for exemption in &policy.rules.exemptions {
            let Exemption { name, reason, owner, expires, .. } = exemption;
            writeln!(out, "  exempt until {expires}: {name} ({owner}): {reason}")?;
        }
    }
    out.flush()?;
    warn(policies.validators(), today)?;
    let count = policies.mutators().len() + policies.validators().len();
    let noun = if count == 1 { "policy" } else { "policies" };
    writeln!(out, "{} {count} {noun}, generation {}", palette.good("ok:"), policies.generation)
}

fn warn(policies: &[validators::Policy], today: Date) -> io::Result<()> {
    let palette = Palette::stderr();
    let mut err = io::stderr().lock();
    for policy in policies {
        for exemption in &policy.rules.exemptions {
            if let Some(ending) = ending(exemption, today) {
                let (kind, policy, name, owner) =
                    (policy.kind, &policy.name, &exemption.name, &exemption.owner);
                let warning = palette.warning("warning:");
                writeln!(err, "{warning} {kind} policy {policy}: exemption {name} {ending}; ask {owner}")?;
            }
        }
    }
    Ok(())
}

/// How an exemption ends, if it has or soon will.
fn ending(exemption: &Exemption, today: Date) -> Option<String> {
    let expires = exemption.expires;
    match today.until((Unit::Day, expires)).ok()?.get_days() {
        days if days < 0 => Some(format!("ended on {expires}")),
        0 => Some(format!("ends today, on {expires}")),
        days if days <= SOON_DAYS => Some(format!("ends on {expires}, in {days} days")),
        _ => None,
    }
}
