//! What mutators add to Pods: containers, mounts and volumes, in the shapes that they have in common.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Not;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod::{COMPUTE, Document, Pod, Quantity};

/// When an image is pulled.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
pub(super) enum ImagePullPolicy {
    /// Every time.
    Always,
    /// When the node does not have it.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

/// Resources of a container.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Resources {
    /// What is reserved.
    requests: BTreeMap<String, Quantity>,
    /// What may be used.
    limits: BTreeMap<String, Quantity>,
}

impl Resources {
    /// Whether a Guaranteed Pod stays so with them: they say how much CPU and memory there is.
    pub(super) fn is_complete(&self) -> bool {
        COMPUTE
            .iter()
            .all(|resource| self.limits.contains_key(*resource) || self.requests.contains_key(*resource))
    }

    /// As the policy has them.
    pub(super) fn as_written(&self) -> Amounts<'_> {
        Amounts { requests: Cow::Borrowed(&self.requests), limits: Cow::Borrowed(&self.limits) }
    }

    /// As they go into a Pod; in a Guaranteed Pod the requests are the limits, or the Pod would be Burstable.
    pub(super) fn within(&self, pod: &Pod) -> Amounts<'_> {
        let mut amounts = self.as_written();
        if pod.is_guaranteed() {
            for resource in COMPUTE {
                let amount = self.limits.get(resource).or_else(|| self.requests.get(resource));
                if let Some(amount) = amount {
                    amounts.limits.to_mut().insert(resource.to_owned(), amount.clone());
                    amounts.requests.to_mut().insert(resource.to_owned(), amount.clone());
                }
            }
        }
        amounts
    }
}

/// A container that a mutator adds. It passes the `restricted` Pod Security Standard.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Added<'a> {
    pub(super) name: &'static str,
    pub(super) image: &'a str,
    pub(super) image_pull_policy: ImagePullPolicy,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) command: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) args: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<&'a Document>,
    pub(super) resources: Amounts<'a>,
    pub(super) security_context: Restricted,
    pub(super) volume_mounts: Vec<&'a Document>,
}

/// The resources of one container.
#[derive(Debug, Serialize)]
pub(super) struct Amounts<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    requests: Cow<'a, BTreeMap<String, Quantity>>,
    #[serde(skip_serializing_if = "is_empty")]
    limits: Cow<'a, BTreeMap<String, Quantity>>,
}

impl Amounts<'_> {
    /// Whether the policy has them so.
    pub(super) fn are_as_written(&self) -> bool {
        matches!((&self.requests, &self.limits), (Cow::Borrowed(_), Cow::Borrowed(_)))
    }
}

#[expect(clippy::ptr_arg, reason = "serde passes the field")]
fn is_empty(amounts: &Cow<'_, BTreeMap<String, Quantity>>) -> bool {
    amounts.is_empty()
}

/// The security context of the `restricted` Pod Security Standard.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Restricted {
    allow_privilege_escalation: bool,
    read_only_root_filesystem: bool,
    run_as_non_root: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as_user: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as_group: Option<i64>,
    capabilities: Capabilities,
    seccomp_profile: SeccompProfile,
}

#[derive(Debug, Serialize)]
struct Capabilities {
    drop: [&'static str; 1],
}

#[derive(Debug, Serialize)]
struct SeccompProfile {
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Restricted {
    /// That of a user and a group; the image's where there is none.
    pub(super) fn of(user: Option<i64>, group: Option<i64>) -> Self {
        Self {
            allow_privilege_escalation: false,
            read_only_root_filesystem: true,
            run_as_non_root: user != Some(0),
            run_as_user: user,
            run_as_group: group,
            capabilities: Capabilities { drop: ["ALL"] },
            seccomp_profile: SeccompProfile { kind: "RuntimeDefault" },
        }
    }
}

/// A mount that a mutator adds.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mounted<'a> {
    pub(super) name: &'a str,
    pub(super) mount_path: &'a str,
    #[serde(skip_serializing_if = "Not::not")]
    pub(super) read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_path_expr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mount_propagation: Option<&'a str>,
}

/// An empty volume that a mutator adds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EmptyVolume<'a> {
    name: &'a str,
    empty_dir: EmptyDir<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EmptyDir<'a> {
    size_limit: &'a Quantity,
}

impl<'a> EmptyVolume<'a> {
    /// One of this name that holds at most so much.
    pub(super) fn new(name: &'a str, size_limit: &'a Quantity) -> Self {
        Self { name, empty_dir: EmptyDir { size_limit } }
    }
}
