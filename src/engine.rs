//! `decide`: one review in, one decision out. Pure: no I/O, no clock but the one passed in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use json_patch::PatchOperation;

use crate::mutators::Mutation;
use crate::policy_set::PolicySet;
use crate::review::Request;
use crate::validators::Violation;
use crate::view::View;

/// Which of the two webhooks asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/mutate`: the Pod as its author wrote it; it may be changed.
    Mutate,
    /// `/validate`: the Pod as it will be kept; it is only judged.
    Validate,
}

/// One review and when it was asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Which webhook asks.
    pub endpoint: Endpoint,
    /// The review's request.
    pub request: &'a Request<'a>,
    /// The time that exemptions are held against.
    pub now: Timestamp,
}

/// The outcome for one review.
#[derive(Debug, Default)]
pub struct Decision {
    /// The refusal, if it is one.
    pub refusal: Option<Refusal>,
    /// The patch; empty where nothing changes.
    pub operations: Vec<PatchOperation>,
    /// Sentences that `kubectl` prints.
    pub warnings: Vec<String>,
    /// What goes into the cluster's own audit log.
    pub audit_annotations: BTreeMap<String, String>,
    /// What the validators found, whatever their action.
    pub violations: Vec<Violation>,
    /// What the mutators did.
    pub mutations: Vec<Mutation>,
    /// Our own bug, if the result did not verify: the edits were dropped.
    pub fault: Option<String>,
}

/// Why the object is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status that goes with it: 403 for a rule, 400 for a review that makes no sense, 422 for an
    /// annotation that does not read, 500 for our own bug.
    pub code: u16,
    /// What is wrong, and what to change.
    pub message: String,
}

/// Decides one review.
#[must_use]
pub fn decide(_policies: &PolicySet, _view: &View, _question: &Question<'_>) -> Decision {
    Decision::default()
}
