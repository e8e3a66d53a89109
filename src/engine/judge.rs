//! What the validators find in a Pod.

use jiff::Timestamp;

use super::mutate::choose;
use crate::mutators::{MUTATORS, Rejection};
use crate::policy::{Given, Standing, Subject};
use crate::policy_set::PolicySet;
use crate::validators::{self, Finding, Violation};

/// The annotations that mutators give a Pod, of those that it has; or what has to be known before that can be told.
pub(super) fn given(policies: &PolicySet, subject: &Subject<'_>) -> (Vec<Given>, Option<Rejection>) {
    let mut given = Vec::new();
    let has = |key: &&str| subject.pod.annotation(key).is_some();
    for kind in MUTATORS.iter().filter(|kind| kind.gives.iter().any(has)) {
        for policy in choose(policies, kind, subject).unwrap_or_default() {
            match policy.given(subject) {
                Ok(by_policy) => given.extend(by_policy),
                Err(rejections) => {
                    let lacking = rejections.into_iter().find(|rejection| rejection.lack.is_some());
                    if lacking.is_some() {
                        return (given, lacking);
                    }
                }
            }
        }
    }
    (given, None)
}

pub(super) fn judge(policies: &PolicySet, subject: &Subject<'_>, now: Timestamp) -> Vec<Violation> {
    let (given, _) = given(policies, subject);
    if given.is_empty() {
        return judge_given(policies, subject, now);
    }
    judge_given(policies, &Subject { workload: subject.workload.clone(), given: &given, ..*subject }, now)
}

/// The same of a Pod of which is known what mutators give it.
fn judge_given(policies: &PolicySet, subject: &Subject<'_>, now: Timestamp) -> Vec<Violation> {
    let selecting = policies.validators().iter().filter(|policy| policy.rules.matching.selects(subject));
    selecting.flat_map(|policy| violations(policy, subject, policy.findings(subject), now)).collect()
}

pub(super) fn violations(
    policy: &validators::Policy,
    subject: &Subject<'_>,
    findings: Vec<Finding>,
    now: Timestamp,
) -> Vec<Violation> {
    if findings.is_empty() {
        return Vec::new();
    }
    let standing = |standing| {
        policy.rules.exemptions.iter().filter(move |exemption| exemption.standing(subject, now) == standing)
    };
    let exemption = standing(Standing::InForce).next().map(|exemption| exemption.name.to_string());
    let expired: Vec<_> = standing(Standing::Expired)
        .map(|exemption| {
            let (name, expires, owner) = (&exemption.name, exemption.expires, &exemption.owner);
            format!("its exemption {name} ended on {expires}, ask {owner}")
        })
        .collect();
    let violation = |finding| Violation {
        kind: policy.kind,
        policy: policy.name.clone(),
        action: policy.rules.action,
        finding,
        exemption: exemption.clone(),
        expired: expired.clone(),
    };
    findings.into_iter().map(violation).collect()
}
