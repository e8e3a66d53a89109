//! Whether the server is ready for reviews, and why not.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::PolicyStore;

/// The reasons why the server is not ready. Without one, it is.
#[derive(Debug, Default)]
pub struct Health {
    reasons: Mutex<BTreeSet<&'static str>>,
    policies: Option<PolicyStore>,
}

impl Health {
    /// Ready, and tells by which of these policies.
    #[must_use]
    pub fn of(policies: PolicyStore) -> Self {
        Self { policies: Some(policies), ..Self::default() }
    }

    /// Is not ready from here on, for this reason too.
    pub fn block(&self, reason: &'static str) {
        self.reasons().insert(reason);
    }

    /// Is not kept from being ready by this reason any more.
    pub fn clear(&self, reason: &'static str) {
        self.reasons().remove(reason);
    }

    /// Every reason why the server is not ready; empty when it is.
    #[must_use]
    pub fn unready(&self) -> Vec<&'static str> {
        self.reasons().iter().copied().collect()
    }

    /// The generation of the policies in force, where they are known.
    #[must_use]
    pub fn generation(&self) -> Option<String> {
        self.policies.as_ref().map(|policies| policies.load().generation.clone())
    }

    fn reasons(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        // A set is whole whatever panicked beside it.
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
