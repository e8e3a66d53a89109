//! Whether the server is ready for reviews, and why not.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The reasons why the server is not ready. Without one, it is.
#[derive(Debug, Default)]
pub struct Health {
    reasons: Mutex<BTreeSet<&'static str>>,
}

impl Health {
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

    fn reasons(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        // A set is whole whatever panicked beside it.
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
