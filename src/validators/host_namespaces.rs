//! `HostNamespaces`: whether a Pod may leave the walls between it and its node: the node's network, processes and
//! interprocess communication, and privileged containers.
//!
//! Without it the rules on paths and ports are worth little: a privileged container mounts the node's disk itself,
//! and one in the node's network listens where it likes. On Windows `hostProcess` is what `privileged` is on Linux.
//!
//! `hostUsers` has no place here: true is Kubernetes' default, so a rule against it would forbid every Pod.
//! Source: the Pod Security Standards, `baseline`, "Host Namespaces", "Privileged Containers", "HostProcess".

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Finding, Rules, Spec, Validator};
use crate::pod::Node;
use crate::policy::{Action, Exemption, Match, Subject};

/// Where Pods and containers alike have it.
const HOST_PROCESS: &str = "securityContext.windowsOptions.hostProcess";

/// The spec of a `HostNamespaces` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostNamespaces {
    /// The Pods that it is about; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What is done about a violation.
    #[serde(default)]
    action: Action,
    /// Whether a workload is refused, and not only its Pods, when its Pod template violates the policy.
    #[serde(default, rename = "denyTemplates")]
    deny_templates: bool,
    /// What a Pod may do; none of it where it is left out.
    #[serde(default)]
    allowed: Vec<Way>,
    /// Exceptions.
    #[serde(default)]
    exemptions: Vec<Exemption>,
}

/// A way from a Pod to its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum Way {
    /// The node's network.
    #[serde(rename = "hostNetwork")]
    Network,
    /// The node's processes.
    #[serde(rename = "hostPID")]
    Pid,
    /// The node's shared memory, semaphores and message queues.
    #[serde(rename = "hostIPC")]
    Ipc,
    /// Privileged containers.
    #[serde(rename = "privileged")]
    Privileged,
    /// Privileged containers on Windows.
    #[serde(rename = "hostProcess")]
    HostProcess,
}

impl Spec for HostNamespaces {
    const KIND: &'static str = "HostNamespaces";

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.matching),
            action: self.action,
            deny_templates: self.deny_templates,
            exemptions: std::mem::take(&mut self.exemptions),
        }
    }
}

impl Validator for HostNamespaces {
    fn validate(&self, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
        let pod = subject.pod;
        let mut find = |way: Way, path: String, whom: &str| {
            if !self.allowed.contains(&way) {
                findings.push(Finding { path, message: way.forbidden(whom), brief: Some(way.briefly()) });
            }
        };
        for (way, field) in [(Way::Network, "hostNetwork"), (Way::Pid, "hostPID"), (Way::Ipc, "hostIPC")] {
            if is_true(pod.spec(field)) {
                find(way, format!("spec.{field}"), "the Pod");
            }
        }
        if is_host_process(pod.security("windowsOptions")) {
            find(Way::HostProcess, format!("spec.{HOST_PROCESS}"), "the Pod");
        }
        for container in pod.containers() {
            let whom = format!("container {:?}", container.name());
            if is_true(container.security("privileged")) {
                find(Way::Privileged, format!("{container}.securityContext.privileged"), &whom);
            }
            if is_host_process(container.security("windowsOptions")) {
                find(Way::HostProcess, format!("{container}.{HOST_PROCESS}"), &whom);
            }
        }
    }

    fn judges_ephemeral_containers(&self) -> bool {
        true
    }
}

impl Way {
    fn briefly(self) -> String {
        let what = match self {
            Self::Network => "the node's network; use a Service",
            Self::Pid => "shows the node's processes; leave it out",
            Self::Ipc => "shares the node's memory; leave it out",
            Self::Privileged => "gives the node away; use capabilities",
            Self::HostProcess => "runs on the node itself; leave it out",
        };
        what.to_owned()
    }

    fn forbidden(self, whom: &str) -> String {
        let (what, instead) = match self {
            Self::Network => ("puts {} into the network of its node", "let a Service lead to it"),
            Self::Pid => {
                ("shows {} every process of its node", "use shareProcessNamespace to see those of the Pod")
            }
            Self::Ipc => (
                "lets {} share memory with its node",
                "use an emptyDir with medium: Memory to share it in the Pod",
            ),
            Self::Privileged => ("gives {} its whole node", "add the capabilities that it needs"),
            Self::HostProcess => ("runs {} on its Windows node itself", "use ordinary containers"),
        };
        let what = what.replace("{}", whom);
        format!("true {what}; leave it out and {instead}, or ask the policy's owner for an exemption")
    }
}

fn is_host_process(options: Option<Node<'_>>) -> bool {
    is_true(options.and_then(|options| options.get("hostProcess")))
}

fn is_true(field: Option<Node<'_>>) -> bool {
    field.and_then(Node::as_bool) == Some(true)
}
