//! What a probe or a hook asks, and where.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::fmt::Display;

use schemars::JsonSchema;
use serde::Deserialize;

use super::probe::Probe;
use crate::pod::{Container, Node, Pod};
use crate::policy::nearest;
use crate::validators::Finding;

/// What probes may be like, although it mostly is a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tolerated {
    /// A command that is run in the container.
    Exec,
    /// A `host` of a probe or a hook.
    Host,
    /// A number that no container of the Pod declares as its port.
    UndeclaredPort,
    /// A liveness probe that asks what the readiness probe asks, and has no more patience.
    SameAsReadiness,
    /// A timeout that is longer than the period.
    TimeoutAbovePeriod,
}

/// The kinds of handlers.
const KINDS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];

/// The handlers of a probe or a hook, each at the place of its kind.
pub(super) type Handlers<'a> = [Option<Handler<'a>>; KINDS.len()];

/// One thing that a probe or a hook does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handler<'a> {
    kind: &'static str,
    raw: Node<'a>,
}

/// A handler in one spelling, to be held against others.
#[derive(Debug, PartialEq)]
pub(super) struct Question<'a> {
    kind: &'static str,
    texts: [&'a str; 4],
    port: Option<Result<u64, &'a str>>,
    lists: [Option<Node<'a>>; 2],
}

impl<'a> Handler<'a> {
    /// The handlers of a probe or a hook.
    pub(super) fn all(of: Node<'a>) -> impl Iterator<Item = Self> + use<'a> {
        let mut handlers = Handlers::default();
        for (kind, raw) in of.as_object().into_iter().flatten() {
            Self::take(&mut handlers, kind, raw);
        }
        handlers.into_iter().flatten()
    }

    /// Puts what a field holds to the others, if it is a handler.
    pub(super) fn take(handlers: &mut Handlers<'a>, field: &str, raw: Node<'a>) {
        for (kind, handler) in KINDS.into_iter().zip(handlers) {
            if kind == field {
                *handler = raw.is_object().then_some(Self { kind, raw });
            }
        }
    }

    pub(super) fn exec_finding(&self, probe: &Probe<'_>, allowed: &[Tolerated]) -> Option<Finding> {
        let is_fine = self.kind != "exec" || allowed.contains(&Tolerated::Exec);
        (!is_fine).then(|| Finding {
            path: format!("{probe}.{}", self.kind),
            brief: Some("it starts a process every time; use httpGet, tcpSocket or grpc".to_owned()),
            message: format!(
                "the {} probe of container {:?} starts a process in it every {} s; use httpGet, tcpSocket or grpc",
                probe.role,
                probe.container.name(),
                probe.period.number
            ),
        })
    }

    /// What is wrong with its host, in a probe or a hook that stands at this path.
    pub(super) fn host_finding(&self, at: &dyn Display, allowed: &[Tolerated]) -> Option<Finding> {
        let host = self.text("host");
        let is_fine = host.is_empty() || allowed.contains(&Tolerated::Host);
        (!is_fine).then(|| Finding {
            path: format!("{at}.{}.host", self.kind),
            brief: Some(format!("{host:?} is asked and not the Pod; leave it out")),
            message: format!("the node sends the request to {host:?} and not to the Pod; leave host out"),
        })
    }

    /// What is wrong with its port. The containers of a Pod share their addresses, so a number may be that of any; a
    /// container that declares no port says nothing about where it listens.
    pub(super) fn port_finding(
        &self,
        probe: &Probe<'_>,
        declared: &Declared<'_>,
        allowed: &[Tolerated],
    ) -> Option<Finding> {
        let container = &probe.container;
        let (brief, message) = match self.port()? {
            // A port of another host is none of the Pod's.
            Ok(_) if allowed.contains(&Tolerated::UndeclaredPort) || !self.text("host").is_empty() => {
                return None;
            }
            Ok(number) if declared.has(container, number) || container.ports().next().is_none() => {
                return None;
            }
            Ok(number) => (
                format!("no container declares port {number}; declare it"),
                format!(
                    "no container of the Pod declares port {number}; ask one of those that container {:?} declares: {}",
                    container.name(),
                    numbers(container)
                ),
            ),
            Err(name) if self.kind == "grpc" => (
                format!("{name:?} is a name; write the port's number"),
                format!(
                    "{name:?} is a name, and a grpc probe takes only the number of a port{}",
                    number_of(container, name).map(|number| format!(": {number}")).unwrap_or_default()
                ),
            ),
            Err(name) => (format!("no port is named {name:?}; name it"), unknown_name(container, name)?),
        };
        Some(Finding { path: format!("{probe}.{}.port", self.kind), message, brief: Some(brief) })
    }

    /// What it asks, with names of ports as numbers and defaults filled in.
    pub(super) fn question(&self, container: &Container<'_>) -> Question<'a> {
        let or = |text: &'a str, default: &'static str| if text.is_empty() { default } else { text };
        let (path, scheme) = match self.kind {
            "httpGet" => (or(self.text("path"), "/"), or(self.text("scheme"), "HTTP")),
            _ => ("", ""),
        };
        let port = self.port().map(|port| port.or_else(|name| number_of(container, name).ok_or(name)));
        Question {
            kind: self.kind,
            texts: [self.text("host"), self.text("service"), path, scheme],
            port,
            lists: [self.list("command"), self.list("httpHeaders")],
        }
    }

    /// The port that it asks, by its number or by its name.
    fn port(&self) -> Option<Result<u64, &'a str>> {
        let port = self.raw.get("port")?;
        port.as_str().map(Err).or_else(|| port.as_u64().map(Ok))
    }

    fn text(&self, field: &str) -> &'a str {
        self.raw.get(field).and_then(Node::as_str).unwrap_or_default()
    }

    /// An empty list is as good as none.
    fn list(&self, field: &str) -> Option<Node<'a>> {
        self.raw.get(field).filter(|list| list.as_array().is_some_and(|mut items| items.next().is_some()))
    }
}

