//! The files that LXCFS serves, and the volumes and mounts that they become.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};
use serde_json::json;

use super::{VOLUME_PREFIX, Written};
use crate::mutators::container::Mounted;
use crate::pod::{AbsolutePath, Document, Mount};
use crate::policy::{OwnMount, nearest};

/// Where the packages of distributions mount LXCFS.
pub(super) const DEFAULT_ROOT: &str = "/var/lib/lxcfs";

/// The files of `/proc` that runc lets be mounted over and LXCFS serves; runc does not start a container that mounts
/// over another. Source: `validProcMounts` in runc's `libcontainer/rootfs_linux.go`.
const PERMITTED: [&str; 8] =
    ["cpuinfo", "meminfo", "stat", "uptime", "swaps", "diskstats", "loadavg", "slabinfo"];
/// Those that a container gets where the policy does not say.
const USUAL: [ProcFile; 7] = [
    ProcFile("cpuinfo"),
    ProcFile("meminfo"),
    ProcFile("stat"),
    ProcFile("uptime"),
    ProcFile("swaps"),
    ProcFile("diskstats"),
    ProcFile("loadavg"),
];
/// Directories of a node that no container may look into, so that none at or above them is mounted for LXCFS.
const PRIVATE: [&str; 22] = [
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/rancher",
    "/var/log",
    "/var/run",
];

/// A file of `/proc`, by its name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcFile(&'static str);

/// How containers get `/sys/devices/system/cpu`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Cpus {
    /// The whole directory.
    #[default]
    Directory,
    /// The file `online` in it alone, which is what the C library reads.
    Online,
    /// Not at all.
    None,
}

/// One volume of the Pod, mounted by every container that is served.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// The volume's name.
    pub(super) volume: String,
    /// What it is and how it is mounted.
    pub(super) mount: OwnMount,
    /// Where it is mounted, normalised.
    pub(super) at: AbsolutePath,
    /// The volume, as Pods get it.
    pub(super) entry: Document,
    /// The mount, as containers get it.
    pub(super) mounted: Document,
}

/// Whether a volume may be one of ours, as far as its name tells.
pub(super) fn is_ours(volume: &str) -> bool {
    volume.starts_with(VOLUME_PREFIX)
}

pub(super) fn usual() -> Vec<ProcFile> {
    USUAL.to_vec()
}

/// What a policy mounts.
pub(super) fn pieces(written: &Written) -> Result<Vec<Piece>, String> {
    if written.root == AbsolutePath::of([]) {
        return Err(format!("root: LXCFS cannot be mounted at /; expected a path such as {DEFAULT_ROOT}"));
    }
    let root = written.root.as_str();
    if root.contains(':') {
        return Err(format!("root: {root:?} has a colon, and Kubernetes takes none in a path to mount at"));
    }
    let mut pieces = Vec::new();
    for (place, ProcFile(file)) in written.files.iter().enumerate() {
        if written.files.iter().take(place).any(|earlier| earlier.0 == *file) {
            return Err(format!("files: {file} stands there twice; leave one out"));
        }
        pieces.push(Piece::new(file, &format!("{root}/proc/{file}"), &format!("/proc/{file}"), "File")?);
    }
    let cpus = "/sys/devices/system/cpu";
    match written.cpus {
        Cpus::None => {}
        Cpus::Directory => pieces.push(Piece::new("cpu", &format!("{root}{cpus}"), cpus, "Directory")?),
        Cpus::Online => {
            let online = format!("{cpus}/online");
            pieces.push(Piece::new("cpu-online", &format!("{root}{online}"), &online, "File")?);
        }
    }
    if pieces.is_empty() {
        return Err(
            "files is empty and cpus is none, so there is nothing to mount; name a file, or delete the policy"
                .to_owned(),
        );
    }
    if written.parent_mount {
        pieces.push(parent(&written.root)?);
    }
    Ok(pieces)
}

/// The directory above LXCFS, into which the node's later mounts propagate.
fn parent(root: &AbsolutePath) -> Result<Piece, String> {
    let parent = root.parent().unwrap_or_else(|| AbsolutePath::of([]));
    let is_above = |private: &&&str| private.parse().is_ok_and(|path| parent.is_at_or_above(&path));
    if let Some(private) = PRIVATE.iter().find(is_above) {
        return Err(format!(
            "parentMount: it would show every container the node's {parent}, and so {private}; give LXCFS a directory \
             of its own, such as root: /var/lib/podwright/lxcfs"
        ));
    }
    let mount = OwnMount {
        host_path: parent.as_str().to_owned(),
        host_path_type: "Directory",
        mount_path: parent.as_str().to_owned(),
        propagation: Some("HostToContainer"),
    };
    Piece::of("parent", mount)
}

impl Piece {
    fn new(name: &str, host_path: &str, mount_path: &str, kind: &'static str) -> Result<Self, String> {
        let mount = OwnMount {
            host_path: host_path.to_owned(),
            host_path_type: kind,
            mount_path: mount_path.to_owned(),
            propagation: None,
        };
        Self::of(name, mount)
    }

    fn of(name: &str, mount: OwnMount) -> Result<Self, String> {
        let volume = format!("{VOLUME_PREFIX}{name}");
        let OwnMount { host_path, host_path_type, mount_path, propagation } = &mount;
        let source = json!({ "path": host_path, "type": host_path_type });
        let mounted = Mounted {
            name: &volume,
            mount_path,
            read_only: true,
            mount_propagation: *propagation,
            ..Mounted::default()
        };
        Ok(Self {
            at: mount_path.parse().map_err(|error| format!("{error}"))?,
            entry: Document::of(&json!({ "name": volume, "hostPath": source })),
            mounted: Document::of(&mounted),
            volume,
            mount,
        })
    }

    /// What a person cares for: the file that tells the truth now.
    pub(super) fn fact(&self) -> Option<&str> {
        self.mount.propagation.is_none().then_some(&self.mount.mount_path)
    }

    /// Whether a mount is this piece, as an earlier pass has added it.
    pub(super) fn is_mounted_by(&self, mount: &Mount<'_>) -> bool {
        mount.volume() == self.volume && self.mount.is_mount(mount)
    }
}

impl<'de> Deserialize<'de> for ProcFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if let Some(known) = PERMITTED.into_iter().find(|known| *known == name) {
            return Ok(Self(known));
        }
        let hint = match nearest(name.trim_start_matches("/proc/"), PERMITTED) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("expected one of {}", PERMITTED.join(", ")),
        };
        Err(de::Error::custom(format!(
            "runc starts no container that mounts over /proc/{}, or LXCFS does not serve it; {hint}",
            name.trim_start_matches("/proc/")
        )))
    }
}

impl JsonSchema for ProcFile {
    fn schema_name() -> Cow<'static, str> {
        "ProcFile".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "enum": PERMITTED })
    }
}
