//! The check of a result before it is answered: a patch that cannot be applied would keep Pods from starting.

use std::collections::HashSet;
use std::fmt::Display;

use json_patch::PatchOperation;
use json_patch::jsonptr::Pointer;
use k8s_openapi::api::core::v1;
use serde::Deserialize;

use super::Pod;

/// A result that does not hold: Podwright's own bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("verifying the edited Pod: {0}")]
pub struct Fault(String);

impl Fault {
    /// An operation that could not be applied.
    pub(super) fn of(path: &Pointer, error: &impl Display) -> Self {
        Self(format!("the operation at {path} does not apply: {error}"))
    }
}

/// Checks that the operations turn the original into the result, and that the result is a sound Pod.
///
/// A flaw that the original has too is its author's: the API server will say so.
pub(super) fn result(original: &Pod, operations: &[PatchOperation], result: &Pod) -> Result<(), Fault> {
    let mut replayed = original.as_value().clone();
    json_patch::patch(&mut replayed, operations).map_err(|error| Fault(error.to_string()))?;
    if &replayed != result.as_value() {
        return Err(Fault("the operations do not give the working copy".to_owned()));
    }
    match flaw(result, original) {
        Some(flaw) if self::flaw(original, original).as_ref() != Some(&flaw) => Err(Fault(flaw)),
        _ => Ok(()),
    }
}

/// The first thing for which the API server would refuse the Pod as malformed.
fn flaw(pod: &Pod, original: &Pod) -> Option<String> {
    doubled_name(pod).or_else(|| broken_mount(pod, original)).or_else(|| undecodable(pod))
}

fn doubled_name(pod: &Pod) -> Option<String> {
    let mut containers = HashSet::new();
    let mut volumes = HashSet::new();
    let container = pod.containers().map(|container| container.name()).find(|name| !containers.insert(*name));
    let volume = pod.volumes().map(|volume| volume.name()).find(|name| !volumes.insert(*name));
    container
        .map(|name| format!("two containers are named {name:?}"))
        .or_else(|| volume.map(|name| format!("two volumes are named {name:?}")))
}

/// A volume that the original mounts counts as there: the template of a StatefulSet gets it from a claim template.
fn broken_mount(pod: &Pod, original: &Pod) -> Option<String> {
    let mut volumes: HashSet<&str> = pod.volumes().map(|volume| volume.name()).collect();
    volumes
        .extend(original.containers().flat_map(|container| container.mounts()).map(|mount| mount.volume()));
    pod.containers().find_map(|container| {
        let mut paths = HashSet::new();
        container.mounts().find_map(|mount| {
            if !volumes.contains(mount.volume()) {
                Some(format!("{container} mounts {:?}, which is no volume", mount.volume()))
            } else if !paths.insert(mount.path()) {
                Some(format!("{container} mounts two volumes at {:?}", mount.path()))
            } else {
                None
            }
        })
    })
}

fn undecodable(pod: &Pod) -> Option<String> {
    v1::Pod::deserialize(pod.as_value()).err().map(|error| format!("it does not decode as a Pod: {error}"))
}
