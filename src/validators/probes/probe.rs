//! One probe of a container, with Kubernetes' defaults. Source: `pkg/apis/core/v1/defaults.go`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::target::{Handler, Handlers, Question};
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
    handlers: Handlers<'a>,
    /// How long after the container's start it begins, in seconds.
    pub(super) initial_delay: Setting,
    /// How often it asks, in seconds.
    pub(super) period: Setting,
    /// How long it waits for an answer, in seconds.
    pub(super) timeout: Setting,
    /// How many answers in a row make it succeed.
    pub(super) success_threshold: Setting,
    /// How many failures in a row make it fail.
    pub(super) failure_threshold: Setting,
}

/// A number that a probe says; zero says none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) number: u64,
    /// Whether it is Kubernetes' default.
    pub(super) is_default: bool,
}

impl Setting {
    fn default(number: u64) -> Self {
        Self { number, is_default: true }
    }

    fn take(&mut self, field: Node<'_>) {
        if let Some(number) = field.as_u64().filter(|number| *number != 0) {
            *self = Self { number, is_default: false };
        }
    }
}

impl<'a> Probe<'a> {
    /// The probes that a container has, each at the place of its role. One that asks nothing is none: the API server
    /// refuses it.
    pub(super) fn all(container: Container<'a>) -> [Option<Self>; 3] {
        let mut fields = container.node().get_each(Role::ALL.map(Role::field)).into_iter();
        Role::ALL.map(|role| Self::of(container, role, fields.next()??))
    }

    fn of(container: Container<'a>, role: Role, raw: Node<'a>) -> Option<Self> {
        let mut probe = Self {
            container,
            role,
            handlers: Handlers::default(),
            initial_delay: Setting::default(0),
            period: Setting::default(10),
            timeout: Setting::default(1),
            success_threshold: Setting::default(1),
            failure_threshold: Setting::default(3),
        };
        for (name, field) in raw.as_object()? {
            match name {
                "initialDelaySeconds" => probe.initial_delay.take(field),
                "periodSeconds" => probe.period.take(field),
                "timeoutSeconds" => probe.timeout.take(field),
                "successThreshold" => probe.success_threshold.take(field),
                "failureThreshold" => probe.failure_threshold.take(field),
                kind => Handler::take(&mut probe.handlers, kind, field),
            }
        }
        probe.handlers().next()?;
        Some(probe)
    }

    /// What it asks: one thing in every Pod that the API server takes.
    pub(super) fn handlers(&self) -> impl Iterator<Item = Handler<'a>> + use<'a> {
        self.handlers.into_iter().flatten()
    }

    /// What it asks, to be held against another probe.
    pub(super) fn question(&self) -> Option<Question<'a>> {
        self.handlers().map(|handler| handler.question(&self.container)).next()
    }

    /// How long its failures must last until it fails, in seconds.
    pub(super) fn patience(&self) -> u64 {
        self.period.number.saturating_mul(self.failure_threshold.number)
    }
}

/// Its field path: `spec.containers[1].livenessProbe`.
impl fmt::Display for Probe<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.container, self.role.field())
    }
}
