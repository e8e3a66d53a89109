//! Where the kinds of Kubernetes keep a Pod template.

/// The JSON pointer to the Pod within an object of this group and kind: empty for a Pod, `None` for a kind without
/// one. Other groups' kinds of the same name are theirs.
#[must_use]
pub fn template_pointer(group: &str, kind: &str) -> Option<&'static str> {
    Some(match (group, kind) {
        ("", "Pod") => "",
        ("", "PodTemplate") => "/template",
        ("", "ReplicationController") | ("apps", "StatefulSet") | ("batch", "Job") => "/spec/template",
        // `extensions` had them first; manifests of that time are still about.
        // OpenKruise's, which numbers its Pods as Kubernetes does.
        ("apps.kruise.io", "StatefulSet") => "/spec/template",
        ("apps" | "extensions", "Deployment" | "ReplicaSet" | "DaemonSet") => "/spec/template",
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template",
        _ => return None,
    })
}
