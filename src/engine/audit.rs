//! What goes into the cluster's own audit log with a decision.
//!
//! The API server puts the webhook's name and a slash before each key; what follows has to be a qualified name.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use super::{Decision, told};
use crate::mutators::Mutation;
use crate::validators::Violation;

/// What was found and what is made of the Pod; nothing of a decision that did neither.
pub(super) fn annotations(decision: &Decision, generation: &str) -> BTreeMap<String, String> {
    let mutations = told::joined(decision.made().iter().map(Made));
    let violations = told::joined(decision.violations.iter().map(Verdict));
    let mut annotations = BTreeMap::new();
    for (key, text) in [("mutations", mutations), ("violations", violations)] {
        if !text.is_empty() {
            annotations.insert(key.to_owned(), text);
        }
    }
    if !annotations.is_empty() {
        annotations.insert("generation".to_owned(), generation.to_owned());
    }
    annotations
}

/// A mutation, and what the Pod has of it.
struct Made<'a>(&'a Mutation);

impl Display for Made<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = serde_json::to_string(&self.0.facts).map_err(|_| fmt::Error)?;
        write!(out, "{}/{} {facts}", self.0.kind, self.0.policy)
    }
}

/// A violation, and what comes of it.
struct Verdict<'a>(&'a Violation);

impl Display for Verdict<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.exemption {
            None => write!(out, "{}: {}", self.0.action.as_str(), self.0),
            Some(name) => write!(out, "exempt by {name}: {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Action;
    use crate::validators::Finding;

    #[test]
    fn keys_are_qualified_names_and_values_are_bounded() {
        let finding = Finding { path: "spec".to_owned(), message: "\u{1}".repeat(1 << 20), brief: None };
        let violation = Violation {
            kind: "HostPath",
            policy: "host-path".to_owned(),
            action: Action::Warn,
            finding,
            exemption: None,
            expired: Vec::new(),
        };
        let decision = Decision { violations: vec![violation], ..Decision::default() };
        let annotations = annotations(&decision, "abc");
        assert_eq!(annotations.keys().collect::<Vec<_>>(), ["generation", "violations"]);
        for (key, value) in annotations {
            let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(key.len() <= 63 && key.starts_with(char::is_alphabetic) && key.chars().all(is_word));
            assert!(value.len() <= 16 * 1024, "{key}: {}", value.len());
        }
    }
}
