//! Every format, as a whole.

use std::fs;

use libtest_mimic::{Failed, Trial};

use crate::support::{folder, report};

/// The formats, with the file that has what is expected of each.
pub(crate) const FORMATS: &[(&str, &str)] = &[
    ("table", "report.txt"),
    ("json", "report.json"),
    ("csv", "report.csv"),
    ("sarif", "report.sarif"),
    ("junit", "report.xml"),
    ("html", "report.html"),
    ("policyreport", "policyreport.yaml"),
    ("openreports", "openreports.yaml"),
];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(format, file): &(&'static str, &'static str)| {
        let (format, file) = (*format, *file);
        Trial::test(format!("formats::{format}"), move || golden(format, file))
    };
    FORMATS.iter().map(trial).collect()
}

fn golden(format: &str, file: &str) -> Result<(), Failed> {
    let written = without_code(report(format));
    let path = folder().join("expected").join(file);
    if std::env::var_os("UPDATE_SCAN").is_some() {
        fs::write(&path, &written)?;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if written == expected {
        return Ok(());
    }
    Err(diffy::create_patch(&expected, &written).to_string().into())
}

/// A page without its style and its script, which stand in files of their own, and without their hashes.
fn without_code(mut written: String) -> String {
    for (from, to) in [
        ("<style>", "</style>"),
        ("<script>\"use strict\"", "</script>"),
        ("sha256-", "&#39;"),
        ("sha256-", "&#39;"),
    ] {
        if let Some(start) = written.find(from) {
            let end = written[start..].find(to).unwrap() + start;
            written.replace_range(start..end, "…");
        }
    }
    written
}
