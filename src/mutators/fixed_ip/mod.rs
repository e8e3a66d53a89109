//! `FixedIP`: gives the Pods of a StatefulSet addresses that outlive them, through Calico.
//!
//! Pod *n* gets the *n*-th address of each family of a list that stands on the StatefulSet or on its Pod template.
//! The policy grants networks to namespaces. A list is judged when its StatefulSet is created or changed, and each
//! address again when its Pod is: a Pod never starts with a random address for want of its own.
//!
//! Sources: Calico's `cni-plugin/pkg/k8s/k8s.go` for the annotation, Kubernetes' KEP-3335 and KEP-4017 for ordinals.

mod check;
mod contradiction;
mod list;
mod pod;
mod set;

pub(super) use set::judge_scale;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Ask, FailurePolicy, Mutator, Rejection, Rules, Spec};
use crate::pod::Draft;
use crate::policy::{Given, Match, Subject};
use crate::view::Network;
use crate::view::calico::{self, IP_ADDRS};

/// The domain of the annotation that steers it.
const DOMAIN: &str = "ipam.podwright.dev";

/// The spec of a `FixedIP` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FixedIp {
    /// The Pods that may have fixed addresses, if a grant is for them; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What becomes of a Pod for which Podwright's own result does not verify: refused, since it would start with a
    /// random address.
    #[serde(default = "fail")]
    failure_policy: FailurePolicy,
    /// Who may use which networks; nobody any where it is left out.
    #[serde(default)]
    grants: Vec<Grant>,
}

/// Networks for some Pods.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Grant {
    /// The Pods that may use them.
    #[serde(rename = "match")]
    matching: Match,
    /// The networks.
    networks: Vec<Network>,
}

const fn fail() -> FailurePolicy {
    FailurePolicy::Fail
}

impl Spec for FixedIp {
    const KIND: &'static str = "FixedIP";
    const DOMAIN: &'static str = DOMAIN;
    const IS_ON_WORKLOADS: bool = true;
    /// The kind of its owner. The Pod itself need not say more: the list may stand on the StatefulSet.
    const MARK: &'static str = "StatefulSet";
    const GIVES: &'static [&'static str] = &[IP_ADDRS];

    fn ask(subject: &Subject<'_>) -> Result<Ask, Rejection> {
        list::ask(subject)
    }

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.matching),
            failure_policy: self.failure_policy,
            // Without any grant there is no list that could be on a StatefulSet.
            by_default: !self.grants.is_empty(),
        }
    }
}

impl Mutator for FixedIp {
    fn mutate(
        &self,
        subject: &Subject<'_>,
        draft: &mut Draft<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Vec<Rejection>> {
        match subject.object {
            Some(object) => self.judge_set(subject, &object, warnings),
            None => self.give(subject, draft),
        }
    }

    fn given(&self, subject: &Subject<'_>) -> Result<Vec<Given>, Vec<Rejection>> {
        let addresses = self.addresses(subject)?;
        let given = (!addresses.is_empty()).then(|| (IP_ADDRS, calico::write(&addresses)));
        Ok(given.into_iter().collect())
    }
}
