//! Where the library stands: its directory in the containers, and its files by C library.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

use crate::pod::AbsolutePath;

/// The C library of a container's image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Libc {
    /// Debian's, Red Hat's and nearly everyone else's.
    #[default]
    Glibc,
    /// Alpine's.
    Musl,
}

impl Libc {
    /// Every C library.
    pub(super) const ALL: [Self; 2] = [Self::Glibc, Self::Musl];

    /// Its name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }
}

/// The files for one C library, below `mountPath`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Library {
    /// The library for one thread.
    single: File,
    /// The library for several threads.
    threads: File,
}

impl Library {
    /// The library, and the one for several threads, in a directory.
    fn within(directory: &str) -> Self {
        let file = |name: &str| File(format!("{directory}/{name}"));
        Self { single: file("libfaketime.so.1"), threads: file("libfaketimeMT.so.1") }
    }

    /// The path to preload.
    pub(super) fn path(&self, directory: &Directory, threads: bool) -> String {
        let file = if threads { &self.threads } else { &self.single };
        format!("{}/{}", directory.as_str(), file.0)
    }
}

/// Where the files stand if the policy does not say.
pub(super) fn usual() -> BTreeMap<Libc, Library> {
    Libc::ALL.into_iter().map(|libc| (libc, Library::within(libc.as_str()))).collect()
}

/// Where the library appears in the containers.
#[derive(Debug)]
pub(super) struct Directory(AbsolutePath);

impl Default for Directory {
    fn default() -> Self {
        Self(AbsolutePath::of(["opt", "podwright", "faketime"]))
    }
}

impl Directory {
    /// The path as text.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The path.
    pub(super) fn path(&self) -> &AbsolutePath {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Directory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let path: AbsolutePath = text.parse().map_err(de::Error::custom)?;
        if path.depth() < 2 {
            return Err(de::Error::custom(format!(
                "{text:?} would hide a directory of the system; expected one of its own, such as /opt/faketime"
            )));
        }
        loadable(path.as_str()).map_err(de::Error::custom)?;
        Ok(Self(path))
    }
}

impl JsonSchema for Directory {
    fn schema_name() -> Cow<'static, str> {
        "Directory".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^/[A-Za-z0-9._-]+/[A-Za-z0-9._/-]+$" })
    }
}

/// A file below a directory.
#[derive(Debug, Clone)]
struct File(String);

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_below = !text.is_empty() && text.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_below {
            return Err(de::Error::custom(format!(
                "{text:?} is no path below mountPath; expected one such as glibc/libfaketime.so.1"
            )));
        }
        loadable(&text).map_err(de::Error::custom)?;
        Ok(Self(text))
    }
}

impl JsonSchema for File {
    fn schema_name() -> Cow<'static, str> {
        "LibraryFile".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9._-][A-Za-z0-9._/-]*$" })
    }
}

/// `LD_PRELOAD` has no escapes: a space or a colon ends a path, a `$` begins a token of the dynamic linker's.
fn loadable(path: &str) -> Result<(), String> {
    let odd = path.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-/".contains(*c));
    odd.map_or(Ok(()), |c| {
        Err(format!("{path:?} has {c:?}, which LD_PRELOAD cannot hold; expected letters, digits and . _ - /"))
    })
}
