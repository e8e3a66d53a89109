//! What keeps a whole Pod from being served.

use super::Lxcfs;
use crate::pod::{Node, Pod};
use crate::policy::Subject;

/// The label that names what Pod Security admission enforces in a namespace.
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
/// The labels of nodes that name their operating system.
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// Why a Pod cannot be served.
#[derive(Debug)]
pub(super) struct Obstacle {
    /// Why, and what to change.
    pub(super) message: String,
    /// Whether the author is told who has not asked for it.
    pub(super) is_told: bool,
}

impl Obstacle {
    /// One that whoever has not asked need not know.
    fn untold(message: String) -> Self {
        Self { message, is_told: false }
    }

    /// One that its author may want to mend.
    pub(super) fn told(message: String) -> Self {
        Self { message, is_told: true }
    }
}

impl Lxcfs {
    /// What keeps the Pod from being served, if anything does.
    pub(super) fn obstacle(&self, subject: &Subject<'_>, pod: &Pod) -> Option<Obstacle> {
        let text = |field: &str| pod.spec(field).and_then(Node::as_str);
        let os = pod.spec("os").and_then(|os| os.get("name")).and_then(Node::as_str);
        let os = os.or_else(|| OS_LABELS.into_iter().find_map(|label| pod.node_selector(label)));
        if os == Some("windows") {
            return Some(Obstacle::untold("a Windows Pod has no /proc; remove the annotation".to_owned()));
        }
        let runtime_class = text("runtimeClassName").unwrap_or_default();
        if self.written.exclude_runtime_classes.iter().any(|glob| glob.matches(runtime_class)) {
            return Some(Obstacle::untold(format!(
                "the cluster's policy leaves Pods of runtimeClassName {runtime_class:?} out, for LXCFS cannot be mounted \
                 over their /proc; remove the annotation"
            )));
        }
        // Pod Security admission judges the Pod after us: with our volumes it would be refused for what it did not ask.
        if let Some(level @ ("baseline" | "restricted")) = subject.namespace_label(POD_SECURITY) {
            return Some(Obstacle::told(format!(
                "namespace {:?} enforces Pod Security {level:?}, which forbids the hostPath volumes that LXCFS needs; \
                 use a namespace without it, or ask the cluster team",
                subject.namespace
            )));
        }
        let label = self.written.node_label.as_ref()?;
        label.obstacle(subject, pod)
    }
}
