//! How bad a violation is, whatever its policy does about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a violation is. The words are those of `PolicyReport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It spares nothing but itself: a Pod that does not get what it asks for, or that cannot tell whether it is well.
    Low,
    /// It takes something of the node that others need.
    Medium,
    /// It reaches what belongs to the node or to others.
    High,
    /// It is as good as root on the node.
    Critical,
}

impl Severity {
    /// The severity of what a validator of this kind finds. A kind that is not listed is in the middle.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        listed(kind).unwrap_or(Self::Medium)
    }

    /// Its place among the others, the mildest first.
    #[must_use]
    pub const fn rank(self) -> u8 {
        self as u8
    }

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

fn listed(kind: &str) -> Option<Severity> {
    Some(match kind {
        "HostNamespaces" => Severity::Critical,
        "HostPath" | "CalicoAddresses" => Severity::High,
        "HostPort" => Severity::Medium,
        "Probes" | super::report::ANNOTATIONS => Severity::Low,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validators::VALIDATORS;

    #[test]
    fn every_validator_is_listed() {
        for kind in VALIDATORS {
            assert!(listed(kind.name).is_some(), "{} has no severity", kind.name);
        }
    }
}
