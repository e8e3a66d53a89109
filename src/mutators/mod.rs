//! The mutators: one table, in the order in which they edit a Pod, one file each.
//!
//! To add one: a file here with a spec that is a [`Mutator`], a policy in `policies/`, a folder in `tests/cases/`,
//! a page in `docs/`, and a row in [`MUTATORS`].

pub mod annotations;
mod container;
mod faketime;
mod filebeat;
mod fixed_ip;
mod lxcfs;
mod sidecar;

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::pod::{Draft, Pod};
use crate::policy::{Envelope, Given, Match, Own, OwnContainer, OwnMount, Subject, elided};
use crate::view::{SetName, View};
use crate::yaml;

/// Every mutator, in the order in which they run.
pub const MUTATORS: &[Kind] = &[
    Kind::of::<filebeat::Filebeat>(),
    Kind::of::<fixed_ip::FixedIp>(),
    Kind::of::<lxcfs::Lxcfs>(),
    Kind::of::<faketime::Faketime>(),
    Kind::of::<sidecar::Sidecar>(),
];

/// The annotations that Podwright writes. What a user puts there is overwritten or removed.
pub const OWN_ANNOTATIONS: &[&str] = &[annotations::STATUS, filebeat::CONFIG_ANNOTATION];

/// What the names of the containers and volumes that Podwright itself adds begin with.
const OWN_NAMES: &str = "podwright-";

/// After how many rejections of one sort the others are not looked for: nobody mends more at once, and a Pod can have
/// thousands.
const MOST_REJECTIONS: usize = 20;
/// The longest place and the longest message of a rejection, in bytes: both quote what the Pod holds.
const LONGEST_PLACE: usize = 512;
const LONGEST_MESSAGE: usize = 2048;

/// Why a StatefulSet cannot have this many Pods, if any of these policies is about that.
#[must_use]
pub fn judge_scale(policies: &[Policy], view: &View, set: &SetName, replicas: u32) -> Option<Rejection> {
    let is_about_it = |policy: &Policy| policy.kind == fixed_ip::FixedIp::KIND;
    policies.iter().any(is_about_it).then(|| fixed_ip::judge_scale(view, set, replicas)).flatten()
}

/// Edits a Pod. The spec of a policy is its own mutator: loading compiles it.
pub trait Mutator: fmt::Debug + Send + Sync {
    /// Edits a Pod, and tells what the Pod then has: the same on a Pod that has it already, nothing where there is
    /// nothing to do for it.
    ///
    /// # Errors
    /// When the Pod cannot be given what it asks for; nothing of the draft is then used.
    fn mutate(
        &self,
        subject: &Subject<'_>,
        draft: &mut Draft<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Vec<Rejection>>;

    /// What it mounts from nodes, so that validators know it. Asked once, when its policy is loaded.
    fn own_mounts(&self) -> Vec<OwnMount> {
        Vec::new()
    }

    /// The containers that it adds, so that validators know them. Asked once, when its policy is loaded.
    fn added_containers(&self) -> Vec<OwnContainer> {
        Vec::new()
    }

    /// The containers of a Pod that an earlier pass has added: no mutator may take them for the app's.
    fn own_containers<'p>(&self, _pod: &'p Pod) -> Vec<&'p str> {
        Vec::new()
    }

    /// The annotations of [`Spec::GIVES`] that it gives a Pod, so that validators do not take them for its author's.
    ///
    /// # Errors
    /// When it gives none, as it would refuse the Pod.
    fn given(&self, _subject: &Subject<'_>) -> Result<Vec<Given>, Vec<Rejection>> {
        Ok(Vec::new())
    }
}

/// The spec of a mutator's policy: what all mutators share, and what this one takes.
pub trait Spec: Mutator + DeserializeOwned + JsonSchema + 'static {
    /// The kind of its policies.
    const KIND: &'static str;
    /// The domain of its annotations.
    const DOMAIN: &'static str;
    /// Whether several policies can serve one Pod; else the first by name does.
    const IS_ADDITIVE: bool = false;
    /// Whether its annotations may stand on the workload itself, and not only on its Pod template.
    const IS_ON_WORKLOADS: bool = false;
    /// What every Pod that it serves by default has in its JSON: any other is not parsed for it.
    const MARK: &'static str = "";
    /// The annotations of others that it gives Pods.
    const GIVES: &'static [&'static str] = &[];

    /// Which policies the Pod's annotations ask for.
    ///
    /// # Errors
    /// When they do not read.
    fn ask(subject: &Subject<'_>) -> Result<Ask, Rejection>;

    /// The parts that every mutator has, moved out.
    fn rules(&mut self) -> Rules;
}

/// The parts of a spec that every mutator has.
#[derive(Debug, Default)]
pub struct Rules {
    /// The Pods that it is for.
    pub matching: Match,
    /// What becomes of the Pod when the result does not verify.
    pub failure_policy: FailurePolicy,
    /// Whether it serves a Pod whose annotations say nothing.
    pub by_default: bool,
}

/// What becomes of a Pod for which Podwright's own result does not verify.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailurePolicy {
    /// The Pod is let through as its author wrote it, with a warning.
    #[default]
    Ignore,
    /// The Pod is refused.
    Fail,
}

/// Which policies of one mutator a Pod's annotations ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// They say nothing: policies that serve by default do.
    Nothing,
    /// None, whatever serves by default.
    Off,
    /// The first that selects it.
    First,
    /// Those of these names.
    Named(Vec<String>),
}

