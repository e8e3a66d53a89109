//! What makes a team.

use std::fmt;
use std::str::FromStr;

use super::{Sighting, text};

/// What makes a team.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GroupBy {
    /// A namespace.
    #[default]
    Namespace,
    /// A label: of the Pod, else of the object that it stands in, else of its namespace.
    Label(String),
}

impl GroupBy {
    /// The team that a Pod belongs to; empty where it has no such label.
    pub(super) fn team(&self, sighting: &Sighting<'_>) -> String {
        let subject = sighting.subject;
        match self {
            Self::Namespace => text::name(subject.namespace),
            Self::Label(key) => {
                let of_object = || sighting.object.get("metadata")?.get("labels")?.get(key)?.as_str();
                let label = subject.pod.label(key).or_else(of_object);
                text::name(label.or_else(|| subject.namespace_label(key)).unwrap_or_default())
            }
        }
    }
}

impl FromStr for GroupBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("label=")) {
            ("namespace", _) => Ok(Self::Namespace),
            (_, Some(key)) if !key.is_empty() => Ok(Self::Label(key.to_owned())),
            _ => Err("expected namespace, or label=KEY such as label=team".to_owned()),
        }
    }
}

impl fmt::Display for GroupBy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace => out.write_str("namespace"),
            Self::Label(key) => write!(out, "label={key}"),
        }
    }
}
