//! `HostPath`: which paths of the node a Pod may mount, and whether it may write there.
//!
//! Paths are compared by whole segments after normalisation. Of several entries that cover a path the longest
//! counts. A read-only entry asks that every mount of the volume is read-only, in containers, init containers and
//! ephemeral containers. A volume that nobody mounts counts too: an ephemeral container could mount it later.
//!
//! What Podwright itself mounts (LXCFS) is no violation: `/validate` and a second `/mutate` see it in the Pod.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Finding, Rules, Spec, Validator};
use crate::pod::{AbsolutePath, Volume};
use crate::policy::{Action, Exemption, Match, Subject};

/// The spec of a `HostPath` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostPath {
    /// The Pods that it is about; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What is done about a violation.
    #[serde(default)]
    action: Action,
    /// Whether a workload is refused, and not only its Pods, when its Pod template violates the policy.
    #[serde(default, rename = "denyTemplates")]
    deny_templates: bool,
    /// The paths that may be mounted; none where it is left out.
    #[serde(default)]
    allowed: Vec<Allowed>,
    /// Exceptions.
    #[serde(default)]
    exemptions: Vec<Exemption>,
}

/// A path that may be mounted, and everything below it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Allowed {
    /// The path on the node; whole segments count.
    path_prefix: AbsolutePath,
    /// Whether every mount of it must be read-only.
    #[serde(default)]
    read_only: bool,
}

impl Spec for HostPath {
    const KIND: &'static str = "HostPath";

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.matching),
            action: self.action,
            deny_templates: self.deny_templates,
            exemptions: std::mem::take(&mut self.exemptions),
        }
    }
}

impl Validator for HostPath {
    fn validate(&self, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
        for volume in subject.pod.volumes() {
            if let Some(source) = volume.source("hostPath")
                && !subject.is_own(&volume)
            {
                self.judge(subject, &volume, source, findings);
            }
        }
    }
}

impl HostPath {
    fn judge(&self, subject: &Subject<'_>, volume: &Volume<'_>, source: &Value, findings: &mut Vec<Finding>) {
        let text = source.get("path").and_then(Value::as_str).unwrap_or_default();
        let field = format!("spec.volumes[{}].hostPath.path", volume.index);
        let entry = match text.parse() {
            Ok(path) => self.entry(&path),
            Err(error) => {
                findings.push(Finding { path: field, message: error.to_string() });
                return;
            }
        };
        match entry {
            None => findings.push(Finding { path: field, message: self.forbidden(text) }),
            Some(entry) if entry.read_only => demand_read_only(subject, volume.name(), text, findings),
            Some(_) => {}
        }
    }

    /// The longest entry that covers a path; of two alike the one that lets it be written.
    fn entry(&self, path: &AbsolutePath) -> Option<&Allowed> {
        self.allowed
            .iter()
            .filter(|entry| entry.path_prefix.is_at_or_above(path))
            .max_by_key(|entry| (entry.path_prefix.depth(), !entry.read_only))
    }

    fn forbidden(&self, path: &str) -> String {
        let word = |entry: &Allowed| {
            format!("{}{}", entry.path_prefix, if entry.read_only { " read-only" } else { "" })
        };
        let allowed = match self.allowed.as_slice() {
            [] => "none".to_owned(),
            entries => entries.iter().map(word).collect::<Vec<_>>().join(", "),
        };
        format!(
            "{path:?} is a path of the node (allowed: {allowed}); use an emptyDir, a configMap or a \
             persistentVolumeClaim instead, or ask the policy's owner for an exemption"
        )
    }
}

fn demand_read_only(subject: &Subject<'_>, volume: &str, path: &str, findings: &mut Vec<Finding>) {
    for container in subject.pod.containers() {
        for mount in container.mounts().filter(|mount| mount.volume() == volume && !mount.read_only()) {
            findings.push(Finding {
                path: format!("{container}.volumeMounts[{}].readOnly", mount.index),
                message: format!(
                    "{path:?} of the node may be mounted only read-only, and container {:?} mounts it writable; \
                     set readOnly: true",
                    container.name()
                ),
            });
        }
    }
}
