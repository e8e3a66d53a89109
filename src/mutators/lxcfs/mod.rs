//! `LXCFS`: shows containers their own limits in `/proc` and `/sys`, where they would see those of the whole node.
//!
//! Every file is a read-only `hostPath` of type `File` or `Directory`, without `subPath`: on a node without LXCFS the
//! kubelet then tells a missing file, and makes no directory where LXCFS will want a file.

mod container;
mod files;
mod node;
mod obstacle;
mod wishes;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::container::{Found, Standing};
use self::files::{Cpus, Piece, ProcFile};
use self::node::NodeLabel;
use self::wishes::Wishes;
use super::{Ask, FailurePolicy, Mutator, Rejection, Rules, Spec};
use crate::pod::{AbsolutePath, Draft, Group, Mount, Node, Pod};
use crate::policy::{Glob, Match, OwnMount, Subject};

/// The domain of the annotations that steer it.
const DOMAIN: &str = "lxcfs.podwright.dev";
/// The names of the volumes that are added begin with this.
const VOLUME_PREFIX: &str = "podwright-lxcfs-";

/// The spec of an `LXCFS` policy, compiled.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Lxcfs {
    written: Written,
    pieces: Vec<Piece>,
}

/// The spec of an `LXCFS` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    /// The Pods that may use it; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What becomes of a Pod for which Podwright's own result does not verify.
    #[serde(default)]
    failure_policy: FailurePolicy,
    /// Which Pods it serves: those that ask, or all but those that do not want it.
    #[serde(default)]
    default: ByDefault,
    /// Where LXCFS is mounted on the nodes.
    #[serde(default = "root")]
    root: AbsolutePath,
    /// The files of `/proc` that containers get.
    #[serde(default = "files::usual")]
    files: Vec<ProcFile>,
    /// How containers get `/sys/devices/system/cpu`.
    #[serde(default)]
    cpus: Cpus,
    /// Which containers are served.
    #[serde(default)]
    containers: Containers,
    /// Whether init containers that end are served.
    #[serde(default)]
    init_containers: bool,
    /// Whether init containers that keep running beside the app are served.
    #[serde(default)]
    native_sidecars: bool,
    /// Whether the directory above `root` is mounted too, so that files can be mounted anew when LXCFS restarts.
    #[serde(default)]
    parent_mount: bool,
    /// A label that a Pod's node must have; none where it is left out.
    node_label: Option<NodeLabel>,
    /// Runtime classes, with `*` and `?`, whose Pods have a `/proc` that LXCFS cannot be mounted over.
    #[serde(default)]
    exclude_runtime_classes: Vec<Glob>,
}

/// Which Pods are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum ByDefault {
    /// Those that ask for it.
    #[default]
    OptIn,
    /// All but those that do not want it.
    OptOut,
}

/// Which containers are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Containers {
    /// Those with a limit of CPU or memory: LXCFS shows the others the node, as they see it anyway.
    #[default]
    Limited,
    /// All.
    All,
}

impl TryFrom<Written> for Lxcfs {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let pieces = files::pieces(&written)?;
        Ok(Self { written, pieces })
    }
}

impl JsonSchema for Lxcfs {
    fn schema_name() -> Cow<'static, str> {
        Self::KIND.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

impl Spec for Lxcfs {
    const KIND: &'static str = "LXCFS";
    const DOMAIN: &'static str = DOMAIN;

    fn ask(subject: &Subject<'_>) -> Result<Ask, Rejection> {
        wishes::ask(subject.pod)
    }

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.written.matching),
            failure_policy: self.written.failure_policy,
            by_default: self.written.default == ByDefault::OptOut,
        }
    }
}

