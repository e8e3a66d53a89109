//! The shape of the house: imports run downwards, kinds have all of their parts, files stay readable.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heck::ToKebabCase as _;
use podwright::mutators::MUTATORS;
use podwright::policy_set::EMBEDDED;
use podwright::validators::VALIDATORS;

/// What is in `src`, each line importing only from those below it. `src/lib.rs` tells what each is for.
const ORDER: &[&str] = &[
    "main",
    "lib",
    "cli",
    "server",
    "tls",
    "audit",
    "cluster",
    "engine",
    "policy_set",
    "mutators",
    "validators",
    "policy",
    "view",
    "pod",
    "review",
    "yaml",
    "input",
    "telemetry",
];

/// The longest file that is still read as a whole.
const LONGEST: usize = 600;

#[test]
fn imports_run_downwards() {
    let mut wrong = Vec::new();
    for source in sources() {
        let own =
            position(&source.top).unwrap_or_else(|| panic!("src/{} has no place in the house", source.top));
        for (line, import) in source.imports() {
            let place = format!("{}:{line}", source.path.display());
            match position(&import) {
                Some(other) if other < own => {
                    wrong.push(format!("{place}: {} imports {import}, which is above it", source.top));
                }
                Some(_) => {}
                // A macro, or something that the root itself holds.
                None => wrong.push(format!("{place}: {import} has no place in the house")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:?}");
}

#[test]
fn every_kind_has_its_policy_in_the_binary() {
    for (_, kind) in kinds() {
        let file = format!("policies/{}.yaml", kind.to_kebab_case());
        let (_, text) = EMBEDDED
            .iter()
            .find(|(name, _)| *name == file)
            .unwrap_or_else(|| panic!("{file} is not among policy_set::EMBEDDED"));
        assert!(text.lines().any(|line| line == format!("kind: {kind}")), "{file} is of another kind");
    }
    assert_eq!(EMBEDDED.len(), kinds().count(), "a policy without a kind");
}

#[test]
fn every_kind_has_its_source_its_cases_and_its_page() {
    let missing: Vec<_> = kinds()
        .flat_map(|(family, kind)| {
            let name = kind.to_kebab_case();
            let source = format!("src/{family}/{}", name.replace('-', "_"));
            let source = if root().join(&source).is_dir() {
                format!("{source}/mod.rs")
            } else {
                format!("{source}.rs")
            };
            [source, format!("tests/cases/{name}"), format!("docs/{name}.md")]
        })
        .filter(|part| !root().join(part).exists())
        .collect();
    assert!(missing.is_empty(), "missing: {}", missing.join(", "));
}

/// `make run` names no binary, and there is one for tests too.
#[test]
fn what_is_run_is_the_webhook() {
    let metadata = ["metadata", "--no-deps", "--offline", "--format-version=1"];
    let cargo = Command::new(env!("CARGO")).args(metadata).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.unwrap().stdout).unwrap();
    assert_eq!(metadata["packages"][0]["default_run"], "podwright");
}

#[test]
fn the_test_itself_sees_what_it_should() {
    let text = "use crate::{engine::{self, Decision}, view::View};\n\
                use super::super::pod::Pod;\n\
                use super::index::Fact; // crate::cli\n\
                #[cfg(test)]\nmod tests {\n    use crate::server;\n}\n\
                fn f() { crate::yaml::read() }\n\
                #[cfg(test)]\nuse crate::tls;\n\
                pub(crate) fn g() {}\n";
    let source = Source { path: "x".into(), top: "cluster".into(), depth: 2, text: text.into() };
    let found = source.imports();
    let found: Vec<_> = found.iter().map(|(line, import)| (*line, import.as_str())).collect();
    assert_eq!(found, [(1, "engine"), (1, "view"), (2, "pod"), (8, "yaml")]);
}

/// One file of `src`.
struct Source {
    path: PathBuf,
    /// The file or folder of `src` that it belongs to.
    top: String,
    /// How many `super` lead from it to the root.
    depth: usize,
    text: String,
}

impl Source {
    /// What it imports from the root of the crate, with the line; tests may import what they like.
    fn imports(&self) -> Vec<(usize, String)> {
        let code = without_tests(&self.text);
        let mut found = Vec::new();
        for root in ["crate::".to_owned(), "super::".repeat(self.depth)] {
            for (at, _) in code.match_indices(&root) {
                if code[..at]
                    .ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
                {
                    continue;
                }
                let line = code[..at].matches('\n').count() + 1;
                found.extend(heads(&code[at + root.len()..]).into_iter().map(|head| (line, head)));
            }
        }
        found.sort();
        found
    }
}

/// The code with comments and what is under `#[cfg(test)]` blanked, its lines where they were.
fn without_tests(text: &str) -> String {
    let mut code = String::new();
    // The indentation of what is being skipped; its last line closes at the same one.
    let mut skipping: Option<usize> = None;
    for line in text.lines() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        match skipping {
            Some(from) => {
                let is_end = indent == from && (bare.starts_with('}') || bare.ends_with(';'));
                skipping = (!is_end).then_some(from);
            }
            None if bare.starts_with("#[cfg(test)]") => skipping = Some(indent),
            None => code.push_str(line.split("//").next().unwrap_or_default()),
        }
        code.push('\n');
    }
    code
}

/// The first segments of a path, or of each path of a `{…}` list.
fn heads(path: &str) -> Vec<String> {
    let segment =
        |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(list) = path.strip_prefix('{') else {
        return vec![segment(path)];
    };
    let (mut found, mut depth, mut is_start) = (Vec::new(), 0, true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_start = true,
            c if c.is_whitespace() => {}
            _ if is_start => {
                found.push(segment(&list[at..]));
                is_start = false;
            }
            _ => {}
        }
    }
    found
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut found = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let within = path.strip_prefix(&src).unwrap().with_extension("");
                let mut segments: Vec<_> =
                    within.iter().map(|name| name.to_string_lossy().into_owned()).collect();
                segments.retain(|segment| segment != "mod");
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, top: segments[0].clone(), depth: segments.len(), text });
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn position(top: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == top)
}

fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mutators = MUTATORS.iter().map(|kind| ("mutators", kind.name));
    mutators.chain(VALIDATORS.iter().map(|kind| ("validators", kind.name)))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
