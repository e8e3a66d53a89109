//! Runs the binary in a folder of its own, and reads what comes out.

use std::fs;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use podwright::yaml;
use serde_json::Value;
use tempfile::TempDir;

/// An annotation that only Podwright may write: inject removes one that nobody but its author wrote. So it makes a
/// change in any Pod, whatever the mutators do.
pub(crate) const FORGED: &str = "podwright.dev/status: forged";

/// A folder with manifests and policies, and the binary run in it.
pub(crate) struct Folder(TempDir);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// With one file.
    pub(crate) fn with(name: &str, text: impl AsRef<[u8]>) -> Self {
        Self::new().and(name, text)
    }

    /// And another.
    pub(crate) fn and(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs `podwright` with these words.
    pub(crate) fn run(&self, words: &str) -> Outcome {
        self.run_with_stdin(words, "")
    }

    pub(crate) fn run_with_stdin(&self, words: &str, stdin: &str) -> Outcome {
        let mut command = cargo_bin_cmd!("podwright");
        command.args(words.split_whitespace()).current_dir(self.path()).write_stdin(stdin);
        // Of the surroundings only what the test gives.
        for variable in ["CLICOLOR_FORCE", "CLICOLOR", "NO_COLOR", "COLUMNS"] {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Outcome {
    /// Holds that all is well and nothing was said, and gives stdout.
    #[track_caller]
    pub(crate) fn quiet(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self.stdout
    }

    /// Code, stdout and stderr as one text, for snapshots.
    pub(crate) fn transcript(&self) -> String {
        let code = self.code.map_or("none".to_owned(), |code| code.to_string());
        format!("exit code: {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }
}

/// Injects one manifest that comes on stdin.
pub(crate) fn inject(words: &str, manifest: &str) -> Outcome {
    Folder::new().run_with_stdin(&format!("inject -f - {words}"), manifest)
}

/// What every document of a stream says.
pub(crate) fn values(stream: &str) -> Vec<Value> {
    yaml::documents(stream).into_iter().map(|document| yaml::read(document).unwrap()).collect()
}

/// The one document of a stream.
pub(crate) fn value(stream: &str) -> Value {
    let values = values(stream);
    assert_eq!(values.len(), 1, "{stream}");
    values.into_iter().next().unwrap()
}

/// A document without the annotations that are Podwright's own, wherever they stand.
pub(crate) fn without_own(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|key, _| !key.starts_with("podwright.dev/"));
                fields.values_mut().for_each(strip);
            }
            Value::Array(entries) => entries.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}
