//! `HostPort`: which ports of the node a Pod may take.
//!
//! Every port of every container counts by itself, whatever its neighbours are. In a Pod with `hostNetwork` each
//! `containerPort` is a port of the node: the API server writes it into `hostPort` of a Pod before any webhook sees
//! it, and since 1.28 not into that of a Pod template. Source: `pkg/apis/core/v1/defaults.go` of Kubernetes.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

use super::{Finding, Rules, Spec, Validator};
use crate::pod::{Container, Port};
use crate::policy::{Action, Exemption, Match, Subject};

/// The spec of a `HostPort` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostPort {
    /// The Pods that it is about; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What is done about a violation.
    #[serde(default)]
    action: Action,
    /// Whether a workload is refused, and not only its Pods, when its Pod template violates the policy.
    #[serde(default, rename = "denyTemplates")]
    deny_templates: bool,
    /// The ports that may be taken. Where it is left out: none, or with `forbidden` all others.
    allowed: Option<Vec<Ports>>,
    /// The ports that may not be taken, allowed or not.
    #[serde(default)]
    forbidden: Vec<Ports>,
    /// Exceptions.
    #[serde(default)]
    exemptions: Vec<Exemption>,
}

/// Ports of the node.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ports {
    /// One port, or a range with both its ends.
    ports: Range,
    /// The protocols; all of them where it is left out.
    #[serde(default)]
    protocols: Vec<Protocol>,
}

/// A protocol of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// From one port to another.
#[derive(Debug, Clone, Copy)]
struct Range {
    first: u16,
    last: u16,
}

impl Spec for HostPort {
    const KIND: &'static str = "HostPort";

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.matching),
            action: self.action,
            deny_templates: self.deny_templates,
            exemptions: std::mem::take(&mut self.exemptions),
        }
    }
}

impl Validator for HostPort {
    fn validate(&self, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
        let is_in_host_network = subject.pod.is_in_host_network();
        for container in subject.pod.containers() {
            for port in container.ports() {
                findings.extend(self.judge(&container, &port, is_in_host_network));
            }
        }
    }
}

impl HostPort {
    fn judge(&self, container: &Container<'_>, port: &Port<'_>, is_in_host_network: bool) -> Option<Finding> {
        let (number, field) = match port.host_port() {
            Some(number) => (number, "hostPort"),
            None if is_in_host_network => (port.number()?, "containerPort"),
            None => return None,
        };
        let protocol = port.protocol();
        let rule = self.broken_rule(number, protocol)?;
        let name = container.name();
        let brief = if is_in_host_network {
            format!("{number}/{protocol} is the node's; leave out hostNetwork")
        } else {
            format!("{number}/{protocol} is the node's; leave it out and use a Service")
        };
        let message = if is_in_host_network {
            format!(
                "{number}/{protocol} of container {name:?} is a port of the node, for the Pod has hostNetwork: true \
                 ({rule}); leave hostNetwork out and let a Service lead to it, or ask the policy's owner for an \
                 exemption"
            )
        } else {
            format!(
                "container {name:?} takes port {number}/{protocol} of the node ({rule}); leave hostPort out and let a \
                 Service lead to it, or ask the policy's owner for an exemption"
            )
        };
        Some(Finding {
            path: format!("{container}.ports[{}].{field}", port.index),
            message,
            brief: Some(brief),
        })
    }

    /// The rule that a port breaks, if it does.
    fn broken_rule(&self, number: u64, protocol: &str) -> Option<String> {
        let covers = |ports: &Ports| ports.covers(number, protocol);
        match (&self.allowed, self.forbidden.as_slice()) {
            (_, forbidden) if forbidden.iter().any(covers) => Some(format!("forbidden: {}", list(forbidden))),
            (Some(allowed), _) if allowed.iter().any(covers) => None,
            (Some(allowed), _) => Some(format!("allowed: {}", list(allowed))),
            (None, []) => Some(format!("allowed: {}", list(&[]))),
            (None, _) => None,
        }
    }
}

impl Ports {
    fn covers(&self, number: u64, protocol: &str) -> bool {
        let Range { first, last } = self.ports;
        (u64::from(first)..=u64::from(last)).contains(&number)
            && (self.protocols.is_empty() || self.protocols.iter().any(|one| one.as_str() == protocol))
    }
}

fn list(ports: &[Ports]) -> String {
    match ports {
        [] => "none".to_owned(),
        ports => ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { first, last } = self.ports;
        write!(out, "{first}")?;
        if first != last {
            write!(out, "-{last}")?;
        }
        self.protocols.iter().try_for_each(|protocol| write!(out, "/{}", protocol.as_str()))
    }
}

impl Protocol {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Self { first, last }),
            _ => Err(de::Error::custom(format!(
                "{text:?} is no range of ports; expected one from 1 to 65535, such as 9100, or two, such as 30000-32767"
            ))),
        }
    }
}

impl JsonSchema for Range {
    fn schema_name() -> Cow<'static, str> {
        "PortRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "One port, or a range with both its ends: 9100, 30000-32767",
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": 65535 },
                { "type": "string", "pattern": "^[0-9]+( *- *[0-9]+)?$" },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<Range, serde_json::Error> {
        serde_json::from_value(text.into())
    }

    #[test]
    fn a_range_has_both_its_ends() {
        for (text, first, last) in [("1", 1, 1), ("80-443", 80, 443), ("1 - 65535", 1, 65535)] {
            let range = range(text).unwrap();
            assert_eq!((range.first, range.last), (first, last), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "0", "65536", "80-", "-80", "443-80", "80,443", "1-2-3", "http", "99999999999"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
