//! `match`: which Pods a policy or an exemption is about.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

use super::glob::Glob;
use super::selector::LabelSelector;
use super::subject::Subject;
use super::text::nearest;

/// Which Pods a policy is about. Every part that is given must hold; an empty `match` is about every Pod.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Match {
    /// Labels of the Pod's namespace.
    pub namespace_selector: LabelSelector,
    /// Names of namespaces, with `*` and `?`; empty for all.
    pub namespaces: Vec<Glob>,
    /// Names of namespaces to leave out, with `*` and `?`.
    pub exclude_namespaces: Vec<Glob>,
    /// Labels of the Pod.
    pub pod_selector: LabelSelector,
    /// Kinds of the workload that the Pod belongs to; empty for all.
    pub owner_kinds: Vec<OwnerKind>,
    /// Names of that workload, with `*` and `?`; empty for all.
    pub owner_names: Vec<Glob>,
}

/// Why a policy is not about a Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch<'a> {
    /// The namespace is none of `namespaces`, or one of `excludeNamespaces`.
    Namespace(&'a str),
    /// The namespace's label does not fit `namespaceSelector`.
    NamespaceLabel(&'a str),
    /// The Pod's label does not fit `podSelector`.
    PodLabel(&'a str),
    /// The workload is none of `ownerKinds`.
    OwnerKind(&'a str),
    /// The workload is none of `ownerNames`.
    OwnerName(&'a str),
}

impl Match {
    /// Whether it may be about a Pod of this namespace: what can be told before the Pod is parsed.
    #[must_use]
    pub fn admits_namespace(&self, namespace: &str) -> bool {
        let among = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(namespace));
        (self.namespaces.is_empty() || among(&self.namespaces)) && !among(&self.exclude_namespaces)
    }

    /// Whether it may be about a Pod of which no more is known than its namespace.
    #[must_use]
    pub fn may_select_in_namespace(&self, subject: &Subject<'_>) -> bool {
        self.admits_namespace(subject.namespace)
            && self.namespace_selector.mismatch(|key| subject.namespace_label(key)).is_none()
    }

    /// Whether it is about this Pod.
    #[must_use]
    pub fn selects(&self, subject: &Subject<'_>) -> bool {
        self.mismatch(subject).is_none()
    }

    /// Why it is not about this Pod; `None` where it is.
    #[must_use]
    pub fn mismatch<'a>(&'a self, subject: &'a Subject<'_>) -> Option<Mismatch<'a>> {
        if !self.admits_namespace(subject.namespace) {
            return Some(Mismatch::Namespace(subject.namespace));
        }
        if let Some(key) = self.namespace_selector.mismatch(|key| subject.namespace_label(key)) {
            return Some(Mismatch::NamespaceLabel(key));
        }
        if let Some(key) = self.pod_selector.mismatch(|key| subject.pod.label(key)) {
            return Some(Mismatch::PodLabel(key));
        }
        let workload = &subject.workload;
        if !self.owner_kinds.is_empty()
            && !self.owner_kinds.iter().any(|kind| kind.is(&workload.kind, &workload.group))
        {
            return Some(Mismatch::OwnerKind(&workload.kind));
        }
        if !self.owner_names.is_empty() && !self.owner_names.iter().any(|name| name.matches(&workload.name)) {
            return Some(Mismatch::OwnerName(&workload.name));
        }
        None
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(name) => write!(out, "namespace {name:?} is not among its namespaces"),
            Self::NamespaceLabel(key) => {
                write!(out, "the namespace's label {key:?} does not fit its namespaceSelector")
            }
            Self::PodLabel(key) => write!(out, "the Pod's label {key:?} does not fit its podSelector"),
            Self::OwnerKind(kind) => write!(out, "the Pod's workload, a {kind}, is not among its ownerKinds"),
            Self::OwnerName(name) => write!(out, "the Pod's workload {name:?} is not among its ownerNames"),
        }
    }
}

/// A kind of workload: one of Kubernetes' own by its name, any other as `Kind.group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerKind(String);

impl OwnerKind {
    const KNOWN: [&'static str; 8] = [
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "ReplicationController",
        "Job",
        "CronJob",
        "Pod",
    ];

    /// Whether a workload is of this kind. The Jobs of a CronJob are Jobs too.
    fn is(&self, kind: &str, group: &str) -> bool {
        match self.0.split_once('.') {
            Some((own_kind, own_group)) => own_kind == kind && own_group == group,
            None => self.0 == kind || self.0 == "Job" && kind == "CronJob",
        }
    }
}

impl<'de> Deserialize<'de> for OwnerKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = String::deserialize(deserializer)?;
        if Self::KNOWN.contains(&kind.as_str()) || kind.contains('.') {
            return Ok(Self(kind));
        }
        let hint = match nearest(&kind, Self::KNOWN) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!(
                "expected one of {}, or Kind.group such as CloneSet.apps.kruise.io",
                Self::KNOWN.join(", ")
            ),
        };
        Err(de::Error::custom(format!("unknown kind of owner {kind:?}: {hint}")))
    }
}

impl JsonSchema for OwnerKind {
    fn schema_name() -> Cow<'static, str> {
        "OwnerKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "string", "enum": Self::KNOWN },
                { "type": "string", "pattern": "^[A-Za-z]+\\.[a-z0-9.-]+$" },
            ],
        })
    }
}
