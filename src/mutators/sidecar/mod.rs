//! `Sidecar`: adds containers, volumes and settings that a policy holds, for whatever has no mutator of its own.
//!
//! What a policy holds goes into the Pod as it stands there. Nothing is a template: what a container is to know of
//! its Pod comes through Kubernetes' own downward API, so that no text of an app team ever becomes part of a command.
//!
//! The order is fixed: policies by name; init containers behind the Pod's own, or with `position: first` before them;
//! containers behind the Pod's own.

mod check;
mod hints;
mod objects;
mod recognise;
mod values;
mod work;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use self::objects::{Addition, Container, EnvVar, Object, Volume, VolumeMount};
use self::values::{HostAlias, Key, LabelValue};
use self::work::Work;
use super::{Ask, FailurePolicy, Mutator, Rejection, Rules, Spec};
use crate::pod::{Draft, Pod};
use crate::policy::{Match, Name, NonEmpty, OwnContainer, Subject};

/// The domain of the annotations that steer it.
const DOMAIN: &str = "sidecar.podwright.dev";

/// The spec of a `Sidecar` policy, its parts checked against each other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Fields")]
pub(super) struct Sidecar(Fields);

/// What a `Sidecar` policy holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    /// The Pods that may use it; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What becomes of a Pod for which Podwright's own result does not verify.
    #[serde(default)]
    failure_policy: FailurePolicy,
    /// Which of the Pods that it is for it serves.
    #[serde(default)]
    default: Default,
    /// Containers to add, behind those of the Pod.
    #[serde(default)]
    containers: Vec<Object<Container>>,
    /// Init containers to add; with `restartPolicy: Always`, native sidecars.
    #[serde(default)]
    init_containers: Vec<Object<Container>>,
    /// Where the init containers are added.
    #[serde(default)]
    position: Position,
    /// What becomes of native sidecars where a part of the cluster is older than 1.29, or not known.
    #[serde(default)]
    older_clusters: OlderClusters,
    /// What becomes of a Pod that should end, where a plain container may keep it from that.
    #[serde(default)]
    jobs: Jobs,
    /// Volumes to add.
    #[serde(default)]
    volumes: Vec<Object<Volume>>,
    /// Names of volumes that the Pod must bring, so that containers of the policy can mount them.
    #[serde(default)]
    app_volumes: Vec<Name>,
    /// Mounts to add to the app's containers.
    #[serde(default)]
    volume_mounts: Vec<Addition<VolumeMount>>,
    /// Variables to add to the app's containers.
    #[serde(default)]
    env: Vec<Addition<EnvVar>>,
    /// Secrets to pull images with, in the Pod's namespace.
    #[serde(default)]
    image_pull_secrets: Vec<NonEmpty>,
    /// Names to add to the Pod's `/etc/hosts`.
    #[serde(default)]
    host_aliases: Vec<HostAlias>,
    /// Whether the containers of the Pod see each other's processes.
    #[serde(default)]
    share_process_namespace: bool,
    /// Annotations to add.
    #[serde(default)]
    annotations: BTreeMap<Key, String>,
    /// Labels to add.
    #[serde(default)]
    labels: BTreeMap<Key, LabelValue>,
}

/// Which of the Pods that a policy is for it serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Default {
    /// Those that name it in their annotation.
    #[default]
    OptIn,
    /// All of them.
    ByMatch,
}

/// Where init containers are added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Position {
    /// Behind those of the Pod.
    #[default]
    Last,
    /// Before those of the Pod.
    First,
}

/// What becomes of native sidecars where the cluster may not know them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OlderClusters {
    /// The Pod is refused.
    #[default]
    Refuse,
    /// They are added as plain containers.
    Container,
}

/// What becomes of a Pod that should end and gets a plain container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Jobs {
    /// It is refused.
    #[default]
    Refuse,
    /// It is admitted, and its author told.
    Warn,
    /// It is admitted, for the containers of the policy end by themselves.
    Allow,
}

impl Spec for Sidecar {
    const KIND: &'static str = "Sidecar";
    const DOMAIN: &'static str = DOMAIN;
    const IS_ADDITIVE: bool = true;

    fn ask(subject: &Subject<'_>) -> Result<Ask, Rejection> {
        hints::ask(subject.pod)
    }

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.0.matching),
            failure_policy: self.0.failure_policy,
            by_default: self.0.default == Default::ByMatch,
        }
    }
}

impl Mutator for Sidecar {
    fn mutate(
        &self,
        subject: &Subject<'_>,
        draft: &mut Draft<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Vec<Rejection>> {
        Work::new(&self.0, subject, draft).run(warnings)
    }

    fn added_containers(&self) -> Vec<OwnContainer> {
        let of_policy = self.0.containers.iter().chain(&self.0.init_containers);
        of_policy
            .map(|one| OwnContainer { fields: one.document().clone(), variables: None, mounts_below: None })
            .collect()
    }

    fn own_containers<'p>(&self, pod: &'p Pod) -> Vec<&'p str> {
        let of_policy = || self.0.containers.iter().chain(&self.0.init_containers);
        let is_own = |held: &crate::pod::Container<'_>| of_policy().any(|one| recognise::is_ours(one, held));
        pod.containers().filter(is_own).map(|held| held.name()).collect()
    }
}

impl TryFrom<Fields> for Sidecar {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        check::check(&fields)?;
        Ok(Self(fields))
    }
}

impl Object<Container> {
    /// Whether it is an init container that keeps running beside the app.
    fn is_native(&self) -> bool {
        self.text("restartPolicy") == "Always"
    }
}
