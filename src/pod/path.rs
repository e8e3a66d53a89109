//! Absolute paths, compared by whole segments after normalisation.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

/// An absolute path without `//`, `/./`, a trailing `/` or `..`; the root is `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsolutePath(String);

/// A text that is no absolute path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("{0:?} is relative: expected an absolute path, such as {absolute:?}", absolute = format!("/{}", .0.trim_start_matches("./")))]
    Relative(String),
    /// It has a segment `..`.
    #[error("{0:?} has a segment \"..\": expected a path that says where it leads")]
    Backstep(String),
    /// It has a character that no path should have.
    #[error("{0:?} has a control character")]
    Control(String),
}

impl AbsolutePath {
    /// The path of these segments, each of them a plain name.
    #[must_use]
    pub fn of<const DEPTH: usize>(segments: [&str; DEPTH]) -> Self {
        Self(format!("/{}", segments.join("/")))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the other path is this one or lies below it: `/var/log` is above `/var/log/app`, not above
    /// `/var/log-evil`.
    #[must_use]
    pub fn is_at_or_above(&self, other: &Self) -> bool {
        other.below(self).is_some()
    }

    /// What leads from an upper path to this one, without a leading `/`; `None` where that is no upper path.
    #[must_use]
    pub fn below(&self, upper: &Self) -> Option<&str> {
        if upper.0 == "/" {
            return self.0.strip_prefix('/');
        }
        match self.0.strip_prefix(&upper.0)? {
            "" => Some(""),
            rest => rest.strip_prefix('/'),
        }
    }

    /// The path one segment up; the root has none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (upper, last) = self.0.rsplit_once('/')?;
        match (upper, last) {
            (_, "") => None,
            ("", _) => Some(Self("/".to_owned())),
            _ => Some(Self(upper.to_owned())),
        }
    }

    /// How many segments it has; the root has none.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.split('/').filter(|segment| !segment.is_empty()).count()
    }
}

impl FromStr for AbsolutePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with('/') {
            return Err(PathError::Relative(text.to_owned()));
        }
        if is_normal(text) {
            return Ok(Self(text.to_owned()));
        }
        if text.contains(char::is_control) {
            return Err(PathError::Control(text.to_owned()));
        }
        let mut path = String::with_capacity(text.len());
        for segment in text.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
            if segment == ".." {
                return Err(PathError::Backstep(text.to_owned()));
            }
            path.push('/');
            path.push_str(segment);
        }
        Ok(Self(if path.is_empty() { "/".to_owned() } else { path }))
    }
}

/// Whether nothing about a text has to be changed or refused, as far as a glance at neighbouring bytes tells.
fn is_normal(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_odd = |pair: &[u8; 2]| matches!(pair, [b'/', b'/' | b'.']);
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && !bytes.array_windows().any(is_odd)
        && !text.ends_with('/')
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AbsolutePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for AbsolutePath {
    fn schema_name() -> Cow<'static, str> {
        "AbsolutePath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^/" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> AbsolutePath {
        text.parse().unwrap()
    }

    #[test]
    fn spellings_of_one_path_are_one() {
        for text in ["/var/log", "//var//log", "/var/./log/", "/var/log/."] {
            assert_eq!(path(text).as_str(), "/var/log", "{text}");
        }
        assert_eq!(path("//./").as_str(), "/");
    }

    proptest! {
        #[test]
        fn what_a_glance_leaves_as_it_is_needs_no_change(text in "/[/.a \u{e9}\u{7f}\u{85}]{0,8}") {
            let segments = || text.split('/').filter(|segment| !matches!(*segment, "" | "."));
            let is_sound = !text.contains(char::is_control) && segments().all(|segment| segment != "..");
            let written: String = segments().flat_map(|segment| ["/", segment]).collect();
            let written = if written.is_empty() { "/".to_owned() } else { written };
            prop_assert_eq!(text.parse::<AbsolutePath>().ok(), is_sound.then_some(AbsolutePath(written)));
        }
    }

    #[test]
    fn whole_segments_count() {
        for (upper, lower, below) in [
            ("/var/log", "/var/log/app", Some("app")),
            ("/var/log", "/var/log", Some("")),
            ("/var/log", "/var/log-evil", None),
            ("/", "/var", Some("var")),
            ("/", "/", Some("")),
            ("/var/log/app", "/var/log", None),
        ] {
            assert_eq!(path(lower).below(&path(upper)), below, "{upper} {lower}");
        }
    }

    #[test]
    fn what_is_no_absolute_path_is_refused() {
        for text in ["", "app", "./app", "../etc", "/var/../etc", "/a/..", "/a\nb"] {
            assert!(text.parse::<AbsolutePath>().is_err(), "{text}");
        }
    }
}
