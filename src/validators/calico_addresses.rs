//! `CalicoAddresses`: which addresses a Pod may give itself through Calico's annotations.
//!
//! With them a Pod can take an address that others trust, and with some of them one that another Pod has. What a
//! `FixedIP` policy gives a Pod is no violation: it is computed again, and believed only where it is the same.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Finding, Rules, Spec, Validator};
use crate::policy::{Action, Exemption, Match, Subject};
use crate::view::calico::{self, FLOATING_IPS, IP_ADDRS, IP_ADDRS_NO_IPAM};
use crate::view::{ADDRESSES, Network};

/// The spec of a `CalicoAddresses` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CalicoAddresses {
    /// The Pods that it is about; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What is done about a violation.
    #[serde(default)]
    action: Action,
    /// Whether a workload is refused, and not only its Pods, when its Pod template violates the policy.
    #[serde(default, rename = "denyTemplates")]
    deny_templates: bool,
    /// The networks whose addresses a Pod may give itself; none where it is left out.
    #[serde(default)]
    allowed: Vec<Network>,
    /// Exceptions.
    #[serde(default)]
    exemptions: Vec<Exemption>,
}

impl Spec for CalicoAddresses {
    const KIND: &'static str = "CalicoAddresses";

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.matching),
            action: self.action,
            deny_templates: self.deny_templates,
            exemptions: std::mem::take(&mut self.exemptions),
        }
    }
}

impl Validator for CalicoAddresses {
    fn validate(&self, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
        for key in [IP_ADDRS, IP_ADDRS_NO_IPAM, FLOATING_IPS] {
            if let Some(value) = subject.pod.annotation(key)
                && !subject.is_given(key, value)
                && let Some(message) = self.forbidden(value)
            {
                findings.push(Finding { path: format!("metadata.annotations[{key}]"), message, brief: None });
            }
        }
    }
}

impl CalicoAddresses {
    fn forbidden(&self, value: &str) -> Option<String> {
        let Some(addresses) = calico::read(value) else {
            return Some(
                "it is no JSON list of addresses, such as [\"10.20.0.10\"]; write one, or remove it"
                    .to_owned(),
            );
        };
        let is_allowed = |address| self.allowed.iter().any(|network| network.0.contains(address));
        let outside = addresses.iter().find(|address| !is_allowed(*address))?;
        let allowed = match self.allowed.as_slice() {
            [] => "none".to_owned(),
            networks => networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        Some(format!(
            "{outside} is no address that a Pod may give itself (allowed: {allowed}); remove the annotation, or list \
             the addresses of a StatefulSet in {ADDRESSES}"
        ))
    }
}
