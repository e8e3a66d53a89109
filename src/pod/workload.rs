//! The workload that a Pod belongs to, found through its owner reference.

use std::fmt;

use super::{Node, Pod};

/// What a person deployed: a Deployment rather than its ReplicaSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// The kind: `Deployment`, `StatefulSet`, `Pod` for one that stands alone.
    pub kind: String,
    /// The API group of the kind, empty for the core group.
    pub group: String,
    /// The name; `generateName` followed by `*` where the name is yet to be made.
    pub name: String,
}

impl Workload {
    /// The workload of a Pod.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let Some(owner) = pod.controller() else {
            return Self::new("Pod", "", &pod.display_name());
        };
        let fields = owner.get_each(["apiVersion", "kind", "name"]);
        let [version, kind, name] = fields.map(|field| field.and_then(Node::as_str).unwrap_or_default());
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        match (group, kind) {
            ("apps", "ReplicaSet") => match deployment_name(name, pod.label("pod-template-hash")) {
                Some(deployment) => Self::new("Deployment", group, deployment),
                None => Self::new(kind, group, name),
            },
            ("batch", "Job") => match cron_job_name(name) {
                Some(cron_job) => Self::new("CronJob", group, cron_job),
                None => Self::new(kind, group, name),
            },
            _ => Self::new(kind, group, name),
        }
    }

    /// A workload of this kind, group and name.
    #[must_use]
    pub fn new(kind: &str, group: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), group: group.to_owned(), name: name.to_owned() }
    }

    /// Whether its Pods run to an end, so that a container which never ends would keep them from it.
    #[must_use]
    pub fn runs_to_completion(&self, pod: &Pod) -> bool {
        matches!(self.kind.as_str(), "Job" | "CronJob")
            || matches!(pod.spec("restartPolicy").and_then(Node::as_str), Some("Never" | "OnFailure"))
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.kind, self.name)
    }
}

/// A Deployment names its ReplicaSets `<name>-<pod-template-hash>`.
fn deployment_name<'a>(replica_set: &'a str, hash: Option<&str>) -> Option<&'a str> {
    replica_set.strip_suffix(hash?)?.strip_suffix('-').filter(|name| !name.is_empty())
}

/// A CronJob names its Jobs `<name>-<scheduled time>`: minutes since 1970 (8 digits), before 1.21 seconds (10).
fn cron_job_name(job: &str) -> Option<&str> {
    let (name, time) = job.rsplit_once('-')?;
    let is_time = matches!(time.len(), 8 | 10) && time.bytes().all(|byte| byte.is_ascii_digit());
    (is_time && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_workload_is_what_a_person_deployed() {
        let cases = [
            ("apps/v1", "ReplicaSet", "web-5d9c", Some("5d9c"), "Deployment web"),
            ("apps/v1", "ReplicaSet", "web-5d9c", None, "ReplicaSet web-5d9c"),
            ("apps/v1", "ReplicaSet", "alone", Some("5d9c"), "ReplicaSet alone"),
            ("apps/v1", "StatefulSet", "redis", None, "StatefulSet redis"),
            ("batch/v1", "Job", "backup-28912345", None, "CronJob backup"),
            ("batch/v1", "Job", "migrate-42", None, "Job migrate-42"),
            ("argoproj.io/v1alpha1", "Rollout", "web", None, "Rollout web"),
        ];
        for (api_version, kind, name, hash, expected) in cases {
            let pod = Pod::from_value(json!({"metadata": {
                "labels": hash.map(|hash| json!({"pod-template-hash": hash})),
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Node", "name": "other"},
                    {"apiVersion": api_version, "kind": kind, "name": name, "controller": true}]}}));
            assert_eq!(Workload::of(&pod.unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn a_pod_alone_is_its_own_workload() {
        let named =
            |metadata| Workload::of(&Pod::from_value(json!({"metadata": metadata})).unwrap()).to_string();
        assert_eq!(named(json!({"name": "a"})), "Pod a");
        assert_eq!(named(json!({"generateName": "a-"})), "Pod a-*");
    }
}
