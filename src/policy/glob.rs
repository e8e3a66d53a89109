//! Names with `*` and `?`.

use std::borrow::Cow;
use std::fmt;

use globset::GlobMatcher;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

/// A name, or a pattern of names: `team-*`.
#[derive(Debug, Clone)]
pub struct Glob {
    text: String,
    // Most are plain names, which need no matcher.
    matcher: Option<GlobMatcher>,
}

impl Glob {
    /// Reads a glob.
    ///
    /// # Errors
    /// When the pattern does not read; the error says where.
    pub fn new(text: &str) -> Result<Self, globset::Error> {
        let is_pattern = text.contains(['*', '?', '[', '{', '\\']);
        let matcher = if is_pattern { Some(globset::Glob::new(text)?.compile_matcher()) } else { None };
        Ok(Self { text: text.to_owned(), matcher })
    }

    /// Whether a name fits.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.as_ref().map_or(self.text == name, |matcher| matcher.is_match(name))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Glob {
    fn schema_name() -> Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "description": "A name, or a pattern with * and ?" })
    }
}
