//! What the decision on a workload's Pods means for the workload itself.

use std::collections::HashSet;

use super::{Decision, Refusal, told};
use crate::policy_set::PolicySet;
use crate::validators::Violation;

/// Turns the decision on a Pod into one on the object that has it as its template: a refusal becomes warnings, unless
/// the object is wrong as a whole or a policy denies templates.
///
/// What was wrong before refuses nothing: whoever scales, mends or deletes a workload must be able to.
pub(super) fn foretell(decision: &mut Decision, policies: &PolicySet, before: &Decision, pointer: &str) {
    let within = pointer.trim_start_matches('/').replace('/', ".");
    let moved = |violation: &Violation| {
        let mut moved = violation.clone();
        moved.finding.path = format!("{within}.{}", violation.finding.path);
        moved.to_string()
    };
    for violation in decision.violations.iter().filter(|violation| violation.warns()) {
        let text = violation.to_string();
        decision
            .warnings
            .iter_mut()
            .filter(|warning| **warning == text)
            .for_each(|one| *one = moved(violation));
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
        if is_denied { &mut denied } else { &mut warned }.push(moved(violation));
    }
    let warned = warned.into_iter().map(|text| format!("its Pods will be refused: {text}"));
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
