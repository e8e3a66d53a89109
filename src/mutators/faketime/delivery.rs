//! How the library reaches the Pod: copied by an init container, or as an image mounted as a volume.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::json;

use super::library::Directory;
use super::{CONTAINER, DOMAIN, VOLUME};
use crate::mutators::Rejection;
use crate::mutators::container::{Added, EmptyVolume, ImagePullPolicy, Mounted, Resources, Restricted};
use crate::pod::{Container, Document, Draft, Group, Pod, Quantity};
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
        let (kind, volume, secrets) = match self {
            Self::InitContainer(copy) => {
                let volume = Document::of(&EmptyVolume::new(VOLUME, &copy.size_limit));
                ("emptyDir", volume, &copy.image_pull_secrets)
            }
            Self::ImageVolume(image) => {
                can_mount_images(view)?;
                ("image", image.volume(), &image.image_pull_secrets)
            }
        };
        match draft.pod().volume(VOLUME) {
            None => draft.push_volumes([volume]),
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

    fn container(&self, directory: &Directory, pod: &Pod) -> Document {
        let mount = Mounted { name: VOLUME, mount_path: directory.as_str(), ..Mounted::default() };
        let mount = Document::of(&mount);
        Document::of(&Added {
            name: CONTAINER,
            image: self.image.as_str(),
            image_pull_policy: self.image_pull_policy,
            command: self.command.0.iter().map(NonEmpty::as_str).collect(),
            args: Vec::new(),
            restart_policy: None,
            env: Vec::new(),
            resources: self.resources.within(pod),
            security_context: Restricted::of(self.run_as_user, self.run_as_group),
            volume_mounts: vec![&mount],
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
    fn volume(&self) -> Document {
        let source = json!({ "reference": self.image.as_str(), "pullPolicy": self.image_pull_policy });
        Document::of(&json!({ "name": VOLUME, "image": source }))
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
