//! From files to a policy set: strict, and with every error located.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use super::PolicySet;
use crate::input::watch::Fingerprint;
use crate::mutators::{self, MUTATORS};
use crate::policy::{API_VERSION, Header, nearest};
use crate::validators::{self, VALIDATORS};
use crate::{input, yaml};

/// The most that one file of policies may have.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// Why a policy set did not load: every error, not the first alone.
#[derive(Debug, thiserror::Error)]
pub struct LoadErrors(pub Vec<LoadError>);

impl fmt::Display for LoadErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        write!(out, "loading policies: {}", lines.join("\n"))
    }
}

/// One thing that keeps a policy set from loading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A file or folder could not be read.
    #[error("{path}: {reason}", path = path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A document is wrong.
    #[error("{file}:{line}:{column}: {message}")]
    Wrong {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: u64,
        /// What is wrong, and what would be right.
        message: String,
    },
}

/// What policy files held when they were read, or why they could not be.
#[derive(Debug)]
pub struct Texts(Result<Vec<(String, String)>, LoadErrors>);

impl Texts {
    /// Reads these files, and of a folder its `*.yaml` and `*.yml`, not those below it.
    #[must_use]
    pub fn read(paths: &[PathBuf]) -> Self {
        let (mut texts, mut errors) = (Vec::new(), Vec::new());
        for path in paths {
            match policy_files(path) {
                Ok(files) => {
                    for file in files {
                        match input::read_text(&file, MOST_BYTES) {
                            Ok(text) => texts.push((file.display().to_string(), text)),
                            Err(error) => {
                                errors.push(LoadError::Unreadable { path: file, reason: error.to_string() });
                            }
                        }
                    }
                }
                Err(reason) => errors.push(LoadError::Unreadable { path: path.clone(), reason }),
            }
        }
        Self(if errors.is_empty() { Ok(texts) } else { Err(LoadErrors(errors)) })
    }

    /// What tells them from others: the names of the files and all that they hold.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        match &self.0 {
            Ok(texts) => Fingerprint::of(texts.iter().flat_map(|(file, text)| [file, text])),
            Err(errors) => Fingerprint::of([errors.to_string()]),
        }
    }

    /// Compiles every document of them.
    ///
    /// # Errors
    /// When a file could not be read, holds no policy, or a policy in it is wrong; every error names file, line and
    /// column.
    pub fn compile(self) -> Result<PolicySet, LoadErrors> {
        texts(self.0?)
    }
}

fn policy_files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let is_policy = |file: &PathBuf| {
        let hidden = file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let yaml = file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        // A link that leads nowhere is one: without it a rule would be gone, and nobody told.
        !hidden && yaml && fs::metadata(file).map_or(true, |file| file.is_file())
    };
    let entries = fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    let mut files = entries.map_err(|error| error.to_string())?;
    files.retain(is_policy);
    files.sort();
    if files.is_empty() {
        return Err("expected policy files (*.yaml) in this folder, found none".to_owned());
    }
    Ok(files)
}

/// Compiles every document of these texts.
pub(super) fn texts(texts: impl IntoIterator<Item = (String, String)>) -> Result<PolicySet, LoadErrors> {
    let mut loader = Loader::default();
    for (file, text) in texts {
        let documents = yaml::documents(&text);
        if documents.is_empty() {
            loader.wrong(&file, 1, 1, "expected a policy, found an empty file".to_owned());
        }
        for document in documents {
            loader.document(&file, document);
        }
    }
    loader.finish()
}

#[derive(Default)]
struct Loader {
    mutators: Vec<mutators::Policy>,
    validators: Vec<validators::Policy>,
    errors: Vec<LoadError>,
    // Where each kind and name was first seen.
    places: HashMap<(&'static str, String), String>,
    contents: Vec<String>,
}

impl Loader {
    fn document(&mut self, file: &str, document: yaml::Document<'_>) {
        let before = self.errors.len();
        if let Err(error) = self.compile(file, document) {
            let message = explain(&error);
            self.wrong(file, error.line, error.column, message);
        }
        if self.errors.len() == before {
            self.contents.push(document.text.to_owned());
        }
    }

    fn compile(&mut self, file: &str, document: yaml::Document<'_>) -> Result<(), yaml::Error> {
        let header: Header = yaml::read(document)?;
        let line = document.lines_before as u64 + 1;
        if header.api_version != API_VERSION {
            let message = format!("apiVersion {:?} is not known; expected {API_VERSION}", header.api_version);
            self.wrong(file, line, 1, message);
        } else if let Some(kind) = MUTATORS.iter().find(|kind| kind.name == header.kind) {
            let policy = (kind.load)(document)?;
            if self.is_new(file, line, kind.name, &policy.name) {
                self.mutators.push(policy);
            }
        } else if let Some(kind) = VALIDATORS.iter().find(|kind| kind.name == header.kind) {
            let policy = (kind.load)(document)?;
            if self.is_new(file, line, kind.name, &policy.name) {
                self.validators.push(policy);
            }
        } else {
            self.wrong(file, line, 1, unknown_kind(&header.kind));
        }
        Ok(())
    }

