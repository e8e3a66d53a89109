//! The Pod that a policy is held against, with what is known around it.

use std::collections::BTreeMap;

use super::own::Own;
use super::resource::GROUP;
use crate::pod::{Container, Pod, Volume, Workload};
use crate::view::View;

/// The label that the API server gives every Namespace since 1.21.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A Pod with its surroundings.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The namespace; the review's, since the Pod itself may not carry it.
    pub namespace: &'a str,
    /// The namespace's labels, if the view knows them.
    pub namespace_labels: Option<&'a BTreeMap<String, String>>,
    /// The workload that the Pod belongs to.
    pub workload: Workload,
    /// The Pod as its author wrote it.
    pub pod: &'a Pod,
    /// Whether an annotation of it is under our domain: without, hardly a mutator has to be asked.
    pub is_steered: bool,
    /// The cluster.
    pub view: &'a View,
    /// What Podwright itself adds to Pods; nothing unless it is told.
    pub own: &'a [Own],
    /// Annotations that mutators give this Pod, of those that it has; none unless it is told.
    pub given: &'a [Given],
    /// The workload under review, where the Pod is its template.
    pub object: Option<Object<'a>>,
}

/// An annotation that a mutator gives a Pod: its key and its value.
pub type Given = (&'static str, String);

/// A workload under review.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// The workload.
    pub now: &'a Pod,
    /// What it was, where it is changed.
    pub before: Option<&'a Pod>,
}

impl<'a> Subject<'a> {
    /// The Pod in its namespace.
    #[must_use]
    pub fn new(namespace: &'a str, workload: Workload, pod: &'a Pod, view: &'a View) -> Self {
        let namespace_labels = view.namespaces.get(namespace).map(AsRef::as_ref);
        Self {
            namespace,
            namespace_labels,
            workload,
            pod,
            is_steered: is_steered(pod),
            view,
            own: &[],
            given: &[],
            object: None,
        }
    }

    /// The same, with what Podwright itself adds to Pods.
    #[must_use]
    pub fn with_own(self, own: &'a [Own]) -> Self {
        Self { own, ..self }
    }

    /// Another Pod in the same place: what this one was before.
    #[must_use]
    pub fn with_pod<'b>(&self, pod: &'b Pod) -> Subject<'b>
    where
        'a: 'b,
    {
        Subject { pod, is_steered: is_steered(pod), workload: self.workload.clone(), ..*self }
    }

    /// The same, as the template of a workload.
    #[must_use]
    pub fn within(self, now: &'a Pod, before: Option<&'a Pod>) -> Self {
        Self { object: Some(Object { now, before }), ..self }
    }

    /// The same, with annotations that mutators give it.
    #[must_use]
    pub fn with_given(self, given: &'a [Given]) -> Self {
        Self { given, ..self }
    }

    /// Whether an annotation's value is what a mutator gives the Pod.
    #[must_use]
    pub fn is_given(&self, key: &str, value: &str) -> bool {
        self.given.iter().any(|(given, by_us)| *given == key && by_us == value)
    }

    /// Whether a volume of the node, and every use of it, is what a policy that selects the Pod gives it.
    #[must_use]
    pub fn is_own(&self, volume: &Volume<'_>) -> bool {
        self.own.iter().any(|own| own.covers(self.pod, volume) && own.matching.selects(self))
    }

    /// Whether a container is what a policy that selects the Pod adds to it.
    #[must_use]
    pub fn is_own_container(&self, container: &Container<'_>) -> bool {
        self.own.iter().any(|own| own.has(container) && own.matching.selects(self))
    }

    /// The value of one label of the namespace.
    #[must_use]
    pub fn namespace_label(&self, key: &str) -> Option<&'a str> {
        match self.namespace_labels.and_then(|labels| labels.get(key)) {
            Some(value) => Some(value),
            None if key == NAMESPACE_NAME_LABEL => Some(self.namespace),
            None => None,
        }
    }
}

fn is_steered(pod: &Pod) -> bool {
    let is_ours = |key: &str| key.split_once('/').is_some_and(|(domain, _)| domain.ends_with(GROUP));
    pod.annotations().any(|(key, _)| is_ours(key))
}
