//! The check of a result before it is answered: a patch that cannot be applied would keep Pods from starting.

use std::cell::LazyCell;
use std::fmt::Display;

use jsonptr::Pointer;

use super::edit::Edit;
use super::{Operation, Pod, typed};

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

/// Checks that what was added is of Kubernetes' types.
pub(super) fn types(edits: &[Edit], result: &Pod) -> Result<(), Fault> {
    edits.iter().find_map(|edit| typed::flaw(edit, result)).map_or(Ok(()), |flaw| Err(Fault(flaw)))
}

/// Checks that the operations turn the original into the result, and that the result is a sound Pod.
///
/// A flaw that the original has too is its author's: the API server will say so.
pub(super) fn result(original: &Pod, operations: &[Operation], result: &Pod) -> Result<(), Fault> {
    let mut replayed = original.clone();
    for operation in operations {
        operation.apply(replayed.document_mut()).map_err(|error| Fault::of(operation.path(), &error))?;
    }
    if replayed != *result {
        return Err(Fault("the operations do not give the working copy".to_owned()));
    }
    match flaw(result, original) {
        Some(flaw) if self::flaw(original, original).as_ref() != Some(&flaw) => Err(Fault(flaw)),
        _ => Ok(()),
    }
}

/// The first thing for which the API server would refuse the Pod as malformed.
fn flaw(pod: &Pod, original: &Pod) -> Option<String> {
    doubled_name(pod).or_else(|| broken_mount(pod, original))
}

fn doubled_name(pod: &Pod) -> Option<String> {
    let container = doubled(pod.containers().map(|container| container.name()));
    let volume = || doubled(pod.volumes().map(|volume| volume.name()));
    container
        .map(|name| format!("two containers are named {name:?}"))
        .or_else(|| volume().map(|name| format!("two volumes are named {name:?}")))
}

/// A volume that the original mounts counts as there: the template of a StatefulSet gets it from a claim template.
fn broken_mount(pod: &Pod, original: &Pod) -> Option<String> {
    let volumes = sorted(pod.volumes().map(|volume| volume.name()));
    let mounted = LazyCell::new(|| {
        sorted(original.containers().flat_map(|container| container.mounts()).map(|mount| mount.volume()))
    });
    let is_unknown =
        |volume: &str| volumes.binary_search(&volume).is_err() && mounted.binary_search(&volume).is_err();
    pod.containers().find_map(|container| {
        let unknown = container.mounts().map(|mount| mount.volume()).find(|volume| is_unknown(volume));
        let unknown = unknown.map(|volume| format!("{container} mounts {volume:?}, which is no volume"));
        let twice = || doubled(container.mounts().map(|mount| mount.path()));
        unknown.or_else(|| twice().map(|path| format!("{container} mounts two volumes at {path:?}")))
    })
}

/// A name that is there twice, if one is.
fn doubled<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    sorted(names).array_windows().find(|[one, next]| one == next).map(|[name, _]| *name)
}

fn sorted<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}
