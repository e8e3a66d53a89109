//! The envelope around every policy: `apiVersion`, `kind`, `metadata`, `spec`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

/// The `apiVersion` of every policy.
pub const API_VERSION: &str = "podwright.dev/v1alpha1";

/// One policy document of one kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope<S> {
    /// Always `podwright.dev/v1alpha1`.
    pub api_version: String,
    /// The mutator or validator that it configures.
    pub kind: String,
    /// Its name, and labels for its keepers.
    pub metadata: Metadata,
    /// What the kind takes.
    pub spec: S,
}

/// What tells the kind of a document before it is read as that kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Header {
    /// The document's `apiVersion`.
    pub api_version: String,
    /// The document's `kind`.
    pub kind: String,
}

/// A policy's name, and labels and annotations for its keepers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name that messages, metrics and annotations use.
    pub name: Name,
    /// For its keepers; Podwright does not read them.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// For its keepers; Podwright does not read them.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A name as Kubernetes has them: lower-case letters, digits and `-`, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let sound = (1..=63).contains(&name.len())
            && name.bytes().all(inner)
            && !name.starts_with('-')
            && !name.ends_with('-');
        if sound {
            return Ok(Self(name));
        }
        Err(de::Error::custom(format!(
            "bad name {name:?}: expected at most 63 lower-case letters, digits and '-', such as host-path"
        )))
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" })
    }
}
