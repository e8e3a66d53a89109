//! One Pod's account: the verdict, and what each policy had to do with it.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::offline;
use crate::engine::{Case, Decision, Offline, choose};
use crate::mutators::{self, Ask, MUTATORS};
use crate::pod::Operation;
use crate::policy::{Action, Subject};
use crate::policy_set::PolicySet;
use crate::validators;

/// What becomes of one Pod, and why.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    pub(super) file: String,
    pub(super) line: usize,
    /// `Kind namespace/name`.
    #[serde(skip)]
    pub(super) title: String,
    kind: String,
    namespace: String,
    name: String,
    pub(super) verdict: Verdict,
    /// The verdict in words.
    pub(super) summary: String,
    pub(super) policies: Vec<Part>,
    pub(super) rejections: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// Where in the object the Pod stands.
    pub(super) template: &'static str,
    /// The edits, as operations on that Pod.
    pub(super) operations: Vec<Operation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    Admitted,
    Refused,
    /// Podwright's own bug.
    Fault,
}

/// What one policy had to do with a Pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) kind: &'static str,
    pub(super) policy: String,
    #[serde(flatten)]
    pub(super) effect: Effect,
}

#[derive(Debug, Serialize)]
#[serde(tag = "effect", rename_all = "camelCase")]
pub(super) enum Effect {
    /// The policy's `match` leaves the Pod out.
    NoMatch { reason: String },
    /// The mutator is for this Pod, which does not ask for it.
    NotAsked { reason: String },
    /// The mutator did its work.
    Applied { facts: Map<String, Value> },
    /// The mutator could not do it.
    NotApplied,
    /// The mutator found nothing in the Pod that it is for.
    NothingToDo,
    /// The validator found nothing.
    Passed,
    /// The validator found something.
    Violated { action: Action, violations: Vec<Found> },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    pub(super) field: String,
    pub(super) message: String,
    /// The exemption that lets it pass.
    pub(super) exemption: Option<String>,
    /// Those that no longer do.
    pub(super) expired: Vec<String>,
}

impl Account {
    pub(super) fn of(cluster: &Offline, case: &Case<'_>, file: &str, line: usize) -> Self {
        let decision = cluster.decide(case);
        let subject = cluster.subject(case);
        let mutators = cluster.policies.mutators().iter();
        let validators = cluster.policies.validators().iter();
        let policies = mutators
            .map(|policy| Part::of_mutator(policy, &cluster.policies, &subject, &decision))
            .chain(validators.map(|policy| Part::of_validator(policy, case, &subject, &decision)))
            .collect();
        let (verdict, summary) = conclude(&decision);
        Self {
            file: file.to_owned(),
            line,
            title: case.title(),
            kind: case.object.kind.to_owned(),
            namespace: case.namespace.to_owned(),
            name: case.object.name(),
            verdict,
            summary,
            policies,
            rejections: decision.rejections.iter().map(ToString::to_string).collect(),
            warnings: offline::plain_warnings(&decision).cloned().collect(),
            template: case.template,
            operations: if verdict == Verdict::Admitted { decision.operations } else { Vec::new() },
        }
    }
}

fn conclude(decision: &Decision) -> (Verdict, String) {
    if let Some(fault) = &decision.fault {
        return (Verdict::Fault, format!("a bug of Podwright, please report it: {fault}"));
    }
    // The whole of each follows below it.
    let rejected = decision.rejections.iter().map(|rejection| rejection.place.clone());
    let denied = decision.violations.iter().filter(|violation| violation.denies());
    let denied = denied.map(|violation| format!("{} policy {}", violation.kind, violation.policy));
    let mut reasons: Vec<_> = rejected.chain(denied).collect();
    reasons.dedup();
    if !reasons.is_empty() {
        return (Verdict::Refused, format!("refused: {}", reasons.join(", ")));
    }
    let summary = match decision.operations.len() {
        0 => "admitted unchanged".to_owned(),
        1 => format!("admitted, with 1 edit{}", authors(decision)),
        edits => format!("admitted, with {edits} edits{}", authors(decision)),
    };
    (Verdict::Admitted, summary)
}

fn authors(decision: &Decision) -> String {
    let mut kinds: Vec<_> = decision.mutations.iter().map(|mutation| mutation.kind).collect();
    kinds.dedup();
    if kinds.is_empty() { String::new() } else { format!(" by {}", kinds.join(", ")) }
}

impl Part {
    fn of_mutator(
        policy: &mutators::Policy,
        all: &PolicySet,
        subject: &Subject<'_>,
        decision: &Decision,
    ) -> Self {
        let mutation = decision
            .mutations
            .iter()
            .find(|mutation| mutation.kind == policy.kind && mutation.policy == policy.name);
        let mismatch = policy.rules.matching.mismatch(subject);
        let effect = match (mutation, mismatch) {
            (_, Some(mismatch)) => Effect::NoMatch { reason: mismatch.to_string() },
            (Some(mutation), None) => Effect::Applied { facts: mutation.facts.clone() },
            (None, None) => match not_asked(policy, all, subject) {
                Some(reason) => Effect::NotAsked { reason },
                None if decision.rejections.is_empty() && decision.fault.is_none() => Effect::NothingToDo,
                None => Effect::NotApplied,
            },
        };
        Self { kind: policy.kind, policy: policy.name.clone(), effect }
    }

    fn of_validator(
        policy: &validators::Policy,
        case: &Case<'_>,
        subject: &Subject<'_>,
        decision: &Decision,
    ) -> Self {
        let own = decision
            .violations
            .iter()
            .filter(|violation| violation.kind == policy.kind && violation.policy == policy.name);
        let violations: Vec<_> = own.map(|violation| Found::of(&case.on_object(violation))).collect();
        let effect = match policy.rules.matching.mismatch(subject) {
            Some(mismatch) => Effect::NoMatch { reason: mismatch.to_string() },
            None if violations.is_empty() => Effect::Passed,
            None => Effect::Violated { action: policy.rules.action, violations },
        };
        Self { kind: policy.kind, policy: policy.name.clone(), effect }
    }
}

impl Found {
    fn of(violation: &validators::Violation) -> Self {
        Self {
            field: violation.finding.path.clone(),
            message: violation.finding.message.clone(),
            exemption: violation.exemption.clone(),
            expired: violation.expired.clone(),
        }
    }
}

/// Why a Pod is not served by a policy that is for it; `None` where it is, or asks to be.
fn not_asked(policy: &mutators::Policy, policies: &PolicySet, subject: &Subject<'_>) -> Option<String> {
    let kind = MUTATORS.iter().find(|kind| kind.name == policy.kind)?;
    let Ok(asked) = (kind.ask)(subject) else {
        return Some(format!("the annotations under {} do not read", kind.domain));
    };
    let chosen = choose(policies, kind, subject).unwrap_or_default();
    if chosen.iter().any(|chosen| chosen.name == policy.name) {
        return None;
    }
    let first = || chosen.first().map_or("none", |first| first.name.as_str());
    match asked {
        Ask::Off => Some(format!("an annotation under {} turns it off", kind.domain)),
        Ask::Nothing if !policy.rules.by_default => {
            Some(format!("no annotation under {} asks for it", kind.domain))
        }
        Ask::Nothing => Some(format!("{} serves by default and comes first by name", first())),
        Ask::First => Some(format!("the Pod names no policy, and {} comes first by name", first())),
        Ask::Named(names) if names.contains(&policy.name) => None,
        Ask::Named(names) => Some(format!("the Pod asks for {}", names.join(", "))),
    }
}
