//! Which containers of a Pod are served, and why others are not.

use super::files::{self, Piece};
use super::wishes::{Wishes, candidates};
use super::{ByDefault, Containers, Lxcfs};
use crate::pod::{AbsolutePath, Container, Draft, Group, Mount, Node, Pod, Quantity};

/// A container, and how it stands to LXCFS.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) group: Group,
    pub(super) index: usize,
    pub(super) standing: Standing,
}

/// How a container stands to LXCFS.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It gets the files.
    Served,
    /// Nobody asks for it.
    Unwanted,
    /// The policy leaves it out, or it would be of no use: why, and what to change.
    Unfit(String),
    /// It mounts something there itself.
    Conflicting(String),
}

impl Lxcfs {
    /// Every container that could be served, and how it stands.
    pub(super) fn containers(&self, draft: &Draft<'_>, wishes: &Wishes<'_>) -> Vec<Found> {
        let pod = draft.pod();
        let standing = |container: &Container<'_>| {
            let by_default = self.written.default == ByDefault::OptOut;
            if !wishes.of(container.name()).unwrap_or(by_default) {
                return Standing::Unwanted;
            }
            // One that a policy adds would be served on a second pass alone.
            if !draft.is_authors(container) {
                return Standing::Unfit("it is one of Podwright's own".to_owned());
            }
            match (self.unfit(pod, container), self.conflict(container)) {
                (Some(why), _) => Standing::Unfit(why),
                (None, Some(why)) => Standing::Conflicting(why),
                (None, None) => Standing::Served,
            }
        };
        let found = |container: Container<'_>| Found {
            name: container.name().to_owned(),
            group: container.group,
            index: container.index,
            standing: standing(&container),
        };
        candidates(pod).map(found).collect()
    }

    fn unfit(&self, pod: &Pod, container: &Container<'_>) -> Option<String> {
        let is_init = container.group == Group::Init && !container.is_native_sidecar();
        if is_init && !self.written.init_containers {
            Some("the cluster's policy leaves init containers out (initContainers)".to_owned())
        } else if container.is_native_sidecar() && !self.written.native_sidecars {
            Some("the cluster's policy leaves native sidecars out (nativeSidecars)".to_owned())
        } else if self.written.containers == Containers::Limited && !is_limited(pod, container) {
            Some(
                "it has no limit of CPU or memory, so LXCFS would show it the node; set resources.limits"
                    .to_owned(),
            )
        } else {
            None
        }
    }

    /// What the container itself mounts at, above or below a piece, if anything.
    fn conflict(&self, container: &Container<'_>) -> Option<String> {
        let pieces = &self.pieces;
        let is_own = |mount: &Mount<'_>| {
            files::is_ours(mount.volume()) && pieces.iter().any(|piece| piece.is_mounted_by(mount))
        };
        let mut foreign = container.mounts().filter(|mount| !is_own(mount));
        foreign.find_map(|mount| {
            // Runtimes take a relative path from the root. A path that leads back (`..`) may lead anywhere.
            let at = format!("/{}", mount.path()).parse::<AbsolutePath>().ok();
            let is_in_the_way = |piece: &&Piece| {
                at.as_ref().is_none_or(|at| at.is_at_or_above(&piece.at) || piece.at.is_at_or_above(at))
            };
            let piece = pieces.iter().find(is_in_the_way)?;
            Some(format!(
                "it mounts {:?} at {:?}, in the way of {}; remove that",
                mount.volume(),
                mount.path(),
                piece.at
            ))
        })
    }
}

/// Whether CPU or memory is limited, for the container or for the Pod as a whole (Kubernetes 1.34).
fn is_limited(pod: &Pod, container: &Container<'_>) -> bool {
    let of_pod = pod.spec("resources").and_then(|resources| resources.get("limits"));
    ["cpu", "memory"].into_iter().any(|resource| {
        let of_pod = of_pod.and_then(|limits| limits.get(resource));
        [container.resource("limits", resource), of_pod].into_iter().flatten().any(is_some_quantity)
    })
}

/// A limit of zero is none.
fn is_some_quantity(value: Node<'_>) -> bool {
    Quantity::read(value).is_some_and(|quantity| !quantity.is_zero_or_less())
}
