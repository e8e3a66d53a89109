//! The validators: one table, one file each.
//!
//! To add one: a file here with a spec that is a [`Validator`], a policy in `policies/`, a folder in `tests/cases/`,
//! a page in `docs/`, and a row in [`VALIDATORS`].

mod calico_addresses;
mod host_namespaces;
mod host_path;
mod host_port;
mod probes;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::policy::{Action, Envelope, Exemption, Match, Subject};
use crate::yaml;

/// Every validator.
pub const VALIDATORS: &[Kind] = &[
    Kind::of::<calico_addresses::CalicoAddresses>(),
    Kind::of::<host_path::HostPath>(),
    Kind::of::<host_namespaces::HostNamespaces>(),
    Kind::of::<host_port::HostPort>(),
    Kind::of::<probes::Probes>(),
];

/// Judges a Pod. The spec of a policy is its own validator: loading compiles it.
pub trait Validator: fmt::Debug + Send + Sync {
    /// Tells what is wrong with a Pod.
    fn validate(&self, subject: &Subject<'_>, findings: &mut Vec<Finding>);

    /// Tells what is wrong with a PersistentVolume.
    fn validate_persistent_volume(&self, _volume: &Value, _findings: &mut Vec<Finding>) {}

    /// Whether it may find something in an ephemeral container, or in what that mounts.
    fn judges_ephemeral_containers(&self) -> bool {
        false
    }

    /// Whether it judges PersistentVolumes.
    fn judges_persistent_volumes(&self) -> bool {
        false
    }
}

/// The spec of a validator's policy: what all validators share, and what this one takes.
pub trait Spec: Validator + DeserializeOwned + JsonSchema + 'static {
    /// The kind of its policies.
    const KIND: &'static str;

    /// The parts that every validator has, moved out.
    fn rules(&mut self) -> Rules;
}

/// The parts of a spec that every validator has.
#[derive(Debug, Default)]
pub struct Rules {
    /// The Pods that it is about.
    pub matching: Match,
    /// What is done about a violation.
    pub action: Action,
    /// Whether what is denied is denied to workloads too, by their Pod templates.
    pub deny_templates: bool,
    /// Exceptions.
    pub exemptions: Vec<Exemption>,
}

/// One thing that is wrong with a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// The field: `spec.volumes[0].hostPath.path`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The same in a few words, for a warning: of more than 120 characters clients need not show all.
    pub brief: Option<String>,
}

/// What a validator found, and what its policy does about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Violation {
    /// The validator's kind.
    pub kind: &'static str,
    /// The policy's name.
    pub policy: String,
    /// What the policy does about it.
    pub action: Action,
    /// What is wrong.
    pub finding: Finding,
    /// The exemption that lets it pass, if one does.
    pub exemption: Option<String>,
    /// The exemptions that would have let it pass, had they not run out: name and last day.
    pub expired: Vec<String>,
}

impl Violation {
    /// A sentence for a warning. What it leaves out, `podwright explain` tells.
    #[must_use]
    pub fn brief(&self) -> String {
        let Self { policy, finding, .. } = self;
        let message = finding.brief.as_ref().unwrap_or(&finding.message);
        let expired = self.expired.iter().map(|expired| format!("; {expired}")).collect::<String>();
        format!("{}: {message} ({policy}){expired}", finding.path)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, policy, finding, .. } = self;
        write!(out, "{}: {} ({kind} policy {policy})", finding.path, finding.message)?;
        for expired in &self.expired {
            write!(out, "; {expired}")?;
        }
        Ok(())
    }
}

/// One validator, as the table has it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The kind of its policies.
    pub name: &'static str,
    /// Reads and compiles one policy.
    pub load: fn(yaml::Document<'_>) -> Result<Policy, yaml::Error>,
    /// The JSON Schema of its policies.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Kind {
    const fn of<S: Spec>() -> Self {
        Self { name: S::KIND, load: Policy::load::<S>, schema: Envelope::<S>::json_schema }
    }
}

/// One compiled policy of a validator.
#[derive(Debug)]
pub struct Policy {
    /// The validator's kind.
    pub kind: &'static str,
    /// The policy's name.
    pub name: String,
    /// The parts that every validator has.
    pub rules: Rules,
    validator: Box<dyn Validator>,
}

impl Policy {
    fn load<S: Spec>(document: yaml::Document<'_>) -> Result<Self, yaml::Error> {
        let mut envelope: Envelope<S> = yaml::read(document)?;
        let rules = envelope.spec.rules();
        Ok(Self {
            kind: S::KIND,
            name: envelope.metadata.name.as_str().to_owned(),
            rules,
            validator: Box::new(envelope.spec),
        })
    }

    /// Whether it may find something in an ephemeral container, or in what that mounts.
    #[must_use]
    pub fn judges_ephemeral_containers(&self) -> bool {
        self.validator.judges_ephemeral_containers()
    }

    /// Whether the policy is about a PersistentVolume: one that no claim holds yet is of every namespace.
    #[must_use]
    pub fn judges_volume(&self, subject: &Subject<'_>) -> bool {
        self.validator.judges_persistent_volumes()
            && (subject.namespace.is_empty() || self.rules.matching.selects(subject))
    }

    /// What is wrong with a PersistentVolume.
    #[must_use]
    pub fn findings_in_volume(&self, volume: &Value) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.validator.validate_persistent_volume(volume, &mut findings);
        findings
    }

    /// What is wrong with a Pod that the policy selects.
    #[must_use]
    pub fn findings(&self, subject: &Subject<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.validator.validate(subject, &mut findings);
        findings
    }
}
