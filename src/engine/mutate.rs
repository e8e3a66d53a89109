//! What the mutators make of a Pod, and which of their policies serve it.

use k8s_openapi::api::core::v1;
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize as _, Serialize};
use serde_json::{Map, Value};

use super::Decision;
use crate::mutators::annotations::{self, STATUS};
use crate::mutators::{self, Ask, FailurePolicy, MUTATORS, Mutation, OWN_ANNOTATIONS, Rejection};
use crate::pod::Draft;
use crate::policy::{Subject, nearest};
use crate::policy_set::PolicySet;

pub(super) fn mutate(policies: &PolicySet, subject: &Subject<'_>, decision: &mut Decision) {
    let mut draft = Draft::new(subject.pod);
    if subject.is_steered {
        decision.rejections = annotations::strays(subject.pod);
    }
    let mut failure_policy = FailurePolicy::Ignore;
    let mut warnings = Vec::new();
    let mut chosen = Vec::new();
    for kind in MUTATORS {
        match choose(policies, kind, subject) {
            Ok(of_kind) => chosen.extend(of_kind),
            Err(rejection) => decision.rejections.push(rejection),
        }
    }
    for policy in &chosen {
        draft.claim(policy.own_containers(subject.pod));
    }
    for policy in chosen {
        match policy.mutate(subject, &mut draft, &mut warnings) {
            Ok(mutation) if mutation.facts.is_empty() => {}
            Ok(mutation) => decision.mutations.push(mutation),
            Err(rejections) => decision.rejections.extend(rejections),
        }
        if policy.rules.failure_policy == FailurePolicy::Fail {
            failure_policy = FailurePolicy::Fail;
        }
    }
    if decision.rejections.is_empty() {
        decision.warnings.append(&mut warnings);
        let was_edited = subject.pod.annotation(STATUS).is_some();
        // A template for whose Pods something will be done is not edited itself.
        if draft.is_edited() || was_edited || decision.mutations.is_empty() {
            state(&mut draft, &policies.generation, &decision.mutations);
        }
        if draft.is_edited()
            && let Err(error) = subject.pod.check()
        {
            *decision = Decision::nonsense(&error.to_string());
            return;
        }
        match beyond(&draft) {
            None => decision.take(draft, failure_policy),
            Some(rejection) => decision.rejections.push(rejection),
        }
        if decision.fault.is_some()
            && let Err(error) = v1::Pod::deserialize(subject.pod.node())
        {
            // Edits of what is no Pod have no place in it. The API server sends none; a file may hold one.
            *decision = Decision::nonsense(&format!("reading the Pod: {error}"));
        }
    }
}

/// Why a Pod that is within its bounds would no longer be with our edits: the API server, or our next look at it, would
/// refuse it.
fn beyond(draft: &Draft<'_>) -> Option<Rejection> {
    if !draft.is_edited() {
        return None;
    }
    let excess = draft.pod().bounded().err()?;
    let message = format!("with what Podwright adds {excess}; shorten what is there, or ask for less");
    Some(Rejection::new(excess.place, message))
}

/// The policies of one mutator that serve a Pod: those that it asks for, and those that serve by default.
///
/// # Errors
/// When it asks for one that is not there for it.
pub fn choose<'a>(
    policies: &'a PolicySet,
    kind: &mutators::Kind,
    subject: &Subject<'_>,
) -> Result<Vec<&'a mutators::Policy>, Rejection> {
    let of_kind = || policies.mutators().iter().filter(|policy| policy.kind == kind.name);
    let selects = |policy: &&mutators::Policy| policy.rules.matching.selects(subject);
    let at_most = if kind.is_additive { usize::MAX } else { 1 };
    match asked(kind, subject)? {
        Ask::Off => Ok(Vec::new()),
        Ask::Nothing => {
            let by_default = of_kind().filter(|policy| policy.rules.by_default);
            Ok(by_default.filter(selects).take(at_most).collect())
        }
        Ask::First => match of_kind().find(selects) {
            Some(first) => Ok(vec![first]),
            None => {
                let (name, namespace) = (kind.name, subject.namespace);
                let message = format!(
                    "no {name} policy is for this Pod in namespace {namespace:?}; ask the cluster team for one"
                );
                Err(Rejection::new(format!("annotations under {}", kind.domain), message))
            }
        },
        Ask::Named(names) => {
            let candidates: Vec<_> = of_kind().filter(selects).collect();
            let mut chosen =
                names.iter().map(|name| named(kind, &candidates, name)).collect::<Result<Vec<_>, _>>()?;
            if kind.is_additive {
                let by_default = candidates.iter().copied().filter(|policy| policy.rules.by_default);
                chosen.extend(by_default.filter(|policy| !names.contains(&policy.name)));
            }
            // Whatever order they are asked for in, one set of policies gives one Pod.
            chosen.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(chosen)
        }
    }
}

/// What a Pod asks of a mutator. Only one whose annotations may stand elsewhere too has to look where there is none.
fn asked(kind: &mutators::Kind, subject: &Subject<'_>) -> Result<Ask, Rejection> {
    if subject.is_steered || kind.is_on_workloads { (kind.ask)(subject) } else { Ok(Ask::Nothing) }
}

fn named<'a>(
    kind: &mutators::Kind,
    candidates: &[&'a mutators::Policy],
    name: &str,
) -> Result<&'a mutators::Policy, Rejection> {
    let names = || candidates.iter().map(|policy| policy.name.as_str());
    candidates.iter().copied().find(|policy| policy.name == name).ok_or_else(|| {
        let hint = match (nearest(name, names()), candidates) {
            (Some(near), _) => format!("did you mean {near:?}?"),
            (None, []) => "there is none for this Pod".to_owned(),
            (None, _) => format!("for this Pod there are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("no {} policy {name:?} is for this Pod; {hint}", kind.name);
        Rejection::new(format!("annotations under {}", kind.domain), message)
    })
}

/// Writes the status, or removes one that nobody but its author wrote.
fn state(draft: &mut Draft<'_>, generation: &str, mutations: &[Mutation]) {
    if mutations.is_empty() {
        for key in OWN_ANNOTATIONS {
            draft.remove_annotation(key);
        }
        return;
    }
    let status = serde_json::to_string(&Status { generation, mutations });
    draft.set_annotation(STATUS, &status.unwrap_or_default());
}

/// What was done, by kind; mutations of one kind follow each other.
struct Status<'a> {
    generation: &'a str,
    mutations: &'a [Mutation],
}

/// What one policy did.
#[derive(Serialize)]
struct Done<'a> {
    policy: &'a str,
    #[serde(flatten)]
    facts: &'a Map<String, Value>,
}

impl Serialize for Status<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut status = serializer.serialize_map(None)?;
        status.serialize_entry("generation", self.generation)?;
        for of_kind in self.mutations.chunk_by(|one, next| one.kind == next.kind) {
            let kind = of_kind.first().map_or("", |mutation| mutation.kind);
            let done =
                of_kind.iter().map(|mutation| Done { policy: &mutation.policy, facts: &mutation.facts });
            status.serialize_entry(kind, &done.collect::<Vec<_>>())?;
        }
        status.end()
    }
}