    fn is_new(&mut self, file: &str, line: u64, kind: &'static str, name: &str) -> bool {
        let place = format!("{file}:{line}");
        match self.places.insert((kind, name.to_owned()), place) {
            None => true,
            Some(first) => {
                let message = format!(
                    "a {kind} policy named {name:?} stands at {first} already; give each its own name"
                );
                self.wrong(file, line, 1, message);
                false
            }
        }
    }

    fn wrong(&mut self, file: &str, line: u64, column: u64, message: String) {
        self.errors.push(LoadError::Wrong { file: file.to_owned(), line, column, message });
    }

    fn finish(mut self) -> Result<PolicySet, LoadErrors> {
        if !self.errors.is_empty() {
            return Err(LoadErrors(self.errors));
        }
        let place = |name: &str| MUTATORS.iter().position(|kind| kind.name == name);
        self.mutators.sort_by(|a, b| (place(a.kind), &a.name).cmp(&(place(b.kind), &b.name)));
        self.validators.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        Ok(PolicySet {
            generation: generation(self.contents),
            own: self.mutators.iter().filter_map(mutators::Policy::own).collect(),
            mutators: self.mutators,
            validators: self.validators,
        })
    }
}

/// The same for the same policies, in whatever files and order they stand.
fn generation(mut contents: Vec<String>) -> String {
    contents.sort();
    Fingerprint::of(contents).short()
}

fn unknown_kind(kind: &str) -> String {
    let kinds = || MUTATORS.iter().map(|kind| kind.name).chain(VALIDATORS.iter().map(|kind| kind.name));
    match nearest(kind, kinds()) {
        Some(near) => format!("kind {kind:?} is not known; did you mean {near}?"),
        None => {
            format!("kind {kind:?} is not known; expected one of {}", kinds().collect::<Vec<_>>().join(", "))
        }
    }
}

/// An error with what would be right.
fn explain(error: &yaml::Error) -> String {
    match &error.unknown {
        None => error.message.clone(),
        Some((found, known)) => match nearest(found, known.iter().copied()) {
            Some(near) => format!("{found:?} is not known here; did you mean {near:?}?"),
            None => format!("{found:?} is not known here; expected one of {}", known.join(", ")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: podwright.dev/v1alpha1\nkind: HostPath\nmetadata: {name: a}\n";

    fn load(text: &str) -> Result<PolicySet, String> {
        texts([("a.yaml".to_owned(), text.to_owned())])
            .map_err(|errors| errors.0.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_shipped_policies_load() {
        let set = PolicySet::embedded().unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(set.mutators().len() + set.validators().len(), super::super::EMBEDDED.len());
    }

    #[test]
    fn errors_name_place_and_remedy() {
        let cases = [
            ("spec: {alowed: []}", "a.yaml:4:8: \"alowed\" is not known here; did you mean \"allowed\"?"),
            ("spec: {action: denny}", "a.yaml:4:16: \"denny\" is not known here; did you mean \"deny\"?"),
            (
                "spec:\n  allowed:\n    - pathPrefix: var",
                "a.yaml:6:19: \"var\" is relative: expected an absolute path, such as \"/var\"",
            ),
            (
                "spec: {match: {ownerKinds: [Deploymnet]}}",
                "a.yaml:4:29: unknown kind of owner \"Deploymnet\": did you mean \"Deployment\"?",
            ),
        ];
        for (spec, expected) in cases {
            let error = load(&format!("{HEAD}{spec}")).unwrap_err();
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn bad_dates_kinds_versions_and_doubles_are_refused() {
        let exempt =
            "spec:\n  exemptions:\n    - {name: a, match: {}, reason: r, owner: o, expires: 2027-02-30}";
        let twice = format!("{HEAD}spec: {{}}\n---\n{HEAD}spec: {{}}");
        for (text, part) in [
            (format!("{HEAD}{exempt}"), "a.yaml:6:"),
            (twice, "a.yaml:5:1: a HostPath policy named \"a\" stands at a.yaml:1 already"),
            (HEAD.replace("HostPath", "HostPaths"), "did you mean HostPath?"),
            (HEAD.replace("v1alpha1", "v1"), "apiVersion \"podwright.dev/v1\" is not known"),
            (HEAD.replace("{name: a}", "{name: A_b}"), "a.yaml:3:"),
            (HEAD.to_owned(), "missing field `spec`"),
            ("# nothing".to_owned(), "found an empty file"),
        ] {
            let error = load(&text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_generation_names_the_content() {
        let (one, other) = (
            format!("{HEAD}spec: {{}}\n"),
            format!("{HEAD}spec: {{action: warn}}\n").replace("name: a", "name: b"),
        );
        let of = |parts: &[&str]| {
            let numbered = parts.iter().enumerate().map(|(n, text)| (n.to_string(), (*text).to_owned()));
            texts(numbered).unwrap().generation
        };
        assert_eq!(of(&[&one, &other]), of(&[&other, &one]));
        assert_ne!(of(&[&one]), of(&[&other]));
    }
}