/// The ports that the containers of a Pod declare.
pub(super) struct Declared<'a> {
    pod: &'a Pod,
    all: OnceCell<HashSet<u64>>,
}

impl<'a> Declared<'a> {
    pub(super) fn by(pod: &'a Pod) -> Self {
        Self { pod, all: OnceCell::new() }
    }

    /// Whether this container declares a port, as most do that are asked at one, or another does.
    fn has(&self, container: &Container<'_>, number: u64) -> bool {
        let all = || self.pod.containers().flat_map(|one| one.ports()).filter_map(|port| port.number());
        container.ports().any(|port| port.number() == Some(number))
            || self.all.get_or_init(|| all().collect()).contains(&number)
    }
}

/// What a container does after its start and before its end, each with its field.
pub(super) fn hooks<'a>(
    container: &Container<'a>,
) -> impl Iterator<Item = (&'static str, Handler<'a>)> + use<'a> {
    let lifecycle = container.field("lifecycle");
    ["postStart", "preStop"].into_iter().flat_map(move |hook| {
        let raw = lifecycle.and_then(|lifecycle| lifecycle.get(hook));
        raw.into_iter().flat_map(Handler::all).map(move |handler| (hook, handler))
    })
}

/// What is wrong with a port's name, if a container has none of that name.
fn unknown_name(container: &Container<'_>, name: &str) -> Option<String> {
    let names = || container.ports().map(|port| port.name()).filter(|name| !name.is_empty());
    if names().any(|known| known == name) {
        return None;
    }
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "name the port so, or ask it by its number".to_owned(),
    };
    Some(format!("container {:?} has no port named {name:?}, so the probe fails; {hint}", container.name()))
}

fn number_of(container: &Container<'_>, name: &str) -> Option<u64> {
    container.ports().find(|port| port.name() == name)?.number()
}

fn numbers(container: &Container<'_>) -> String {
    container
        .ports()
        .filter_map(|port| port.number())
        .map(|port| port.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
