//! Where manifests come from, and what is told of those that do not read.

use std::fs::File;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;

use crate::support::{Folder, inject};

#[test]
fn a_folder_is_read_by_name_without_what_is_hidden_or_below() {
    let folder = Folder::with("m/b.yml", "kind: B\n")
        .and("m/a.yaml", "kind: A\n")
        .and("m/c.json", "{\"kind\": \"C\"}\n")
        .and("m/.hidden.yaml", "kind: Hidden\n")
        .and("m/README.md", "kind: [")
        .and("m/below/d.yaml", "kind: D\n")
        .and("m/.git/e.yaml", "kind: E\n");
    assert_eq!(folder.run("inject -f m -o yaml").quiet(), "kind: A\n---\nkind: B\n---\nkind: C\n");
    assert_eq!(
        folder.run("inject -R -f m -o yaml").quiet(),
        "kind: A\n---\nkind: B\n---\nkind: D\n---\nkind: C\n"
    );
}

#[test]
fn stdin_stands_beside_files_and_only_once() {
    let folder = Folder::with("a.yaml", "kind: A\n");
    assert_eq!(
        folder.run_with_stdin("inject -f a.yaml -f -", "kind: B\n").quiet(),
        "kind: A\n---\nkind: B\n"
    );
    let outcome = folder.run_with_stdin("inject -f - -f -", "kind: B\n");
    assert_eq!(
        outcome.transcript(),
        "exit code: 2\n--- stdout\n--- stderr\nerror: -: stdin can be read only once; give -f - only once\n"
    );
}

#[test]
fn what_cannot_be_read_is_told_all_at_once() {
    let folder = Folder::with("good.yaml", "kind: A\n")
        .and("bad.yaml", "kind: A\n---\n# b\nkind: B\n  x: 1\n---\na: [\n")
        .and("bad.json", "{\"kind\": \"A\"}\n{\"kind\": oops}\n")
        .and("latin.yaml", b"a: 1\nb: \xe9\n")
        .and("none/readme.txt", "");
    let outcome =
        folder.run("inject -f good.yaml -f bad.yaml -f bad.json -f latin.yaml -f none -f missing.yaml");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    let lines: Vec<_> = outcome.stderr.lines().collect();
    let starts = [
        "error: none: expected *.yaml, *.yml or *.json in this folder, found none; -R reads the folders below it too",
        "error: bad.yaml:5:",
        "error: bad.yaml:7:",
        "error: bad.json:2:10: expected value",
        "error: latin.yaml:2: expected UTF-8 text, found other bytes",
        "error: missing.yaml: No such file or directory",
    ];
    assert_eq!(lines.len(), starts.len(), "{}", outcome.stderr);
    for start in starts {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start}\n{}", outcome.stderr);
    }
}

#[test]
fn keys_given_twice_are_told_with_their_place() {
    let outcome = inject("", "kind: A\n---\nkind: B\nmetadata:\n  name: a\n  name: b\n");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.starts_with("error: <stdin>:6:3: duplicate"), "{}", outcome.stderr);
}

#[test]
fn without_a_file_the_usage_is_told() {
    let outcome = Folder::new().run("inject");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("--filename <FILE|DIR|->"), "{}", outcome.stderr);
}

#[test]
fn a_version_that_is_none_is_told() {
    let outcome = inject("--kubernetes-version latest", "");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("expected the form v1.29.3"), "{}", outcome.stderr);
    let outcome = inject("--now soon", "");
    assert!(outcome.stderr.contains("expected a day such as 2027-06-30"), "{}", outcome.stderr);
}

/// Under a limit of memory, so that one that does read it all harms nobody: 2 GB of address space.
#[test]
fn what_never_ends_is_not_read_to_its_end() {
    for words in [
        "inject -f /dev/zero",
        "inject -f -",
        "explain -f /dev/zero",
        "scan -f /dev/zero",
        "scan -f /dev/null --baseline /dev/zero",
        "check /dev/zero",
        "inject -f - --policies /dev/zero",
        "serve --no-cluster --policies /dev/zero --local",
        "serve --no-cluster --tls-cert /dev/zero --tls-key /dev/zero",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let stdin = File::open(if words.contains("--policies") { "/dev/null" } else { "/dev/zero" }).unwrap();
        let output = Command::new("sh")
            .args(["-c", "ulimit -v 2000000 && exec \"$@\"", "sh"])
            .arg(cargo_bin!("podwright"))
            .args(words.split(' '))
            .current_dir(folder.path())
            .stdin(stdin)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {said}");
        assert!(said.contains("expected at most "), "{words}: {said}");
        assert!(output.stdout.is_empty(), "{words}");
    }
}
