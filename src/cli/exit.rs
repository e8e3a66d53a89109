//! The exit codes, which scripts may rely on.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::style::Palette;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Fine = 0,
    /// The command did its work and found something to mend: a Pod refused, an outcome unlike the expected.
    Findings = 1,
    /// The command was asked for something it cannot do: wrong flags, a file that does not read, a port that is
    /// taken.
    Usage = 2,
    /// A bug of Podwright's (`EX_SOFTWARE` of `sysexits.h`).
    Internal = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The codes, for the end of the help.
pub(super) const HELP: &str = "\
Exit codes:
   0  all is well
   1  something to mend was found
   2  wrong flags or input
  70  a bug of Podwright's";

/// Input that cannot be used: every reason, each with its place.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(super) struct BadInput(pub(super) Vec<String>);

impl From<String> for BadInput {
    fn from(reason: String) -> Self {
        Self(vec![reason])
    }
}

/// Tells what ended a command, and gives its code.
pub(super) fn report(error: &anyhow::Error) -> Exit {
    // Whoever read our output has had enough of it.
    if is_broken_pipe(error) {
        return Exit::Fine;
    }
    let reasons = match error.downcast_ref() {
        Some(BadInput(reasons)) => reasons.clone(),
        None => vec![format!("{error:#}")],
    };
    let palette = Palette::stderr();
    for reason in reasons {
        // Nothing is left to do where even this fails.
        let _ = writeln!(io::stderr(), "{} {reason}", palette.error("error:"));
    }
    Exit::Usage
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(broken))
}
