//! What answers reviews, apart from how they come in.

use std::fmt;

use futures::future::BoxFuture;

use super::{PolicyStore, ViewStore};
use crate::audit::Recorder;
use crate::cluster::events::Refused;
use crate::engine::{self, Decision, Question};
use crate::telemetry::Metrics;
use crate::view::{Answer, SetName};

/// Decides one review. It may take microseconds and block on nothing; it may panic.
pub type Decide = dyn Fn(&Question<'_>) -> Decision + Send + Sync;

/// Asks the API server for what a decision lacked. It may take its time.
pub(super) type Look = dyn Fn(SetName) -> BoxFuture<'static, Answer> + Send + Sync;

/// Tells of a Pod that was refused. It must not wait.
pub(super) type Tell = dyn Fn(Refused) + Send + Sync;

/// What answers reviews: the decision, what counts it, and what keeps a record of it.
pub struct App {
    /// The decision.
    pub(super) decide: Box<Decide>,
    /// Where to look for what a decision lacked; without it such a decision stands.
    pub(super) look: Option<Box<Look>>,
    /// Whom to tell of a Pod that was refused.
    pub(super) refused: Option<Box<Tell>>,
    /// What counts it.
    pub(super) metrics: Metrics,
    /// What keeps a record of it, if anything does.
    pub(super) recorder: Option<Recorder>,
}

impl App {
    /// Answers by these policies and this view of the cluster, as they are when the review comes in.
    #[must_use]
    pub fn new(policies: PolicyStore, views: ViewStore, metrics: Metrics) -> Self {
        Self::deciding(move |question| engine::decide(&policies.load(), &views.load(), question), metrics)
    }

    /// Answers by any decision.
    pub fn deciding<F>(decide: F, metrics: Metrics) -> Self
    where
        F: Fn(&Question<'_>) -> Decision + Send + Sync + 'static,
    {
        Self { decide: Box::new(decide), look: None, refused: None, metrics, recorder: None }
    }

    /// The same, and asks for what a decision lacked.
    #[must_use]
    pub fn looking<F>(self, look: F) -> Self
    where
        F: Fn(SetName) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    {
        Self { look: Some(Box::new(look)), ..self }
    }

    /// The same, and tells of Pods that were refused.
    #[must_use]
    pub fn telling<F: Fn(Refused) + Send + Sync + 'static>(self, tell: F) -> Self {
        Self { refused: Some(Box::new(tell)), ..self }
    }

    /// The same, and keeps a record of what it did or found.
    #[must_use]
    pub fn recording(self, recorder: Recorder) -> Self {
        Self { recorder: Some(recorder), ..self }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("App").finish_non_exhaustive()
    }
}
