//! The exit codes, which scripts may rely on.

use std::process::ExitCode;

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
