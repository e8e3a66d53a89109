//! `decide`: one review in, one decision out. Pure: no I/O, no clock but the one passed in.

mod audit;
mod decision;
mod ephemeral;
mod judge;
mod mutate;
mod offline;
mod scale;
mod template;
mod told;
mod volume;

pub use decision::{Decision, Refusal};
pub use mutate::choose;
pub use offline::{Case, Offline};
pub use template::misplaced;
pub use volume::PersistentVolume;

use std::borrow::Cow;
use std::collections::HashSet;

use jiff::Timestamp;

use self::judge::judge;
use self::mutate::mutate;
use self::told::WARNINGS;
use crate::mutators::{OWN_ANNOTATIONS, Rejection};
use crate::pod::{Pod, Workload, template_pointer};
use crate::policy::Subject;
use crate::policy_set::PolicySet;
use crate::review::{Operation, Request};
use crate::view::{Asked, View};

/// Which of the two webhooks asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/mutate`: the Pod as its author wrote it; it may be changed.
    Mutate,
    /// `/validate`: the Pod as it will be kept; it is only judged.
    Validate,
}

impl Endpoint {
    /// The word that logs, metrics and audit records use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// One review and when it was asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Which webhook asks.
    pub endpoint: Endpoint,
    /// The review's request.
    pub request: &'a Request<'a>,
    /// The time that exemptions are held against.
    pub now: Timestamp,
    /// What was asked of the API server for it, after a first decision that lacked it.
    pub asked: Option<&'a Asked>,
}

/// Decides one review.
#[must_use]
pub fn decide(policies: &PolicySet, view: &View, question: &Question<'_>) -> Decision {
    let mut decision = decide_object(policies, view, question);
    if decision.is_notable() {
        decision.generation.clone_from(&policies.generation);
    }
    decision
}

fn decide_object(policies: &PolicySet, view: &View, question: &Question<'_>) -> Decision {
    let request = question.request;
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let is_write = matches!(request.operation, Operation::Create | Operation::Update);
    if request.sub_resource.as_ref().is_some_and(|sub| *sub.0 == *"scale") {
        return scale::decide(policies, view, request, namespace);
    }
    if (&*request.kind.group, &*request.kind.kind) == ("", "PersistentVolume") && is_write {
        return volume::decide(policies, view, question);
    }
    if (&*request.kind.group, &*request.kind.kind) == ("", ephemeral::KIND) && is_write {
        return ephemeral::decide(policies, view, question, namespace);
    }
    let Some(template) = template_pointer(&request.kind.group, &request.kind.kind).filter(|_| is_write)
    else {
        return Decision::default();
    };
    let Some(raw) = request.object else {
        return Decision::nonsense("the review has no object to decide on");
    };
    if request.sub_resource.as_ref().is_some_and(|sub| !matches!(&*sub.0, "" | "ephemeralcontainers"))
        || !policies.may_concern(namespace, raw.get())
    {
        return Decision::default();
    }
    let object = match Pod::parse(raw.get()) {
        Ok(object) => object,
        Err(error) => return Decision::nonsense(&error.to_string()),
    };
    let view = question.asked.map_or(Cow::Borrowed(view), |asked| Cow::Owned(view.with(asked.clone())));
    let mut decision = match template {
        "" => decide_pod(policies, &view, question, namespace, &object),
        pointer => template::decide(policies, &view, question, namespace, &object, pointer),
    };
    decision.warnings = told::within(decision.warnings.iter(), WARNINGS);
    decision
}

fn decide_pod(
    policies: &PolicySet,
    view: &View,
    question: &Question<'_>,
    namespace: &str,
    pod: &Pod,
) -> Decision {
    let subject = Subject::new(namespace, Workload::of(pod), pod, view).with_own(policies.own());
    let decision = match (question.endpoint, question.request.operation) {
        (Endpoint::Mutate, Operation::Create) => admit(policies, &subject, question.now),
        // What a Pod is made of cannot change after its creation.
        (Endpoint::Mutate, _) => Decision::default(),
        (Endpoint::Validate, operation) => {
            let before = question.request.old_object.filter(|_| operation == Operation::Update);
            let before = before.and_then(|raw| Pod::parse(raw.get()).ok());
            judge_final(policies, &subject, before.as_ref(), question.now)
        }
    };
    Decision { workload: Some(subject.workload), ..decision }
}

/// Decides a Pod as its author wrote it: validators judge it, mutators edit it.
#[must_use]
pub fn admit(policies: &PolicySet, subject: &Subject<'_>, now: Timestamp) -> Decision {
    if let Err(excess) = subject.pod.bounded() {
        return Decision::beyond(&excess).conclude(&policies.generation);
    }
    let mut decision = Decision { violations: judge(policies, subject, now), ..Decision::default() };
    if !subject.pod.is_mirror() {
        mutate(policies, subject, &mut decision);
    }
    decision.conclude(&policies.generation)
}

/// Judges a Pod as it will be kept. Of an update only what is new counts: a Pod that was admitted can go on.
fn judge_final(
    policies: &PolicySet,
    subject: &Subject<'_>,
    before: Option<&Pod>,
    now: Timestamp,
) -> Decision {
    if let Err(excess) = subject.pod.bounded() {
        let is_same = |before: &Pod| before.node().get("spec") == subject.pod.node().get("spec");
        return if before.is_some_and(is_same) {
            Decision::default()
        } else {
            Decision::beyond(&excess).conclude(&policies.generation)
        };
    }
    let mut decision = Decision { violations: judge(policies, subject, now), ..Decision::default() };
    if before.is_none() {
        decision.rejections.extend(judge::given(policies, subject).1);
    }
    if let Some(before) = before {
        let known: HashSet<_> = judge(policies, &subject.with_pod(before), now).into_iter().collect();
        decision.violations.retain(|violation| !known.contains(violation));
        let changed = |key: &&&str| subject.pod.annotation(key) != before.annotation(key);
        decision.rejections.extend(OWN_ANNOTATIONS.iter().filter(changed).map(|key| {
            let message = "it is written by Podwright when the Pod is created and steers what runs in it; leave it as it is";
            Rejection::new(format!("annotation {key}"), message)
        }));
    }
    decision.conclude(&policies.generation)
}
