//! Readers over the raw JSON of a Pod or of a Pod template.

use std::borrow::Borrow;

use serde_json::Value;

use super::bounds::{self, Excess};
use super::containers::{Container, Group};
use super::{Document, Node};

/// A Pod, or the Pod template of a workload: both carry `metadata` and `spec`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    document: Document,
}

/// A document that is no Pod.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// It is not JSON.
    #[error("reading the Pod: {0}")]
    Malformed(#[from] serde_json::Error),
    /// There is too much in it.
    #[error("reading the Pod: {0}")]
    Excess(#[from] Excess),
    /// It is JSON of another shape.
    #[error("reading the Pod: expected an object, found {0}")]
    NotAnObject(&'static str),
}

impl Pod {
    /// Reads a Pod from its JSON.
    ///
    /// # Errors
    /// When the text is not a JSON object, or one of too many values.
    pub fn parse(json: &str) -> Result<Self, PodError> {
        bounds::of_text(json)?;
        Self::new(Document::parse(json)?)
    }

    /// Takes a document as a Pod.
    ///
    /// # Errors
    /// When the document is not an object.
    pub fn new(document: Document) -> Result<Self, PodError> {
        let root = document.root();
        if root.is_object() {
            Ok(Self { document })
        } else if root.is_null() {
            Err(PodError::NotAnObject("null"))
        } else {
            Err(PodError::NotAnObject(if root.is_array() { "a list" } else { "a scalar" }))
        }
    }

    /// Takes a value as a Pod.
    ///
    /// # Errors
    /// When the value is not an object.
    pub fn from_value(value: impl Borrow<Value>) -> Result<Self, PodError> {
        Self::new(value.borrow().into())
    }

    /// Checks that all of it is JSON: what nobody has asked for was not read.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> Result<(), PodError> {
        Ok(self.document.check()?)
    }

    /// The document itself.
    #[must_use]
    pub fn node(&self) -> Node<'_> {
        self.document.root()
    }

    /// The Pod that stands in this one, as a template does: at the end of these names of fields.
    #[must_use]
    pub fn within(&self, path: impl IntoIterator<Item = impl AsRef<str>>) -> Option<Self> {
        Self::new(self.document.part(self.node().at(path)?)).ok()
    }

    /// One of its values as a document.
    pub(super) fn part(&self, value: Node<'_>) -> Document {
        self.document.part(value)
    }

    /// The document itself, to be changed.
    pub(super) fn document_mut(&mut self) -> &mut Document {
        &mut self.document
    }

    /// The name; a Pod whose name the API server has yet to make has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.metadata("name").and_then(Node::as_str).filter(|name| !name.is_empty())
    }

    /// The start of the name that the API server will make.
    #[must_use]
    pub fn generate_name(&self) -> Option<&str> {
        self.metadata("generateName").and_then(Node::as_str).filter(|name| !name.is_empty())
    }

    /// The name, or the start of it followed by `*` while the API server has yet to make it.
    #[must_use]
    pub fn display_name(&self) -> String {
        match (self.name(), self.generate_name()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(start)) => format!("{start}*"),
            (None, None) => String::new(),
        }
    }

    /// The value of one label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata("labels")?.get(key)?.as_str()
    }

    /// The value of one annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata("annotations")?.get(key)?.as_str()
    }

    /// Every annotation, in the document's order.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata("annotations")
            .and_then(Node::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key, value.as_str()?)))
    }

    /// Whether it mirrors a static Pod of a kubelet, which nothing but its file can change.
    #[must_use]
    pub fn is_mirror(&self) -> bool {
        self.annotation("kubernetes.io/config.mirror").is_some()
    }

    /// The owner reference that controls this Pod.
    #[must_use]
    pub fn controller(&self) -> Option<Node<'_>> {
        self.metadata("ownerReferences")?
            .as_array()?
            .find(|owner| owner.get("controller").and_then(Node::as_bool) == Some(true))
    }

    /// One field of `spec`.
    #[must_use]
    #[inline]
    pub fn spec(&self, field: &str) -> Option<Node<'_>> {
        self.document.root().get("spec")?.get(field).filter(|value| !value.is_null())
    }

    /// One field of `spec.securityContext`.
    #[must_use]
    pub fn security(&self, field: &str) -> Option<Node<'_>> {
        self.spec("securityContext")?.get(field).filter(|value| !value.is_null())
    }

    /// Whether it is in the network of its node, where every port of a container is one of the node's.
    #[must_use]
    pub fn is_in_host_network(&self) -> bool {
        self.spec("hostNetwork").and_then(Node::as_bool) == Some(true)
    }

    /// The value that a label of the node must have for the Pod to land there.
    #[must_use]
    pub fn node_selector(&self, key: &str) -> Option<&str> {
        self.spec("nodeSelector")?.get(key)?.as_str()
    }

    /// The containers of one group, in the document's order.
    pub fn containers_in(&self, group: Group) -> impl Iterator<Item = Container<'_>> {
        Container::all(group, self.spec(group.field()))
    }

    /// Every container: app containers, init containers, ephemeral containers.
    pub fn containers(&self) -> impl Iterator<Item = Container<'_>> {
        let lists = self.document.root().get("spec").map_or([None; 3], |spec| spec.get_each(Group::FIELDS));
        Group::ALL.into_iter().zip(lists).flat_map(|(group, list)| Container::all(group, list))
    }

    /// The volumes, in the document's order.
    pub fn volumes(&self) -> impl Iterator<Item = Volume<'_>> {
        self.list("volumes").enumerate().map(|(index, raw)| Volume { index, raw })
    }

    /// The volume of this name.
    #[must_use]
    pub fn volume(&self, name: &str) -> Option<Volume<'_>> {
        self.volumes().find(|volume| volume.name() == name)
    }

    #[inline]
    fn list(&self, field: &str) -> impl Iterator<Item = Node<'_>> {
        self.spec(field).and_then(Node::as_array).into_iter().flatten()
    }

    #[inline]
    fn metadata(&self, field: &str) -> Option<Node<'_>> {
        self.document.root().get("metadata")?.get(field)
    }
}

/// One entry of `spec.volumes`.
#[derive(Debug, Clone, Copy)]
pub struct Volume<'a> {
    /// Its place in `spec.volumes`.
    pub index: usize,
    pub(super) raw: Node<'a>,
}

impl<'a> Volume<'a> {
    /// Its name; empty where there is none.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.raw.get("name").and_then(Node::as_str).unwrap_or_default()
    }

    /// What it is made of, if it is of this type (`emptyDir`, `hostPath`).
    #[must_use]
    pub fn source(&self, kind: &str) -> Option<Node<'a>> {
        self.raw.get(kind).filter(|source| !source.is_null())
    }

    /// The same for each of these types.
    #[must_use]
    #[inline]
    pub fn sources<const COUNT: usize>(&self, kinds: [&str; COUNT]) -> [Option<Node<'a>>; COUNT] {
        self.raw.get_each(kinds).map(|source| source.filter(|source| !source.is_null()))
    }

    /// The whole entry.
    #[must_use]
    pub fn node(&self) -> Node<'a> {
        self.raw
    }
}
