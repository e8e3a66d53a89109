//! How the library reaches the Pod: copied by an init container, or as an image mounted as a volume.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};

use super::library::Directory;
use super::{CONTAINER, DOMAIN, VOLUME};
use crate::mutators::Rejection;
use crate::mutators::container::{ImagePullPolicy, Resources};
use crate::pod::{Container, Draft, Group, Pod, Quantity};
use crate::policy::NonEmpty;
use crate::view::{Version, View};

/// Since when an image can be a volume without an alpha gate (KEP-4639).
const IMAGE_VOLUMES: Version = Version::v1(33);

/// How the library reaches the Pod.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Delivery {
    /// An init container copies it into an `emptyDir`.
    InitContainer(InitContainer),
    /// The image itself is mounted. For clusters of Kubernetes 1.33 or later with the feature ImageVolume.
    ImageVolume(ImageVolume),
}

/// The container that copies the library.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InitContainer {
    /// An image with the libraries, for every architecture of the cluster.
    image: NonEmpty,
    /// When the image is pulled.
    #[serde(default)]
    image_pull_policy: ImagePullPolicy,
    /// Secrets to pull the image with, in the Pod's namespace.
    #[serde(default)]
    image_pull_secrets: Vec<NonEmpty>,
    /// What copies them to `mountPath`: a program and its arguments.
    command: Command,
    /// The user that copies; null for the image's.
    #[serde(default = "nobody")]
    run_as_user: Option<i64>,
    /// The group that copies; null for the image's.
    #[serde(default = "nobody")]
    run_as_group: Option<i64>,
    /// The container's resources.
    #[serde(default)]
    resources: Resources,
    /// The size of the `emptyDir`.
    #[serde(default = "sixteen_mebibytes")]
    size_limit: Quantity,
}

/// The image that is mounted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImageVolume {
    /// An image with the libraries, for every architecture of the cluster.
    image: NonEmpty,
    /// When the image is pulled.
    #[serde(default)]
    image_pull_policy: ImagePullPolicy,
    /// Secrets to pull the image with, in the Pod's namespace.
    #[serde(default)]
    image_pull_secrets: Vec<NonEmpty>,
}

/// A program and its arguments.
#[derive(Debug, JsonSchema)]
#[schemars(transparent)]
struct Command(#[schemars(length(min = 1))] Vec<NonEmpty>);

impl Delivery {
    /// The word that policies have for it.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::InitContainer(_) => "initContainer",
            Self::ImageVolume(_) => "imageVolume",
        }
    }

    /// Gives the Pod the volume with the library; does nothing where it has it.
    pub(super) fn deliver(
        &self,
        directory: &Directory,
        view: &View,
        draft: &mut Draft<'_>,
    ) -> Result<(), Vec<Rejection>> {
        let (kind, source, secrets) = match self {
            Self::InitContainer(copy) => {
                ("emptyDir", json!({ "sizeLimit": copy.size_limit }), &copy.image_pull_secrets)
            }
            Self::ImageVolume(volume) => {
                can_mount_images(view)?;
                ("image", volume.source(), &volume.image_pull_secrets)
            }
        };
        match draft.pod().volume(VOLUME) {
            None => draft.push_volume(json!({ "name": VOLUME, kind: source })),
            Some(volume) if volume.source(kind).is_some() => {}
            Some(volume) => return Err(vec![taken(&format!("spec.volumes[{}].name", volume.index), VOLUME)]),
        }
        if let Self::InitContainer(copy) = self {
            copy.add(directory, draft)?;
        }
        for secret in secrets {
            draft.add_image_pull_secret(secret.as_str());
        }
        Ok(())
    }
}

impl InitContainer {
    /// Puts the container in front of all others: those behind it find the library.
    fn add(&self, directory: &Directory, draft: &mut Draft<'_>) -> Result<(), Vec<Rejection>> {
        let holder = draft.pod().containers().find(|container| container.name() == CONTAINER);
        let Some(holder) = holder else {
            let container = self.container(directory, draft.pod());
            draft.push_first_init_container(container);
            return Ok(());
        };
        if is_ours(&holder) { Ok(()) } else { Err(vec![taken(&format!("{holder}.name"), CONTAINER)]) }
    }

    /// It passes the `restricted` Pod Security Standard.
    fn container(&self, directory: &Directory, pod: &Pod) -> Value {
        let mut security = Map::new();
        security.insert("allowPrivilegeEscalation".to_owned(), false.into());
        security.insert("readOnlyRootFilesystem".to_owned(), true.into());
        security.insert("runAsNonRoot".to_owned(), (self.run_as_user != Some(0)).into());
        for (field, id) in [("runAsUser", self.run_as_user), ("runAsGroup", self.run_as_group)] {
            security.extend(id.map(|id| (field.to_owned(), id.into())));
        }
        security.insert("capabilities".to_owned(), json!({ "drop": ["ALL"] }));
        security.insert("seccompProfile".to_owned(), json!({ "type": "RuntimeDefault" }));
        let command: Vec<_> = self.command.0.iter().map(NonEmpty::as_str).collect();
        json!({
            "name": CONTAINER,
            "image": self.image.as_str(),
            "imagePullPolicy": self.image_pull_policy,
            "command": command,
            "resources": self.resources.within(pod),
            "securityContext": security,
            "volumeMounts": [{ "name": VOLUME, "mountPath": directory.as_str() }],
        })
    }
}

/// Whether an earlier pass has added it: it has our name and our volume.
pub(super) fn is_ours(container: &Container<'_>) -> bool {
    container.group == Group::Init
        && container.name() == CONTAINER
        && container.mounts().any(|mount| mount.volume() == VOLUME)
}

impl ImageVolume {
    fn source(&self) -> Value {
        json!({ "reference": self.image.as_str(), "pullPolicy": self.image_pull_policy })
    }
}

/// An older API server would drop the volume's source, and an older kubelet never start the Pod. What is not known is
/// not held against the policy: it says that the cluster can.
fn can_mount_images(view: &View) -> Result<(), Vec<Rejection>> {
    let parts = [("API server", view.api_server), ("oldest kubelet", view.oldest_kubelet)];
    let old =
        parts.into_iter().find_map(|(part, version)| Some((part, version.filter(|it| *it < IMAGE_VOLUMES)?)));
    old.map_or(Ok(()), |(part, version)| {
        let message = format!(
            "the policy delivers libfaketime as an image volume, which needs Kubernetes {IMAGE_VOLUMES}, and the \
             cluster's {part} is {version}; ask the cluster team for a policy with delivery.initContainer"
        );
        Err(vec![Rejection::new(format!("annotations under {DOMAIN}"), message)])
    })
}

fn taken(place: &str, name: &str) -> Rejection {
    Rejection::new(place, format!("{name:?} is the name that Podwright gives its own; rename yours"))
}

// The number that images and distributions have for it.
#[expect(clippy::unnecessary_wraps, reason = "a default of a field that may be null")]
fn nobody() -> Option<i64> {
    Some(65_534)
}

fn sixteen_mebibytes() -> Quantity {
    Quantity::mebibytes(16)
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<NonEmpty>::deserialize(deserializer)?;
        if words.is_empty() {
            return Err(de::Error::custom(
                "expected a program and its arguments, such as [cp, -r, /glibc, /to]",
            ));
        }
        Ok(Self(words))
    }
}
