//! Where the list of addresses stands.

use super::DOMAIN;
use crate::mutators::annotations::{self, Annotation};
use crate::mutators::{Ask, Rejection};
use crate::pod::{Node, Pod};
use crate::policy::{Subject, nearest};
use crate::view::{ADDRESSES, AddressList, Family, Known, Maker, SetName};

/// The one name of the domain.
const NAME: &str = "addresses";

/// Which policies a Pod, or a workload, asks for.
pub(super) fn ask(subject: &Subject<'_>) -> Result<Ask, Rejection> {
    let objects = [Some(subject.pod).filter(|_| subject.is_steered), subject.object.map(|object| object.now)];
    let mut asks = false;
    for annotation in objects.into_iter().flatten().flat_map(|object| annotations::under(object, DOMAIN)) {
        known(&annotation)?;
        asks = true;
    }
    // Even where no policy selects the Pod, a list on its StatefulSet must not pass in silence.
    let on_set = || {
        let (name, uid) = owner(subject)?;
        match subject.view.stateful_set(&name, uid) {
            Known::Found(set) => set.own_list.as_ref().map(|_| ()),
            _ => None,
        }
    };
    Ok(if asks || on_set().is_some() { Ask::First } else { Ask::Nothing })
}

fn known(annotation: &Annotation<'_>) -> Result<(), Rejection> {
    if annotation.name == NAME && annotation.container.is_none() {
        return Ok(());
    }
    let hint = match (annotation.container, nearest(annotation.name, [NAME])) {
        (Some(_), _) => format!("all containers of a Pod share its addresses; write {ADDRESSES}"),
        (None, Some(_)) => format!("did you mean {ADDRESSES}?"),
        (None, None) => format!("expected {ADDRESSES}"),
    };
    Err(annotation.reject(format!("this key is not known; {hint}")).refusing_workload())
}

/// The StatefulSet that controls a Pod, with the uid that the Pod names.
pub(super) fn owner<'a>(subject: &Subject<'a>) -> Option<(SetName, &'a str)> {
    let owner = subject.pod.controller()?;
    let fields = owner.get_each(["apiVersion", "kind", "name", "uid"]);
    let [version, kind, name, uid] = fields.map(|field| field.and_then(Node::as_str).unwrap_or_default());
    let (group, _) = version.rsplit_once('/')?;
    let maker = Maker::of(group, kind)?;
    let (namespace, name) = (subject.namespace.to_owned(), name.to_owned());
    Some((SetName { maker, namespace, name }, uid))
}

/// The list on a Pod, on a Pod template or on a StatefulSet.
pub(super) fn on(object: &Pod) -> Option<&str> {
    object.annotation(ADDRESSES)
}

/// Reads a list.
pub(super) fn read(text: &str) -> Result<AddressList, Rejection> {
    text.parse().map_err(|error| reject(format!("{error}")).refusing_workload())
}

/// How many addresses of a family there are, in words.
pub(super) fn count(list: &AddressList, family: Family) -> String {
    match list.len(family) {
        1 => format!("1 {family} address"),
        count => format!("{count} {family} addresses"),
    }
}

/// A rejection of the list.
pub(super) fn reject(message: impl Into<String>) -> Rejection {
    Rejection::new(format!("annotation {ADDRESSES}"), message)
}

/// Why a Pod that no StatefulSet numbers has no place in a list.
pub(super) fn reject_owner(kind: &str) -> Rejection {
    let who = match kind {
        "Pod" => "a Pod that no workload controls has".to_owned(),
        kind => format!("the Pods of a {kind} have"),
    };
    reject(format!(
        "{who} no ordinal, so that none of the addresses would be one Pod's own; use a StatefulSet, or remove the \
         annotation"
    ))
    .refusing_workload()
}
