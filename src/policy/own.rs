//! What Podwright itself adds to Pods, so that no validator takes it for its author's.

use super::matching::Match;
use super::own_container::OwnContainer;
use super::own_mount::OwnMount;
use crate::pod::{Container, Pod, Volume};

/// What one policy of a mutator adds.
#[derive(Debug)]
pub struct Own {
    /// The Pods that the policy is for.
    pub matching: Match,
    /// What it mounts from nodes.
    pub mounts: Vec<OwnMount>,
    /// Its containers.
    pub containers: Vec<OwnContainer>,
}

impl Own {
    /// Whether a volume is one of these, is mounted at all, and everywhere as it should be.
    ///
    /// One that nobody mounts is not: an ephemeral container could mount it later, anywhere.
    pub(super) fn covers(&self, pod: &Pod, volume: &Volume<'_>) -> bool {
        let mut is_mounted = false;
        let is_sound = self.mounts.iter().filter(|own| own.is_source(volume)).any(|own| {
            let mounts = pod.containers().flat_map(|container| container.mounts());
            mounts.filter(|mount| mount.volume() == volume.name()).all(|mount| {
                is_mounted = true;
                own.is_mount(&mount)
            })
        });
        is_sound && is_mounted
    }

    /// Whether a container is one of these.
    pub(super) fn has(&self, container: &Container<'_>) -> bool {
        self.containers.iter().any(|own| own.is(container))
    }
}
