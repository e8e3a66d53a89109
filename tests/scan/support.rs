//! Runs a scan of the manifests here.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use libtest_mimic::Trial;
use serde_json::Value;

/// The day of every report here.
pub(crate) const NOW: &str = "2027-01-10T12:00:00Z";

/// The folder of this test.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scan")
}

/// A test that panics where it fails.
pub(crate) fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// `podwright scan` with these words, in the folder of this test.
pub(crate) fn scan(words: &[&str]) -> Output {
    let mut command = Command::new(cargo_bin!("podwright"));
    command.arg("scan").args(words).current_dir(folder());
    for variable in ["CLICOLOR_FORCE", "CLICOLOR", "NO_COLOR", "COLUMNS"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

/// The report over all manifests here, in a format.
pub(crate) fn report(format: &str) -> String {
    let output = scan(&[
        "-f",
        "manifests",
        "--policies",
        "policies.yaml",
        "--now",
        NOW,
        "--baseline",
        "baseline.json",
        "--format",
        format,
    ]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{format}");
    assert_eq!(output.status.code(), Some(1), "{format}");
    String::from_utf8(output.stdout).unwrap()
}

/// The same as JSON.
pub(crate) fn json() -> Value {
    serde_json::from_str(&report("json")).unwrap()
}

/// Why trials that need official schemas are skipped.
pub(crate) const NO_SCHEMAS: &str = "PODWRIGHT_REPORT_SCHEMAS names no folder of official schemas; CONTRIBUTING.md says \
                                     which and where they are";

/// The folder of the official schemas, where there is one.
pub(crate) fn schemas() -> Option<PathBuf> {
    std::env::var_os("PODWRIGHT_REPORT_SCHEMAS").map(PathBuf::from).filter(|folder| folder.is_dir())
}
