//! A PersistentVolume.

use jiff::Timestamp;

use super::judge::violations;
use super::{Decision, Endpoint, Question};
use crate::pod::{Object, Pod, Workload};
use crate::policy::Subject;
use crate::policy_set::PolicySet;
use crate::review::Raw;
use crate::validators::{self, Violation};
use crate::view::{ClaimName, View, VolumeSpec};

/// Judges a PersistentVolume, which has no namespace: for the one that its claim is in, or as long as it has no claim
/// for all of them. Of an update only what is new counts.
pub(super) fn decide(policies: &PolicySet, view: &View, question: &Question<'_>) -> Decision {
    let object =
        |raw: Option<Raw<'_>>| raw.and_then(|raw| PersistentVolume::read(Pod::parse(raw.get()).ok()?));
    let (now, before) = (object(question.request.object), object(question.request.old_object));
    let Some(volume) = now.filter(|_| question.endpoint == Endpoint::Validate) else {
        return Decision::default();
    };
    let judge = |volume: &PersistentVolume| volume.judge(policies, view, question.now);
    let known = before.as_ref().map(judge).unwrap_or_default();
    let mut violations = judge(&volume);
    violations.retain(|violation| !known.contains(violation));
    Decision { violations, ..Decision::default() }.conclude(&policies.generation)
}

/// A PersistentVolume that is a path of a node.
#[derive(Debug)]
pub struct PersistentVolume {
    volume: Pod,
    claim: Option<ClaimName>,
}

impl PersistentVolume {
    /// The PersistentVolume that an object is; `None` where it is none, or no path of a node.
    #[must_use]
    pub fn of(object: &Object<'_>) -> Option<Self> {
        if object.kind != "PersistentVolume" || !object.group.is_empty() {
            return None;
        }
        Self::read(Pod::from_value(object.value).ok()?)
    }

    fn read(volume: Pod) -> Option<Self> {
        let spec = VolumeSpec::read(&volume.node().to_value());
        spec.path()?;
        let claim = spec.claim();
        Some(Self { volume, claim })
    }

    /// The volume as policies see it: in the namespace of its claim, if it has one.
    #[must_use]
    pub fn subject<'a>(&'a self, view: &'a View) -> Subject<'a> {
        let namespace = self.claim.as_ref().map_or("", |claim| claim.namespace.as_str());
        let workload = Workload::new("PersistentVolume", "", &self.volume.display_name());
        Subject::new(namespace, workload, &self.volume, view)
    }

    /// What is wrong with it.
    pub(super) fn judge(&self, policies: &PolicySet, view: &View, now: Timestamp) -> Vec<Violation> {
        let subject = self.subject(view);
        let policies = policies.validators().iter().filter(|policy| policy.judges_volume(&subject));
        let of = |policy: &validators::Policy| {
            violations(policy, &subject, policy.findings_in_volume(&self.volume.node().to_value()), now)
        };
        policies.flat_map(of).collect()
    }
}
