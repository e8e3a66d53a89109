//! The outcome for one review, and how what was found becomes it.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{audit, told};
use crate::mutators::{FailurePolicy, Mutation, Rejection};
use crate::pod::{Draft, Excess, Operation, Workload};
use crate::policy::Action;
use crate::validators::Violation;
use crate::view::SetName;

/// The outcome for one review.
#[derive(Debug, Default)]
pub struct Decision {
    /// The refusal, if it is one.
    pub refusal: Option<Refusal>,
    /// The patch; empty where nothing changes. Not to be used with a refusal.
    pub operations: Vec<Operation>,
    /// Sentences that `kubectl` prints.
    pub warnings: Vec<String>,
    /// What goes into the cluster's own audit log.
    pub audit_annotations: BTreeMap<String, String>,
    /// What the validators found, whatever their action.
    pub violations: Vec<Violation>,
    /// What the Pod asks for and cannot be given.
    pub rejections: Vec<Rejection>,
    /// What the mutators worked out; what of it is done says [`Decision::made`].
    pub mutations: Vec<Mutation>,
    /// Our own bug, if the result did not verify: the edits were dropped.
    pub fault: Option<String>,
    /// The workload that the Pod belongs to, or that is itself under review; `None` where that was not looked at.
    pub workload: Option<Workload>,
    /// The policies that it was decided by; empty where nothing was done or found.
    pub generation: String,
}

/// Why the object is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status that goes with it: 403 for a rule, 400 for a review that makes no sense, 422 for an
    /// annotation that does not read, 503 for what is to be tried again, 500 for our own bug.
    pub code: u16,
    /// What is wrong, and what to change.
    pub message: String,
}

impl Decision {
    /// Whether it did or found something.
    #[must_use]
    pub fn is_notable(&self) -> bool {
        self.refusal.is_some()
            || self.fault.is_some()
            || !self.operations.is_empty()
            || !self.violations.is_empty()
            || !self.warnings.is_empty()
    }

    /// The mutations that are made: none of a Pod that is refused, of one that has them already, or of the template of
    /// a workload.
    #[must_use]
    pub fn made(&self) -> &[Mutation] {
        if self.refusal.is_none() && !self.operations.is_empty() { &self.mutations } else { &[] }
    }

    /// The StatefulSet that has to be known to decide otherwise.
    #[must_use]
    pub fn lack(&self) -> Option<&SetName> {
        self.rejections.iter().find_map(|rejection| rejection.lack.as_ref())
    }

    pub(super) fn nonsense(message: &str) -> Self {
        let refusal = Refusal { code: 400, message: format!("podwright: {message}") };
        Self { refusal: Some(refusal), ..Self::default() }
    }

    /// Refuses a Pod that holds too much to be decided on.
    pub(super) fn beyond(excess: &Excess) -> Self {
        let message = format!("{excess}; Podwright decides on no larger one");
        Self { rejections: vec![Rejection::new(excess.place, message)], ..Self::default() }
    }

    /// Takes over a draft's operations, if they verify.
    pub(super) fn take(&mut self, draft: Draft<'_>, failure_policy: FailurePolicy) {
        match draft.finish() {
            Ok(edited) => self.operations = edited.operations,
            Err(fault) => {
                self.mutations.clear();
                self.fault = Some(fault.to_string());
                let sorry = "this is a bug of Podwright, please report it";
                match failure_policy {
                    FailurePolicy::Ignore => {
                        self.warnings.push(format!("podwright left this Pod as it is; {sorry}: {fault}"));
                    }
                    FailurePolicy::Fail => {
                        self.refusal =
                            Some(Refusal { code: 500, message: format!("podwright: {sorry}: {fault}") });
                    }
                }
            }
        }
    }

    /// Turns what was found into the answer.
    pub(super) fn conclude(mut self, generation: &str) -> Self {
        let warned = self.violations.iter().filter(|violation| violation.warns());
        self.warnings.splice(0..0, warned.map(Violation::brief));
        let denied = || self.violations.iter().filter(|violation| violation.denies()).map(as_display);
        let code = match (denied().next(), self.lack()) {
            // It may be decided otherwise in a moment.
            (_, Some(_)) => 503,
            (Some(_), None) => 403,
            (None, None) => 422,
        };
        let told = told::joined(self.rejections.iter().map(as_display).chain(denied()));
        if !told.is_empty() {
            self.refusal = Some(Refusal { code, message: format!("podwright: {told}") });
        }
        self.audit_annotations = audit::annotations(&self, generation);
        self
    }
}

fn as_display<T: Display>(sentence: &T) -> &dyn Display {
    sentence
}

impl Violation {
    /// Whether the Pod is refused for it.
    #[must_use]
    pub fn denies(&self) -> bool {
        self.action == Action::Deny && self.exemption.is_none()
    }

    /// Whether the Pod's author is told of it.
    #[must_use]
    pub fn warns(&self) -> bool {
        self.action == Action::Warn && self.exemption.is_none()
    }
}
