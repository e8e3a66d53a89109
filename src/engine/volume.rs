//! A PersistentVolume.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::judge::violations;
use super::{Decision, Endpoint, Question};
use crate::pod::{Pod, Workload};
use crate::policy::Subject;
use crate::policy_set::PolicySet;
use crate::validators::{self, Violation};
use crate::view::{View, VolumeSpec};

/// Judges a PersistentVolume, which has no namespace: for the one that its claim is in, or as long as it has no claim
/// for all of them. Of an update only what is new counts.
pub(super) fn decide(policies: &PolicySet, view: &View, question: &Question<'_>) -> Decision {
    let object = |raw: Option<&RawValue>| raw.and_then(|raw| Pod::parse(raw.get()).ok());
    let (now, before) = (object(question.request.object), object(question.request.old_object));
    let Some(volume) = now.filter(|_| question.endpoint == Endpoint::Validate) else {
        return Decision::default();
    };
    let judge = |volume: &Pod| judge(policies, view, volume, question.now);
    let known = before.as_ref().map(judge).unwrap_or_default();
    let mut violations = judge(&volume);
    violations.retain(|violation| !known.contains(violation));
    Decision { violations, ..Decision::default() }.conclude(&policies.generation)
}

fn judge(policies: &PolicySet, view: &View, volume: &Pod, now: Timestamp) -> Vec<Violation> {
    let claim = VolumeSpec::read(volume.as_value()).claim();
    let namespace = claim.as_ref().map_or("", |claim| claim.namespace.as_str());
    let workload = Workload::new("PersistentVolume", "", &volume.display_name());
    let subject = Subject::new(namespace, workload, volume, view);
    let is_about = |policy: &&validators::Policy| claim.is_none() || policy.rules.matching.selects(&subject);
    let policies = policies.validators().iter().filter(is_about);
    let of = |policy: &validators::Policy| {
        violations(policy, &subject, policy.findings_in_volume(volume.as_value()), now)
    };
    policies.flat_map(of).collect()
}
