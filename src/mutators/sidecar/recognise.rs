//! Which containers of a Pod an earlier pass has added.
//!
//! Between two passes others edit our containers: registry mirrors rewrite `image`, the `AlwaysPullImages` plugin
//! `imagePullPolicy`, a `LimitRange` or an autoscaler `resources`, a mesh the probes, a security policy
//! `securityContext`. Equality would then see a stranger with our name, and refuse the Pod. So those fields may
//! differ; every other field of ours must be there as we wrote it: what it runs (`command`, `args`, `workingDir`),
//! with what (`env`, `volumeMounts`), and how long (`restartPolicy`). A field newer than our library may be newer than
//! the API server too, which then leaves it out.
//!
//! A container of ours that says nothing but its name and image would be any container of that name. There the image
//! counts too.
//!
//! An app team that writes such a container itself gets the Pod that it wrote, and nothing that it could not have
//! written: the policy adds no right that the container's own lines do not hold. It can stand in for our container
//! with an image of its own, though. A policy adds; it enforces nothing, and a validator that must hold judges the
//! final Pod.

use super::objects::{Container, Object, Shape};
use crate::pod::{self, Group, contains, is_empty};

/// The fields that others rewrite.
const REWRITTEN: &[&str] = &[
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
];

/// The fields that tell a container from others of its name.
const TELLING: &[&str] = &["args", "command", "env", "volumeMounts"];

/// Whether a container of the Pod is this one of the policy.
pub(super) fn is_ours(ours: &Object<Container>, held: &pod::Container<'_>) -> bool {
    let is_there = |key: &str| match (ours.node().get(key), held.field(key)) {
        (None, _) => true,
        (Some(desired), Some(actual)) => contains(actual, desired),
        // The API server leaves out what is empty.
        (Some(desired), None) => is_empty(desired),
    };
    let is_telling = TELLING.iter().any(|key| ours.list(key).next().is_some());
    let is_kept = |key: &str| {
        let may_differ = REWRITTEN.contains(&key) && (key != "image" || is_telling)
            || !Container::FIELDS.contains(&key)
            // A native sidecar in an older cluster is a plain container, and cannot say it.
            || key == "restartPolicy" && held.group == Group::App;
        may_differ || is_there(key)
    };
    held.name() == ours.name() && ours.fields().keys().all(|key| is_kept(key))
}
