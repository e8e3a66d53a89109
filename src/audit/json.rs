//! The report as JSON: the form that other programs, and later reports, read.

use std::io::{self, Write};

use super::Report;

/// Writes a report.
///
/// # Errors
/// When it cannot be written.
pub fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}
