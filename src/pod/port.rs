//! The ports that containers declare.

use super::Node;

/// One entry of a container's `ports`.
#[derive(Debug, Clone, Copy)]
pub struct Port<'a> {
    /// Its place in `ports`.
    pub index: usize,
    pub(super) raw: Node<'a>,
}

impl<'a> Port<'a> {
    /// Its name, by which probes and Services may call it; empty where there is none.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.text("name").unwrap_or_default()
    }

    /// Where the container listens.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.raw.get("containerPort").and_then(Node::as_u64)
    }

    /// The port of the node that leads there. Zero says none.
    #[must_use]
    pub fn host_port(&self) -> Option<u64> {
        self.raw.get("hostPort").and_then(Node::as_u64).filter(|port| *port != 0)
    }

    /// The protocol; `TCP` where none is given.
    #[must_use]
    pub fn protocol(&self) -> &'a str {
        self.text("protocol").filter(|protocol| !protocol.is_empty()).unwrap_or("TCP")
    }

    #[inline]
    fn text(&self, field: &str) -> Option<&'a str> {
        self.raw.get(field).and_then(Node::as_str)
    }
}
