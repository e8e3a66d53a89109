//! `Probes`: which probes containers must have, and what those that they have may be like.
//!
//! Required are probes only of what runs on: app containers, and native sidecars by choice; never of init and
//! ephemeral containers, nor of Pods that run to an end. What is wrong with a probe is told wherever it stands.

mod probe;
mod target;
mod times;

use schemars::JsonSchema;
use serde::Deserialize;

use self::probe::{Probe, Role};
use self::target::{Declared, Tolerated};
use self::times::Limits;
use super::{Finding, Rules, Spec, Validator};
use crate::pod::{Container, Group, Node};
use crate::policy::{Action, Exemption, Match, Subject};

/// The spec of a `Probes` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Probes {
    /// The Pods that it is about; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What is done about a violation.
    #[serde(default)]
    action: Action,
    /// Whether a workload is refused, and not only its Pods, when its Pod template violates the policy.
    #[serde(default)]
    deny_templates: bool,
    /// The probes that every app container of a Pod that runs on must have.
    #[serde(default)]
    required: Vec<Role>,
    /// Whether native sidecars must have them too.
    #[serde(default)]
    native_sidecars: bool,
    /// What probes may be like, although it mostly is a mistake.
    #[serde(default)]
    allowed: Vec<Tolerated>,
    /// Bounds of the fields of probes.
    #[serde(default)]
    limits: Limits,
    /// The longest that probes may let a container take until it is ready.
    max_seconds_to_ready: Option<u64>,
    /// Exceptions.
    #[serde(default)]
    exemptions: Vec<Exemption>,
}

impl Spec for Probes {
    const KIND: &'static str = "Probes";

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.matching),
            action: self.action,
            deny_templates: self.deny_templates,
            exemptions: std::mem::take(&mut self.exemptions),
        }
    }
}

impl Validator for Probes {
    fn validate(&self, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
        let runs_on = runs_on(subject);
        let declared = Declared::by(subject.pod);
        for container in subject.pod.containers() {
            let probes = Probe::all(container);
            let mut missing = self.missing(&container, &probes).peekable();
            // Its author cannot add probes to a container of ours.
            if runs_on
                && self.is_held(&container)
                && missing.peek().is_some()
                && !subject.is_own_container(&container)
            {
                findings.extend(missing);
            }
            for probe in probes.iter().flatten() {
                self.judge(probe, &declared, findings);
            }
            self.judge_container(&container, &probes, findings);
        }
    }
}

impl Probes {
    /// Whether a container of a Pod that runs on must have the probes that are required.
    fn is_held(&self, container: &Container<'_>) -> bool {
        container.group == Group::App || self.native_sidecars && container.is_native_sidecar()
    }

    fn missing(
        &self,
        container: &Container<'_>,
        probes: &[Option<Probe<'_>>; 3],
    ) -> impl Iterator<Item = Finding> {
        let missing = Role::ALL
            .into_iter()
            .zip(probes)
            .filter(|(role, probe)| probe.is_none() && self.required.contains(role));
        missing.map(move |(role, _)| {
            let (name, loss) = (container.name(), role.without());
            let message = format!("container {name:?} has no {role} probe, so {loss}; add one");
            let brief = Some(format!("missing, so {}; add one", role.without_briefly()));
            Finding { path: format!("{container}.{}", role.field()), message, brief }
        })
    }

    /// Tells what is wrong with one probe in a Pod whose containers declare these ports.
    fn judge(&self, probe: &Probe<'_>, declared: &Declared<'_>, findings: &mut Vec<Finding>) {
        for handler in probe.handlers() {
            findings.extend(handler.exec_finding(probe, &self.allowed));
            findings.extend(handler.host_finding(probe, &self.allowed));
            findings.extend(handler.port_finding(probe, declared, &self.allowed));
        }
        findings.extend(times::timeout_finding(probe, &self.allowed));
        findings.extend(self.limits.findings(probe));
    }

    /// What is wrong with a container's probes together, and with its hooks.
    fn judge_container(
        &self,
        container: &Container<'_>,
        probes: &[Option<Probe<'_>>; 3],
        findings: &mut Vec<Finding>,
    ) {
        let [readiness, liveness, startup] = probes.each_ref().map(Option::as_ref);
        if let (Some(liveness), Some(readiness)) = (liveness, readiness) {
            findings.extend(times::same_finding(liveness, readiness, &self.allowed));
        }
        if let Some(most) = self.max_seconds_to_ready {
            findings.extend(times::ready_finding(readiness, startup, most));
        }
        for (hook, handler) in target::hooks(container) {
            let at = format_args!("{container}.lifecycle.{hook}");
            findings.extend(handler.host_finding(&at, &self.allowed));
        }
    }
}

/// Whether a Pod does not run to an end. The API server writes a restart policy into every Pod: one that claims to
/// belong to a Job and is always started again runs on.
fn runs_on(subject: &Subject<'_>) -> bool {
    match subject.pod.spec("restartPolicy").and_then(Node::as_str) {
        Some("Always") => true,
        _ => !subject.workload.runs_to_completion(subject.pod),
    }
}
