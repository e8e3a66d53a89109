//! Tools that `install-tools` gets, where it can.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// Where a tool is; in one line why it is not to be had.
pub(crate) fn tool(name: &'static str) -> Result<PathBuf, String> {
    static FOUND: Mutex<BTreeMap<&str, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    found.entry(name).or_insert_with(|| get(name)).clone()
}

fn get(name: &str) -> Result<PathBuf, String> {
    let output = Command::new(root().join("tests/install/install-tools")).arg(name).output();
    let output = output.map_err(|err| format!("install-tools: {err}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.trim().lines().last().unwrap_or("it said nothing").to_owned();
    if output.status.success() { Ok(last.into()) } else { Err(last) }
}

/// What a command prints; it must succeed.
pub(crate) fn stdout(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|err| panic!("{command:?}: {err}"))
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