/// Why a Pod cannot be given what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Rejection {
    /// The annotation or field.
    pub place: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// Whether the workload is refused already, and not only its Pods.
    pub refuses_workload: bool,
    /// What has to be known of the cluster to decide otherwise.
    pub lack: Option<SetName>,
}

impl Rejection {
    /// A rejection of what stands at a place. Very long texts are shortened.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        let short = |text: String, most| match elided(&text, most) {
            Cow::Borrowed(_) => text,
            Cow::Owned(shorter) => shorter,
        };
        Self {
            place: short(place.into(), LONGEST_PLACE),
            message: short(message.into(), LONGEST_MESSAGE),
            refuses_workload: false,
            lack: None,
        }
    }

    /// The same, for which the workload is refused already.
    #[must_use]
    pub fn refusing_workload(self) -> Self {
        Self { refuses_workload: true, ..self }
    }

    /// The same, until a StatefulSet is known.
    #[must_use]
    pub fn lacking(self, set: SetName) -> Self {
        Self { lack: Some(set), ..self }
    }
}

/// What a mutator did to a Pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutation {
    /// The mutator's kind.
    pub kind: &'static str,
    /// The policy's name.
    pub policy: String,
    /// What the Pod has of it, for its status and for the audit.
    pub facts: Map<String, Value>,
}

/// One mutator, as the table has it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The kind of its policies.
    pub name: &'static str,
    /// The domain of its annotations.
    pub domain: &'static str,
    /// Whether several policies can serve one Pod; else the first by name does.
    pub is_additive: bool,
    /// Whether its annotations may stand on the workload itself.
    pub is_on_workloads: bool,
    /// What every Pod that it serves by default has in its JSON.
    pub mark: &'static str,
    /// The annotations of others that it gives Pods.
    pub gives: &'static [&'static str],
    /// Which policies a Pod's annotations ask for.
    pub ask: fn(&Subject<'_>) -> Result<Ask, Rejection>,
    /// Reads and compiles one policy.
    pub load: fn(yaml::Document<'_>) -> Result<Policy, yaml::Error>,
    /// The JSON Schema of its policies.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Kind {
    const fn of<S: Spec>() -> Self {
        Self {
            name: S::KIND,
            domain: S::DOMAIN,
            is_additive: S::IS_ADDITIVE,
            is_on_workloads: S::IS_ON_WORKLOADS,
            mark: S::MARK,
            gives: S::GIVES,
            ask: S::ask,
            load: Policy::load::<S>,
            schema: Envelope::<S>::json_schema,
        }
    }
}

/// One compiled policy of a mutator.
#[derive(Debug)]
pub struct Policy {
    /// The mutator's kind.
    pub kind: &'static str,
    /// The policy's name.
    pub name: String,
    /// The parts that every mutator has.
    pub rules: Rules,
    /// What a draft knows it by.
    author: String,
    mark: &'static str,
    mutator: Box<dyn Mutator>,
}

impl Policy {
    fn load<S: Spec>(document: yaml::Document<'_>) -> Result<Self, yaml::Error> {
        let mut envelope: Envelope<S> = yaml::read(document)?;
        let rules = envelope.spec.rules();
        let name = envelope.metadata.name.as_str().to_owned();
        Ok(Self {
            kind: S::KIND,
            author: format!("{} policy {name}", S::KIND),
            name,
            rules,
            mark: S::MARK,
            mutator: Box::new(envelope.spec),
        })
    }

    /// Whether it may serve a Pod of this namespace whose annotations say nothing: what can be told before the Pod is
    /// parsed.
    #[must_use]
    pub fn may_serve_by_default(&self, namespace: &str, pod: &str) -> bool {
        self.rules.by_default
            && self.rules.matching.admits_namespace(namespace)
            && memchr::memmem::find(pod.as_bytes(), self.mark.as_bytes()).is_some()
    }

    /// What it adds to Pods, as far as validators must know it; `None` where that is nothing.
    #[must_use]
    pub fn own(&self) -> Option<Own> {
        let (mounts, containers) = (self.mutator.own_mounts(), self.mutator.added_containers());
        let is_any = !mounts.is_empty() || !containers.is_empty();
        is_any.then(|| Own { matching: self.rules.matching.clone(), mounts, containers })
    }

    /// Edits a Pod that asks for this policy.
    ///
    /// # Errors
    /// When the Pod cannot be given what it asks for.
    pub fn mutate(
        &self,
        subject: &Subject<'_>,
        draft: &mut Draft<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Mutation, Vec<Rejection>> {
        draft.sign(self.author.clone());
        let facts = self.mutator.mutate(subject, draft, warnings)?;
        Ok(Mutation { kind: self.kind, policy: self.name.clone(), facts })
    }

    /// The annotations of others that this policy gives a Pod.
    ///
    /// # Errors
    /// When it gives none, as it would refuse the Pod.
    pub fn given(&self, subject: &Subject<'_>) -> Result<Vec<Given>, Vec<Rejection>> {
        self.mutator.given(subject)
    }

    /// The containers of a Pod that an earlier pass of this policy has added.
    #[must_use]
    pub fn own_containers<'p>(&self, pod: &'p Pod) -> Vec<&'p str> {
        self.mutator.own_containers(pod)
    }
}
