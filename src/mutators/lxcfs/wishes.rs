//! What a Pod's annotations wish: for all containers, and for single ones.

use std::collections::BTreeMap;

use super::DOMAIN;
use crate::mutators::annotations::{self, Annotation};
use crate::mutators::{Ask, MOST_REJECTIONS, Rejection};
use crate::pod::{Container, Group, Pod};
use crate::policy::{listed, nearest};

/// The one key of the domain.
const KEY: &str = "mount";

/// The annotations, read.
#[derive(Debug, Default)]
pub(super) struct Wishes<'a> {
    all: Option<(Annotation<'a>, bool)>,
    single: BTreeMap<&'a str, (Annotation<'a>, bool)>,
}

/// Which policies a Pod asks for.
pub(super) fn ask(pod: &Pod) -> Result<Ask, Rejection> {
    let wishes = Wishes::read(pod).map_err(as_one)?;
    Ok(match (wishes.first(), wishes.all) {
        (Some(_), _) => Ask::First,
        (None, Some(_)) => Ask::Off,
        (None, None) => Ask::Nothing,
    })
}

impl<'a> Wishes<'a> {
    /// Reads the annotations of a Pod.
    pub(super) fn read(pod: &'a Pod) -> Result<Self, Vec<Rejection>> {
        let mut wishes = Self::default();
        let mut rejections = Vec::new();
        for annotation in annotations::under(pod, DOMAIN) {
            if rejections.len() == MOST_REJECTIONS {
                break;
            }
            match (read(pod, &annotation), annotation.container) {
                (Err(rejection), _) => rejections.push(rejection),
                (Ok(wish), None) => wishes.all = Some((annotation, wish)),
                (Ok(wish), Some(container)) => {
                    wishes.single.insert(container, (annotation, wish));
                }
            }
        }
        if rejections.is_empty() { Ok(wishes) } else { Err(rejections) }
    }

    /// What is wished for a container; `None` where nothing is said.
    pub(super) fn of(&self, container: &str) -> Option<bool> {
        self.single.get(container).or(self.all.as_ref()).map(|(_, wish)| *wish)
    }

    /// The annotation that asks for it for this very container.
    pub(super) fn narrowed(&self, container: &str) -> Option<&Annotation<'a>> {
        self.single.get(container).filter(|(_, wish)| *wish).map(|(annotation, _)| annotation)
    }

    /// The annotation that asks for it for all containers.
    pub(super) fn for_all(&self) -> Option<&Annotation<'a>> {
        self.all.as_ref().filter(|(_, wish)| *wish).map(|(annotation, _)| annotation)
    }

    /// An annotation that asks for it.
    pub(super) fn first(&self) -> Option<&Annotation<'a>> {
        let mut single = self.single.values().filter(|(_, wish)| *wish).map(|(annotation, _)| annotation);
        self.for_all().or_else(|| single.next())
    }
}

fn read(pod: &Pod, annotation: &Annotation<'_>) -> Result<bool, Rejection> {
    if annotation.name != KEY {
        let container = annotation.container.map(|name| format!("{name}.")).unwrap_or_default();
        let known = format!("{container}{DOMAIN}/{KEY}");
        let hint = match nearest(annotation.name, [KEY]) {
            Some(_) => format!("did you mean {known}?"),
            None => format!("expected {known}"),
        };
        return Err(annotation.reject(format!("this key is not known; {hint}")));
    }
    if let Some(name) = annotation.container
        && !candidates(pod).any(|container| container.name() == name)
    {
        let names: Vec<_> = candidates(pod).map(|container| container.name()).collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near}.{DOMAIN}/{KEY}?"),
            None => format!("its containers are {}", listed(names)),
        };
        return Err(annotation.reject(format!("the Pod has no container {name:?}; {hint}")));
    }
    annotation.boolean()
}

/// The containers that can be served: a Pod has none that is ephemeral when it is created.
pub(super) fn candidates(pod: &Pod) -> impl Iterator<Item = Container<'_>> {
    [Group::App, Group::Init].into_iter().flat_map(|group| pod.containers_in(group))
}

/// Several rejections in the form of one.
fn as_one(rejections: Vec<Rejection>) -> Rejection {
    let mut rejections = rejections.into_iter();
    let mut first = rejections.next().unwrap_or_else(|| Rejection::new(DOMAIN, "it does not read"));
    for rejection in rejections {
        first.message = format!("{}; {rejection}", first.message);
    }
    first
}
