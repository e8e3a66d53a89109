//! What Podwright itself mounts from nodes, so that no validator takes it for its author's.
//!
//! A volume is told by what it is and how it is mounted, never by its name: anyone can give a volume any name.

use crate::pod::{Mount, Volume};

/// One mount from the node that Podwright adds to containers, always read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnMount {
    /// The path on the node, letter for letter.
    pub host_path: String,
    /// The `type` of the `hostPath`. Others make a file or directory on the node where there is none.
    pub host_path_type: &'static str,
    /// Where it appears in the container, letter for letter.
    pub mount_path: String,
    /// The `mountPropagation`; `None` where it has none.
    pub propagation: Option<&'static str>,
}

impl OwnMount {
    /// Whether a volume is the one that this mounts.
    #[must_use]
    pub fn is_source(&self, volume: &Volume<'_>) -> bool {
        let text = |field: &str| volume.source("hostPath")?.get(field)?.as_str();
        text("path") == Some(&self.host_path) && text("type") == Some(self.host_path_type)
    }

    /// Whether a container mounts the volume as this does.
    #[must_use]
    pub fn is_mount(&self, mount: &Mount<'_>) -> bool {
        mount.path() == self.mount_path
            && mount.read_only()
            && mount.sub_path().is_none()
            && mount.sub_path_expr().is_none()
            && mount.propagation().filter(|propagation| *propagation != "None") == self.propagation
    }
}
