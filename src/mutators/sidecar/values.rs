//! The other values of a policy: keys and values of labels and annotations, and names of hosts.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

use crate::mutators::annotations::ROOT;

/// The key of a label or annotation: `example.com/task`. Source:
/// `k8s.io/apimachinery/pkg/util/validation/validation.go`, `IsQualifiedName`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(String);

/// The value of a label: at most 63 letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelValue(String);

/// A name that resolves to an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Hostname(String);

/// Names that resolve to an address, by the Pod's `/etc/hosts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostAlias {
    /// The address.
    pub(super) ip: IpAddr,
    /// Its names.
    pub(super) hostnames: Vec<Hostname>,
}

impl Key {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl LabelValue {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Hostname {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        let (prefix, name) = match key.split_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, key.as_str()),
        };
        if prefix.is_some_and(is_ours) {
            return Err(de::Error::custom(format!(
                "{key:?} is under {ROOT}, where app teams and Podwright itself write; take a domain of yours"
            )));
        }
        if is_word(name) && prefix.is_none_or(is_domain) {
            return Ok(Self(key));
        }
        Err(de::Error::custom(format!(
            "bad key {key:?}: expected a name of at most 63 letters, digits, '-', '_' and '.', behind a domain if \
             any, such as example.com/task"
        )))
    }
}

impl<'de> Deserialize<'de> for LabelValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = String::deserialize(deserializer)?;
        if value.is_empty() || is_word(&value) {
            return Ok(Self(value));
        }
        Err(de::Error::custom(format!(
            "bad value of a label {value:?}: expected at most 63 letters, digits, '-', '_' and '.'"
        )))
    }
}

impl<'de> Deserialize<'de> for Hostname {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if is_domain(&name) {
            return Ok(Self(name));
        }
        Err(de::Error::custom(format!(
            "bad name of a host {name:?}: expected lower-case letters, digits, '-' and '.', such as db.example.com"
        )))
    }
}

/// Whether a key's domain is our root or below it.
fn is_ours(domain: &str) -> bool {
    domain.strip_suffix(ROOT).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn is_word(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && edge(text.bytes().next())
        && edge(text.bytes().last())
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

impl JsonSchema for Key {
    fn schema_name() -> Cow<'static, str> {
        "Key".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

impl JsonSchema for LabelValue {
    fn schema_name() -> Cow<'static, str> {
        "LabelValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "maxLength": 63 })
    }
}

impl JsonSchema for Hostname {
    fn schema_name() -> Cow<'static, str> {
        "Hostname".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "maxLength": 253, "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" })
    }
}
