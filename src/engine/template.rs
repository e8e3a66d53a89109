//! What the decision on a workload's Pods means for the workload itself.

use std::collections::{HashMap, HashSet};

use super::{Decision, Endpoint, Question, Refusal, admit, told};
use crate::mutators::{MUTATORS, annotations};
use crate::pod::{Pod, Workload};
use crate::policy::Subject;
use crate::policy_set::PolicySet;
use crate::review::Operation;
use crate::validators::Violation;
use crate::view::View;

/// Tells the author of a workload what will become of its Pods. It is refused only where it is wrong as a whole or a
/// policy denies templates, and was not so before.
pub(super) fn decide(
    policies: &PolicySet,
    view: &View,
    question: &Question<'_>,
    namespace: &str,
    object: &Pod,
    pointer: &str,
) -> Decision {
    let kind = &question.request.kind;
    let (Endpoint::Validate, Some(pod)) = (question.endpoint, template_of(object, pointer)) else {
        return Decision::default();
    };
    let before = question.request.old_object.filter(|_| question.request.operation == Operation::Update);
    let before = before.and_then(|raw| Pod::parse(raw.get()).ok());
    let workload = Workload::new(&kind.kind, &kind.group, &object.display_name());
    let subject = Subject::new(namespace, workload, &pod, view).with_own(policies.own());
    let subject = subject.within(object, before.as_ref());
    let mut decision = admit(policies, &subject, question.now);
    decision.operations.clear();
    decision.audit_annotations.clear();
    let was = before.as_ref().filter(|_| decision.refusal.is_some());
    let was = was.and_then(|before| Some((before, template_of(before, pointer)?)));
    let was =
        was.map(|(before, pod)| admit(policies, &subject.with_pod(&pod).within(before, None), question.now));
    foretell(&mut decision, policies, &was.unwrap_or_default(), pointer);
    decision.warnings.extend(misplaced(object, &kind.kind));
    Decision { workload: Some(subject.workload), ..decision }
}

/// Turns the decision on a Pod into one on the object that has it as its template: a refusal becomes warnings, unless
/// the object is wrong as a whole or a policy denies templates.
///
/// What was wrong before refuses nothing: whoever scales, mends or deletes a workload must be able to.
fn foretell(decision: &mut Decision, policies: &PolicySet, before: &Decision, pointer: &str) {
    let within = pointer.trim_start_matches('/').replace('/', ".");
    let moved = |violation: &Violation| {
        let mut moved = violation.clone();
        moved.finding.path = format!("{within}.{}", violation.finding.path);
        moved
    };
    let warned = decision.violations.iter().filter(|violation| violation.warns());
    let mut places: HashMap<_, _> =
        warned.map(|violation| (violation.brief(), moved(violation).brief())).collect();
    for warning in &mut decision.warnings {
        if let Some(moved) = places.remove(warning) {
            *warning = moved;
        }
    }
    if decision.refusal.take().is_none() {
        return;
    }
    let (mut refused, mut warned) = (Vec::new(), Vec::new());
    for rejection in &decision.rejections {
        let is_refused = rejection.refuses_workload && !before.rejections.contains(rejection);
        if is_refused { &mut refused } else { &mut warned }.push(rejection.to_string());
    }
    let known: HashSet<_> = before.violations.iter().collect();
    let mut denied = Vec::new();
    for violation in decision.violations.iter().filter(|violation| violation.denies()) {
        let is_denied = denies_templates(policies, violation) && !known.contains(violation);
        let moved = moved(violation);
        if is_denied { denied.push(moved.to_string()) } else { warned.push(moved.brief()) }
    }
    let warned = warned.into_iter().map(|text| format!("Pods refused: {text}"));
    decision.warnings.splice(0..0, warned);
    let code = if denied.is_empty() { 422 } else { 403 };
    if !denied.is_empty() {
        let audit = format!("deny: {}", told::joined(denied.iter()));
        let audit = [("violations", audit), ("generation", policies.generation.clone())];
        decision.audit_annotations = audit.map(|(key, text)| (key.to_owned(), text)).into();
    }
    refused.append(&mut denied);
    if !refused.is_empty() {
        decision.refusal =
            Some(Refusal { code, message: format!("podwright: {}", told::joined(refused.iter())) });
    }
}

fn denies_templates(policies: &PolicySet, violation: &Violation) -> bool {
    let mut of_kind = policies.validators().iter().filter(|policy| policy.kind == violation.kind);
    of_kind.any(|policy| policy.name == violation.policy && policy.rules.deny_templates)
}

fn template_of(object: &Pod, pointer: &str) -> Option<Pod> {
    object.within(pointer.split('/').skip(1))
}

/// Annotations that stand on the workload itself, where no Pod gets them.
#[must_use]
pub fn misplaced(object: &Pod, kind: &str) -> Vec<String> {
    let job = object.within(["spec", "jobTemplate"]);
    let above = job.iter().chain([object]);
    let annotations = above.flat_map(|object| {
        let domains = MUTATORS.iter().filter(|kind| !kind.is_on_workloads).map(|kind| kind.domain);
        domains.flat_map(|domain| annotations::under(object, domain))
    });
    annotations
        .map(|annotation| {
            format!(
                "annotation {} stands on the {kind}; move it to the metadata of its Pod template",
                annotation.key
            )
        })
        .collect()
}
