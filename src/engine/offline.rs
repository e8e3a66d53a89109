//! What the webhook would decide about an object that nobody asks about: one of a manifest, or one that is there already.

use std::sync::Arc;

use jiff::Timestamp;

use super::volume::PersistentVolume;
use super::{Decision, admit, misplaced};
use crate::mutators::{Rejection, annotations};
use crate::pod::{Node, Object, Pod, Workload};
use crate::policy::Subject;
use crate::policy_set::PolicySet;
use crate::validators::Violation;
use crate::view::View;

/// What decisions are made from.
#[derive(Debug)]
pub struct Offline {
    /// The policies in force.
    pub policies: Arc<PolicySet>,
    /// What is known of the cluster.
    pub view: View,
    /// The time that exemptions are held against.
    pub now: Timestamp,
    /// The namespace of objects that name none.
    pub namespace: String,
}

/// A Pod or Pod template that a decision is asked for.
#[derive(Debug)]
pub struct Case<'a> {
    /// The Pod itself, or the workload that it belongs to.
    pub object: &'a Object<'a>,
    /// Its namespace.
    pub namespace: &'a str,
    /// Where in the object the Pod stands.
    pub template: &'static str,
    workload: Workload,
    pod: Pod,
    /// The workload, where the Pod is its template.
    whole: Option<Pod>,
}

impl Offline {
    /// The Pod of an object, if it has one.
    #[must_use]
    pub fn case<'a>(&'a self, object: &'a Object<'a>) -> Option<Case<'a>> {
        let (template, pod) = object.pod()?;
        let namespace = object.metadata("namespace").unwrap_or(&self.namespace);
        let whole = || Pod::from_value(object.value).ok();
        let whole = if template.is_empty() { None } else { whole() };
        Some(Case { object, namespace, template, workload: object.workload(&pod), pod, whole })
    }

    /// The Pod with what is known around it.
    #[must_use]
    pub fn subject<'a>(&'a self, case: &'a Case<'_>) -> Subject<'a> {
        let subject = Subject::new(case.namespace, case.workload.clone(), &case.pod, &self.view)
            .with_own(self.policies.own());
        match &case.whole {
            Some(whole) => subject.within(whole, None),
            None => subject,
        }
    }

    /// What the webhook would decide.
    #[must_use]
    pub fn decide(&self, case: &Case<'_>) -> Decision {
        let mut decision = admit(&self.policies, &self.subject(case), self.now);
        decision.rejections.extend(unquoted(&case.pod));
        let whole = case.whole.iter();
        decision.warnings.extend(whole.flat_map(|whole| misplaced(whole, case.object.kind)));
        decision
    }

    /// What it would decide about a PersistentVolume.
    #[must_use]
    pub fn decide_volume(&self, volume: &PersistentVolume) -> Decision {
        let violations = volume.judge(&self.policies, &self.view, self.now);
        Decision { violations, ..Decision::default() }.conclude(&self.policies.generation)
    }
}

impl Case<'_> {
    /// `Kind namespace/name`.
    #[must_use]
    pub fn title(&self) -> String {
        let name = self.object.name();
        let name = if name.is_empty() { "(no name)" } else { &name };
        format!("{} {}/{name}", self.object.kind, self.namespace)
    }

    /// A violation with the field as the object has it: `spec.template.spec.volumes[0]`.
    #[must_use]
    pub fn on_object(&self, violation: &Violation) -> Violation {
        let mut moved = violation.clone();
        if !self.template.is_empty() {
            let template = self.template.trim_start_matches('/').replace('/', ".");
            moved.finding.path = format!("{template}.{}", violation.finding.path);
        }
        moved
    }
}

/// Annotations of ours that are no strings, as `true` without quotes is none: the API server refuses them.
fn unquoted(pod: &Pod) -> Vec<Rejection> {
    let annotations = pod.node().at(["metadata", "annotations"]).and_then(Node::as_object);
    let is_ours = |key: &str| key.split('/').next().is_some_and(|domain| domain.ends_with(annotations::ROOT));
    annotations
        .into_iter()
        .flatten()
        .filter(|(key, value)| is_ours(key) && !value.is_string())
        .map(|(key, value)| {
            let quoted = match (value.as_bool(), value.number()) {
                (None, None) => String::new(),
                _ => format!("; write it in quotes: \"{value}\""),
            };
            Rejection::new(format!("annotation {key}"), format!("{value} is no string{quoted}"))
        })
        .collect()
}
