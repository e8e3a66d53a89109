//! The label of the nodes that have LXCFS, and whether a Pod can be led to them.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::obstacle::Obstacle;
use crate::pod::{Node, Pod};
use crate::policy::Subject;

/// A label of nodes.
///
/// It goes into the Pod's `nodeSelector`. The scheduler asks for that and for the required node affinity, so every
/// `nodeSelectorTerm` of the author's is bound by it without being touched.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeLabel {
    /// Its key.
    #[serde(deserialize_with = "label_key")]
    key: String,
    /// Its value.
    #[serde(deserialize_with = "label_value")]
    value: String,
}

/// The longest name or value of a label, in bytes. Source: `k8s.io/apimachinery/pkg/util/validation`.
const LABEL_LIMIT_BYTES: usize = 63;

impl NodeLabel {
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// What keeps the Pod from being led to a node with the label, if anything does.
    pub(super) fn obstacle(&self, subject: &Subject<'_>, pod: &Pod) -> Option<Obstacle> {
        let (key, value) = (self.key(), self.value());
        match pod.node_selector(key) {
            Some(own) if own == value => return None,
            Some(own) => {
                return Some(Obstacle::told(format!(
                    "LXCFS is on nodes with the label {key}={value}, and spec.nodeSelector asks for {key}={own}; remove \
                     that from the nodeSelector"
                )));
            }
            None => {}
        }
        // The node is chosen already, so a selector would not lead the Pod elsewhere: it would never run.
        let chosen_by = if subject.workload.kind == "DaemonSet" {
            "the DaemonSet"
        } else if pod.spec("nodeName").is_some() {
            "spec.nodeName"
        } else {
            return self.excluded(pod).then(|| {
                Obstacle::told(format!(
                    "LXCFS is on nodes with the label {key}={value}, and no term of the required node affinity admits \
                     one; change spec.affinity.nodeAffinity"
                ))
            });
        };
        Some(Obstacle::told(format!(
            "{chosen_by} chooses the node, and not all have it; write {key}: {value:?} in the Pod's spec.nodeSelector"
        )))
    }

    /// Whether the required node affinity admits no node with the label.
    fn excluded(&self, pod: &Pod) -> bool {
        let terms = pod
            .spec("affinity")
            .and_then(|affinity| {
                affinity.at([
                    "nodeAffinity",
                    "requiredDuringSchedulingIgnoredDuringExecution",
                    "nodeSelectorTerms",
                ])
            })
            .and_then(Node::as_array);
        terms.is_some_and(|mut terms| terms.clone().next().is_some() && terms.all(|term| !self.fits(term)))
    }

    /// Whether one term admits a node with the label, as far as the label tells.
    fn fits(&self, term: Node<'_>) -> bool {
        let expressions = term.get("matchExpressions").and_then(Node::as_array).into_iter().flatten();
        expressions
            .filter(|expression| expression.get("key").and_then(Node::as_str) == Some(self.key()))
            .all(|expression| self.holds(expression))
    }

    fn holds(&self, expression: Node<'_>) -> bool {
        let values = || expression.get("values").and_then(Node::as_array).into_iter().flatten();
        let among = values().any(|value| value.as_str() == Some(self.value()));
        let number = |text: &str| text.parse::<i64>().ok();
        let bound = values().next().and_then(Node::as_str).and_then(number);
        match expression.get("operator").and_then(Node::as_str) {
            Some("In") => among,
            Some("NotIn") => !among,
            Some("DoesNotExist") => false,
            Some("Gt") => number(self.value()).zip(bound).is_some_and(|(own, bound)| own > bound),
            Some("Lt") => number(self.value()).zip(bound).is_some_and(|(own, bound)| own < bound),
            // `Exists`, and what Kubernetes may add: in doubt the scheduler tells.
            _ => true,
        }
    }
}

// A Pod with another key or value would be invalid, and nobody could create one any more.
fn label_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let key = String::deserialize(deserializer)?;
    let is_sound = match key.split_once('/') {
        Some((prefix, name)) => is_domain(prefix) && is_word(name),
        None => is_word(&key),
    };
    if is_sound {
        Ok(key)
    } else {
        Err(de::Error::custom(format!("{key:?} is no key of a label; {EXAMPLE}")))
    }
}

fn label_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = String::deserialize(deserializer)?;
    if is_word(&value) {
        return Ok(value);
    }
    Err(de::Error::custom(format!("{value:?} is no value of a label; {EXAMPLE}")))
}

const EXAMPLE: &str = r#"expected such as {key: podwright.dev/lxcfs, value: "true"}"#;

fn is_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=LABEL_LIMIT_BYTES).contains(&text.len())
        && text.bytes().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_domain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| is_word(part) && !part.contains(['_', '.']))
        && !text.contains(|c: char| c.is_ascii_uppercase())
}
