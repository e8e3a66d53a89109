//! Help, completions, and a reader that has had enough.

use std::io::Read as _;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;

use crate::support::Folder;

const COMMANDS: &[&str] = &["inject", "explain", "scan", "check", "schema", "completions"];

#[test]
fn every_command_has_examples_that_name_it() {
    for command in COMMANDS {
        let help = Folder::new().run(&format!("{command} --help")).quiet();
        assert!(help.contains(&format!("Examples:\n  podwright {command}")), "{help}");
        assert!(!help.contains('\u{1b}'), "{help}");
    }
}

#[test]
fn the_help_names_the_commands_and_the_exit_codes() {
    let help = Folder::new().run("--help").quiet();
    for word in COMMANDS.iter().chain(&["Exit codes:"]) {
        assert!(help.contains(word), "{help}");
    }
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Folder::new().run(&format!("completions {shell}")).quiet();
        assert!(COMMANDS.iter().all(|command| script.contains(command)), "{shell}");
    }
    assert_eq!(Folder::new().run("completions csh").code, Some(2));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    // More than fits into a pipe.
    let large = format!("kind: ConfigMap\ndata:\n  a: |\n{}", "    some line of it\n".repeat(20_000));
    let folder =
        Folder::with("large.yaml", large).and("pods.yaml", "apiVersion: v1\nkind: Pod\n---\n".repeat(500));
    for words in [
        &["inject", "-f", "large.yaml"][..],
        &["explain", "-f", "pods.yaml"],
        &["explain", "-f", "pods.yaml", "-o", "json"],
        &["scan", "-f", "pods.yaml", "--format", "html"],
    ] {
        let mut child = Command::new(cargo_bin!("podwright"))
            .args(words)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 1];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
            (Some(0), ""),
            "{words:?}"
        );
    }
}
