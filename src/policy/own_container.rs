//! The containers that Podwright itself adds, so that no validator asks of a Pod's author what only a policy can give.
//!
//! A container is told by what it runs, never by its name: anyone can give a container any name. Whoever writes one
//! that is the same has written our container, and gains nothing else by it.

use crate::pod::{Container, Document, Group, Node, contains, is_empty};

/// The fields that do not say what a container runs. The API server and other webhooks write them.
const FREE: &[&str] = &[
    "imagePullPolicy",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "securityContext",
    "startupProbe",
    "terminationMessagePath",
    "terminationMessagePolicy",
];

/// The lists whose entries are compared one by one: others may add some, or defaults within.
const LISTS: &[&str] = &["env", "volumeMounts"];

/// Where the API server's `ServiceAccount` plugin mounts a token into every container.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// One container that Podwright adds.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnContainer {
    /// Its fields, as its policy writes them into every Pod.
    pub fields: Document,
    /// How the names of the variables begin that differ from Pod to Pod, if it has such.
    pub variables: Option<&'static str>,
    /// Below which path it mounts, read-only, what differs from Pod to Pod, if it does.
    pub mounts_below: Option<&'static str>,
}

impl OwnContainer {
    /// Whether a container of a Pod is this one: it runs the same, with the same, and nothing besides.
    #[must_use]
    pub fn is(&self, held: &Container<'_>) -> bool {
        let (Some(mut fields), Some(mut own)) = (held.node().as_object(), self.fields.root().as_object())
        else {
            return false;
        };
        let is_told = |key: &str| !FREE.contains(&key);
        fields.all(|(key, value)| !is_told(key) || self.has(key, value))
            && own.all(|(key, own)| {
                // A native sidecar in an older cluster is a plain container, and cannot say it.
                !is_told(key)
                    || held.field(key).is_some()
                    || is_empty(own)
                    || key == "restartPolicy" && held.group == Group::App
            })
    }

    fn has(&self, key: &str, held: Node<'_>) -> bool {
        let own = self.fields.root().get(key);
        let (true, Some(mut held)) = (LISTS.contains(&key), held.as_array()) else {
            return match own {
                Some(own) => contains(held, own) && contains(own, held),
                None => held.is_null(),
            };
        };
        let own = || own.and_then(Node::as_array).into_iter().flatten();
        own().all(|own| held.clone().any(|held| is_entry(held, own)))
            && held.all(|held| {
                own().any(|own| is_entry(held, own))
                    || if key == "env" { self.is_variable(held) } else { self.is_mount(held) }
            })
    }

    fn is_variable(&self, held: Node<'_>) -> bool {
        let name = held.get("name").and_then(Node::as_str).unwrap_or_default();
        self.variables.is_some_and(|start| name.starts_with(start))
    }

    fn is_mount(&self, held: Node<'_>) -> bool {
        let path = held.get("mountPath").and_then(Node::as_str).unwrap_or_default();
        let is_below = |upper: &str| path.strip_prefix(upper).is_some_and(|rest| rest.starts_with('/'));
        held.get("readOnly").and_then(Node::as_bool) == Some(true)
            && !path.contains("..")
            && (path == TOKEN_PATH || self.mounts_below.is_some_and(is_below))
    }
}

/// Whether an entry of a list is one of ours: all that ours says, and no field that ours does not have.
fn is_entry(held: Node<'_>, own: Node<'_>) -> bool {
    let (Some(mut fields), true) = (held.as_object(), own.is_object()) else {
        return false;
    };
    fields.all(|(key, _)| own.get(key).is_some()) && contains(held, own)
}
