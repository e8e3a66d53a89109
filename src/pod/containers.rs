//! Containers of all three groups, and their mounts.

use std::fmt;

use super::Node;
use super::port::Port;

/// The three lists of containers that a Pod has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// `spec.containers`.
    App,
    /// `spec.initContainers`, native sidecars among them.
    Init,
    /// `spec.ephemeralContainers`.
    Ephemeral,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::App, Self::Init, Self::Ephemeral];

    /// The fields of `spec` that hold them.
    pub(super) const FIELDS: [&str; 3] = [Self::App.field(), Self::Init.field(), Self::Ephemeral.field()];

    /// The field of `spec` that holds this group.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::App => "containers",
            Self::Init => "initContainers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

/// One container.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// The list that it stands in.
    pub group: Group,
    /// Its place in that list.
    pub index: usize,
    pub(super) raw: Node<'a>,
}

impl<'a> Container<'a> {
    /// Those of one group, in the document's order.
    pub(super) fn all(group: Group, list: Option<Node<'a>>) -> impl Iterator<Item = Self> + use<'a> {
        let list = list.and_then(Node::as_array).into_iter().flatten();
        list.enumerate().map(move |(index, raw)| Self { group, index, raw })
    }

    /// Its name; empty where there is none.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.raw.get("name").and_then(Node::as_str).unwrap_or_default()
    }

    /// One field.
    #[must_use]
    #[inline]
    pub fn field(&self, field: &str) -> Option<Node<'a>> {
        self.raw.get(field).filter(|value| !value.is_null())
    }

    /// One field of its `securityContext`.
    #[must_use]
    pub fn security(&self, field: &str) -> Option<Node<'a>> {
        self.field("securityContext")?.get(field).filter(|value| !value.is_null())
    }

    /// The quantity of one resource (`cpu`) in one list (`requests`, `limits`).
    #[must_use]
    pub fn resource(&self, list: &str, resource: &str) -> Option<Node<'a>> {
        self.field("resources")?.get(list)?.get(resource)
    }

    /// Whether it is an init container that keeps running beside the app (1.29 and later).
    #[must_use]
    pub fn is_native_sidecar(&self) -> bool {
        self.group == Group::Init && self.field("restartPolicy").and_then(Node::as_str) == Some("Always")
    }

    /// Its volume mounts, in the document's order.
    pub fn mounts(&self) -> impl Iterator<Item = Mount<'a>> + use<'a> {
        self.list("volumeMounts").enumerate().map(|(index, raw)| Mount { index, raw })
    }

    /// The ports that it declares, in the document's order.
    pub fn ports(&self) -> impl Iterator<Item = Port<'a>> + use<'a> {
        self.list("ports").enumerate().map(|(index, raw)| Port { index, raw })
    }

    /// The entry of `env` of this name; of several the last, as Kubernetes takes it.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<Node<'a>> {
        self.list("env").filter(|entry| entry.get("name").and_then(Node::as_str) == Some(name)).last()
    }

    /// The whole container.
    #[must_use]
    pub fn node(&self) -> Node<'a> {
        self.raw
    }

    #[inline]
    fn list(&self, field: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
        self.field(field).and_then(Node::as_array).into_iter().flatten()
    }
}

/// Its field path: `spec.containers[1]`.
impl fmt::Display for Container<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "spec.{}[{}]", self.group.field(), self.index)
    }
}

/// One entry of a container's `volumeMounts`.
#[derive(Debug, Clone, Copy)]
pub struct Mount<'a> {
    /// Its place in `volumeMounts`.
    pub index: usize,
    raw: Node<'a>,
}

impl<'a> Mount<'a> {
    /// The volume that it mounts.
    #[must_use]
    pub fn volume(&self) -> &'a str {
        self.text("name").unwrap_or_default()
    }

    /// Where the volume appears in the container.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.text("mountPath").unwrap_or_default()
    }

    /// The part of the volume that appears, if not all of it.
    #[must_use]
    pub fn sub_path(&self) -> Option<&'a str> {
        self.text("subPath").filter(|path| !path.is_empty())
    }

    /// The same with `$(VAR)` references to the container's environment.
    #[must_use]
    pub fn sub_path_expr(&self) -> Option<&'a str> {
        self.text("subPathExpr").filter(|path| !path.is_empty())
    }

    /// Whether the container can only read it.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.raw.get("readOnly").and_then(Node::as_bool).unwrap_or(false)
    }

    /// Whether mounts made on one side later appear on the other: `None`, `HostToContainer`, `Bidirectional`.
    #[must_use]
    pub fn propagation(&self) -> Option<&'a str> {
        self.text("mountPropagation").filter(|propagation| !propagation.is_empty())
    }

    #[inline]
    fn text(&self, field: &str) -> Option<&'a str> {
        self.raw.get(field).and_then(Node::as_str)
    }
}