impl Mutator for Lxcfs {
    fn mutate(
        &self,
        subject: &Subject<'_>,
        draft: &mut Draft<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Vec<Rejection>> {
        let wishes = Wishes::read(subject.pod)?;
        if let Some(obstacle) = self.obstacle(subject, draft.pod()) {
            if let Some(wish) = wishes.first() {
                return Err(vec![wish.reject(obstacle.message)]);
            }
            warnings.extend(
                obstacle.is_told.then(|| format!("LXCFS leaves this Pod alone: {}", obstacle.message)),
            );
            return Ok(Map::new());
        }
        let found = self.containers(draft, &wishes);
        self.tell(&found, &wishes, warnings)?;
        let served: Vec<_> = found.iter().filter(|one| one.standing == Standing::Served).collect();
        if served.is_empty() {
            return Ok(Map::new());
        }
        if draft.pod().spec("shareProcessNamespace").and_then(Node::as_bool) == Some(true) {
            warnings.push(
                "shareProcessNamespace: LXCFS shows every container what holds for the Pod's first process, not for \
                 itself"
                    .to_owned(),
            );
        }
        let facts = Map::from_iter([
            ("containers".to_owned(), json!(served.iter().map(|one| one.name.as_str()).collect::<Vec<_>>())),
            ("files".to_owned(), json!(self.pieces.iter().filter_map(Piece::fact).collect::<Vec<_>>())),
        ]);
        self.add_volumes(draft)?;
        for one in served {
            self.add_mounts(draft, one.group, one.index);
        }
        if let Some(label) = &self.written.node_label {
            draft.set_node_selector(label.key(), label.value());
        }
        Ok(facts)
    }

    fn own_mounts(&self) -> Vec<OwnMount> {
        self.pieces.iter().map(|piece| piece.mount.clone()).collect()
    }
}

impl Lxcfs {
    fn add_volumes(&self, draft: &mut Draft<'_>) -> Result<(), Vec<Rejection>> {
        let taken = |piece: &Piece, pod: &Pod| {
            let volume = pod.volume(&piece.volume).filter(|volume| !piece.mount.is_source(volume))?;
            let message =
                format!("{:?} is the name that Podwright gives its own; rename yours", piece.volume);
            Some(Rejection::new(format!("spec.volumes[{}].name", volume.index), message))
        };
        let has_ours = draft.pod().volumes().any(|volume| files::is_ours(volume.name()));
        if has_ours {
            let taken = self.pieces.iter().filter_map(|piece| taken(piece, draft.pod()));
            let rejections: Vec<_> = taken.collect();
            if !rejections.is_empty() {
                return Err(rejections);
            }
        }
        let is_missing = |piece: &&Piece| !has_ours || draft.pod().volume(&piece.volume).is_none();
        let missing: Vec<_> =
            self.pieces.iter().filter(is_missing).map(|piece| piece.entry.clone()).collect();
        draft.push_volumes(missing);
        Ok(())
    }

    fn add_mounts(&self, draft: &mut Draft<'_>, group: Group, index: usize) {
        let has_ours = mounts(draft.pod(), group, index).any(|mount| files::is_ours(mount.volume()));
        let is_missing = |piece: &&Piece| {
            !has_ours || !mounts(draft.pod(), group, index).any(|mount| piece.is_mounted_by(&mount))
        };
        let missing: Vec<_> =
            self.pieces.iter().filter(is_missing).map(|piece| piece.mounted.clone()).collect();
        draft.push_to_container(group, index, "volumeMounts", missing);
    }

    /// Tells what was asked for and is not given; a container that cannot have it must not pass in silence.
    fn tell(
        &self,
        found: &[Found],
        wishes: &Wishes<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Vec<Rejection>> {
        let mut rejections = Vec::new();
        let mut reasons = Vec::new();
        for one in found {
            match (&one.standing, wishes.narrowed(&one.name)) {
                (Standing::Conflicting(why), _) => {
                    warnings.push(format!("LXCFS leaves container {} alone: {why}", one.name));
                }
                (Standing::Unfit(why), Some(wish)) => rejections.push(wish.reject(why.clone())),
                (Standing::Unfit(why), None) => reasons.push(format!("container {}: {why}", one.name)),
                (Standing::Served | Standing::Unwanted, _) => {}
            }
        }
        let has_some = |wanted: fn(&Standing) -> bool| found.iter().any(|one| wanted(&one.standing));
        let is_in_vain =
            !has_some(|standing| matches!(standing, Standing::Served | Standing::Conflicting(_)));
        if let Some(wish) = wishes.for_all().filter(|_| is_in_vain && rejections.is_empty()) {
            let reasons = if reasons.is_empty() {
                "every container is turned off by an annotation of its own; remove one of them".to_owned()
            } else {
                reasons.join("; ")
            };
            rejections.push(wish.reject(format!("no container can have it: {reasons}")));
        }
        if rejections.is_empty() { Ok(()) } else { Err(rejections) }
    }
}

fn mounts(pod: &Pod, group: Group, index: usize) -> impl Iterator<Item = Mount<'_>> {
    pod.containers_in(group).nth(index).into_iter().flat_map(|container| container.mounts())
}

/// Where the packages of distributions mount it.
fn root() -> AbsolutePath {
    files::DEFAULT_ROOT.parse().unwrap_or_else(|_| AbsolutePath::of([]))
}
