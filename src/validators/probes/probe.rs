//! One probe of a container, with Kubernetes' defaults. Source: `pkg/apis/core/v1/defaults.go`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::target::{Handler, Question};
use crate::pod::{Container, Node};

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// Whether the container gets requests.
    Readiness,
    /// Whether it is started again.
    Liveness,
    /// Whether it has started, and the others begin.
    Startup,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Readiness, Self::Liveness, Self::Startup];

    /// The field of a container.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Readiness => "readinessProbe",
            Self::Liveness => "livenessProbe",
            Self::Startup => "startupProbe",
        }
    }

    /// What becomes of a container that has none.
    pub(super) const fn without(self) -> &'static str {
        match self {
            Self::Readiness => "it gets requests before it can answer them",
            Self::Liveness => "it is not started again when it hangs",
            Self::Startup => "it has no time of its own to start in",
        }
    }

    /// The same in a few words.
    pub(super) const fn without_briefly(self) -> &'static str {
        match self {
            Self::Readiness => "requests come too early",
            Self::Liveness => "it may hang for good",
            Self::Startup => "it has no time to start",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
            Self::Startup => "startup",
        })
    }
}

/// One probe of a container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe<'a> {
    pub(super) container: Container<'a>,
    pub(super) role: Role,
    raw: Node<'a>,
}

impl<'a> Probe<'a> {
    /// The probe that a container has for this. One that asks nothing is none: the API server refuses it.
    pub(super) fn of(container: Container<'a>, role: Role) -> Option<Self> {
        let probe = Self { container, role, raw: container.field(role.field())? };
        probe.handlers().next().is_some().then_some(probe)
    }

    /// What it asks: one thing in every Pod that the API server takes.
    pub(super) fn handlers(&self) -> impl Iterator<Item = Handler<'a>> + use<'a> {
        Handler::all(self.raw)
    }

    /// What it asks, to be held against another probe.
    pub(super) fn question(&self) -> Option<Question<'a>> {
        self.handlers().map(|handler| handler.question(&self.container)).next()
    }

    /// How long after the container's start it begins, in seconds.
    pub(super) fn initial_delay(&self) -> u64 {
        self.given("initialDelaySeconds").unwrap_or(0)
    }

    /// How often it asks, in seconds.
    pub(super) fn period(&self) -> u64 {
        self.given("periodSeconds").unwrap_or(10)
    }

    /// How long it waits for an answer, in seconds.
    pub(super) fn timeout(&self) -> u64 {
        self.given("timeoutSeconds").unwrap_or(1)
    }

    /// How many answers in a row make it succeed.
    pub(super) fn success_threshold(&self) -> u64 {
        self.given("successThreshold").unwrap_or(1)
    }

    /// How many failures in a row make it fail.
    pub(super) fn failure_threshold(&self) -> u64 {
        self.given("failureThreshold").unwrap_or(3)
    }

    /// How long its failures must last until it fails, in seconds.
    pub(super) fn patience(&self) -> u64 {
        self.period().saturating_mul(self.failure_threshold())
    }

    /// A number that it says; zero says none.
    pub(super) fn given(&self, field: &str) -> Option<u64> {
        self.raw.get(field).and_then(Node::as_u64).filter(|number| *number != 0)
    }
}

/// Its field path: `spec.containers[1].livenessProbe`.
impl fmt::Display for Probe<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.container, self.role.field())
    }
}
