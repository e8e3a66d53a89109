//! `HostPath`: which paths of the node a Pod may mount, and whether it may write there.
//!
//! Paths are compared by whole segments after normalisation. Of several entries that cover a path the longest
//! counts. A read-only entry asks that every mount of the volume is read-only, in containers, init containers and
//! ephemeral containers. A volume that nobody mounts counts too: an ephemeral container could mount it later.
//!
//! A PersistentVolume of type `hostPath` or `local` is a path of the node too: it is judged when it is created, and again
//! behind the claim of a Pod.
//!
//! What Podwright itself mounts (LXCFS) is no violation: `/validate` and a second `/mutate` see it in the Pod.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Finding, Rules, Spec, Validator};
use crate::pod::{AbsolutePath, Node, PathError, Volume};
use crate::policy::{Action, Exemption, Match, Subject};
use crate::view::{ClaimName, VolumeSpec};

/// The spec of a `HostPath` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
    /// PersistentVolumes that are paths of a node.
    #[serde(default)]
    persistent_volumes: PersistentVolumes,
    /// Exceptions.
    #[serde(default)]
    exemptions: Vec<Exemption>,
}

/// PersistentVolumes of type `hostPath` or `local`: on their own creation, and behind a Pod's claim.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PersistentVolumes {
    /// The paths that they may be, besides those that a Pod may mount itself.
    #[serde(default)]
    allowed: Vec<Allowed>,
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
            match volume.sources(["hostPath", "persistentVolumeClaim"]) {
                [Some(source), _] if !subject.is_own(&volume) => {
                    self.judge_volume(subject, &volume, source, findings);
                }
                [None, Some(source)] => self.judge_claim(subject, &volume, source, findings),
                _ => {}
            }
        }
    }

    fn validate_persistent_volume(&self, volume: &Value, findings: &mut Vec<Finding>) {
        if let Some((field, path)) = VolumeSpec::read(volume).path()
            && let Err(message) = self.find(path, Through::PersistentVolume)
        {
            let brief = Some(Through::PersistentVolume.forbidden(path));
            findings.push(Finding { path: field.to_owned(), message, brief });
        }
    }

    fn judges_ephemeral_containers(&self) -> bool {
        true
    }

    fn judges_persistent_volumes(&self) -> bool {
        true
    }
}

/// How a Pod comes to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Through {
    /// By a volume of its own.
    Volume,
    /// By a claim, to whose PersistentVolume more paths are open.
    PersistentVolume,
}

impl Through {
    fn forbidden(self, path: &str) -> String {
        let instead = match self {
            Self::Volume => "an emptyDir or a claim",
            Self::PersistentVolume => "another storage class",
        };
        format!("{path:?} is of the node; use {instead}")
    }
}

impl HostPath {
    fn judge_volume(
        &self,
        subject: &Subject<'_>,
        volume: &Volume<'_>,
        source: Node<'_>,
        findings: &mut Vec<Finding>,
    ) {
        let text = source.get("path").and_then(Node::as_str).unwrap_or_default();
        match self.find(text, Through::Volume) {
            Ok(entry) if entry.read_only => demand_read_only(subject, volume, text, findings),
            Ok(_) => {}
            Err(message) => {
                let path = format!("spec.volumes[{}].hostPath.path", volume.index);
                let brief = Some(Through::Volume.forbidden(text));
                findings.push(Finding { path, message, brief });
            }
        }
    }

    fn judge_claim(
        &self,
        subject: &Subject<'_>,
        volume: &Volume<'_>,
        source: Node<'_>,
        findings: &mut Vec<Finding>,
    ) {
        let claim = source.get("claimName").and_then(Node::as_str).unwrap_or_default();
        let claim = ClaimName { namespace: subject.namespace.to_owned(), name: claim.to_owned() };
        let Some((name, behind)) = subject.view.node_volumes.get(&claim) else { return };
        let is_read_only = source.get("readOnly").and_then(Node::as_bool) == Some(true);
        match self.find(&behind.path, Through::PersistentVolume) {
            Ok(entry) if entry.read_only && !is_read_only => {
                demand_read_only(subject, volume, &behind.path, findings);
            }
            Ok(_) => {}
            Err(message) => {
                let path = format!("spec.volumes[{}].persistentVolumeClaim.claimName", volume.index);
                let message =
                    format!("claim {:?} is bound to PersistentVolume {name:?}: {message}", claim.name);
                let brief = Some(Through::PersistentVolume.forbidden(&behind.path));
                findings.push(Finding { path, message, brief });
            }
        }
    }

    /// The entry that covers a path: the longest, of two alike the one that lets it be written.
    ///
    /// # Errors
    /// When there is none, with the message.
    fn find(&self, text: &str, through: Through) -> Result<&Allowed, String> {
        let path: AbsolutePath = text.parse().map_err(|error: PathError| error.to_string())?;
        let behind = if through == Through::PersistentVolume {
            self.persistent_volumes.allowed.as_slice()
        } else {
            &[]
        };
        let entries = || self.allowed.iter().chain(behind);
        entries()
            .filter(|entry| entry.path_prefix.is_at_or_above(&path))
            .max_by_key(|entry| (entry.path_prefix.depth(), !entry.read_only))
            .ok_or_else(|| forbidden(text, entries(), through))
    }
}

fn forbidden<'e>(path: &str, allowed: impl Iterator<Item = &'e Allowed>, through: Through) -> String {
    let word =
        |entry: &Allowed| format!("{}{}", entry.path_prefix, if entry.read_only { " read-only" } else { "" });
    let allowed: Vec<_> = allowed.map(word).collect();
    let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
    let instead = match through {
        Through::Volume => "use an emptyDir, a configMap or a persistentVolumeClaim instead",
        Through::PersistentVolume => "use a storage class whose volumes are no paths of a node",
    };
    format!(
        "{path:?} is a path of the node (allowed: {allowed}); {instead}, or ask the policy's owner for an exemption"
    )
}

fn demand_read_only(subject: &Subject<'_>, volume: &Volume<'_>, path: &str, findings: &mut Vec<Finding>) {
    let name = volume.name();
    // A mount means the first volume of its name; Kubernetes takes no second.
    if subject.pod.volume(name).is_some_and(|first| first.index != volume.index) {
        return;
    }
    for container in subject.pod.containers() {
        for mount in container.mounts().filter(|mount| mount.volume() == name && !mount.read_only()) {
            findings.push(Finding {
                path: format!("{container}.volumeMounts[{}].readOnly", mount.index),
                brief: Some(format!("{path:?} may only be read; set it to true")),
                message: format!(
                    "{path:?} of the node may be mounted only read-only, and container {:?} mounts it writable; \
                     set readOnly: true",
                    container.name()
                ),
            });
        }
    }
}
