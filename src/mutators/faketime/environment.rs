//! What a container needs to see another time: the volume with the library, and variables.

use super::library::Directory;
use super::wishes::Wish;
use super::{DOMAIN, VOLUME};
use crate::mutators::Rejection;
use crate::mutators::container::Mounted;
use crate::pod::{AbsolutePath, Container, Document, Draft, Node, Pod};

/// The variable that holds the libraries to preload.
const PRELOAD: &str = "LD_PRELOAD";
/// What the names of the variables that libfaketime reads begin with.
const OWN: &str = "FAKETIME";

/// Gives a container the time that it is to have; tells whether an `LD_PRELOAD` that cannot be seen is replaced.
pub(super) fn give(
    wish: &Wish,
    library: &str,
    directory: &Directory,
    draft: &mut Draft<'_>,
) -> Result<bool, Vec<Rejection>> {
    let Some(container) = find(draft.pod(), wish) else { return Ok(false) };
    let (group, index) = (container.group, container.index);
    let (variables, held) = (variables(wish), Held::by(&container));
    let clashing = |(name, value): &(&'static str, Option<&str>)| {
        clash(&container, held.entry(name)?, wish, name, *value)
    };
    let mut rejections: Vec<_> = variables.iter().filter_map(clashing).collect();
    rejections.extend(misplaced(&container, directory));
    let preload = preload(&container, held.entry(PRELOAD), library).map_err(|found| rejections.push(found));
    let (true, Ok((preload, hides))) = (rejections.is_empty(), preload) else { return Err(rejections) };
    let set = [(PRELOAD, Some(preload.as_str()))].into_iter().chain(variables);
    let set = set.filter_map(|(name, value)| Some((name, value?, held.entry(name).is_some())));
    let (changed, missing): (Vec<_>, Vec<_>) = set.partition(|(_, _, is_held)| *is_held);
    let is_mounted = container.mounts().any(|mount| mount.volume() == VOLUME);
    if !is_mounted {
        let mount =
            Mounted { name: VOLUME, mount_path: directory.as_str(), read_only: true, ..Mounted::default() };
        draft.push_to_container(group, index, "volumeMounts", [Document::of(&mount)]);
    }
    for (name, value, _) in changed {
        draft.set_env(group, index, name, value);
    }
    draft.push_env(group, index, missing.into_iter().map(|(name, value, _)| (name, value)));
    Ok(hides)
}

fn find<'a>(pod: &'a Pod, wish: &Wish) -> Option<Container<'a>> {
    pod.containers_in(wish.group).find(|container| container.name() == wish.container)
}

/// The entries of a container's `env` that count here, found in one turn: there may be very many others.
struct Held<'a>(Vec<(&'a str, Node<'a>)>);

impl<'a> Held<'a> {
    fn by(container: &Container<'a>) -> Self {
        let entries = container.field("env").and_then(Node::as_array).into_iter().flatten();
        let named = entries.filter_map(|entry| Some((entry.get("name")?.as_str()?, entry)));
        Self(named.filter(|(name, _)| *name == PRELOAD || name.starts_with(OWN)).collect())
    }

    /// The entry of this name; of several the last, as Kubernetes takes it.
    fn entry(&self, name: &str) -> Option<Node<'a>> {
        self.0.iter().rev().find(|(held, _)| *held == name).map(|(_, entry)| *entry)
    }
}

/// The variables that libfaketime reads: what each has to be, or that it must not be there.
fn variables(wish: &Wish) -> [(&'static str, Option<&str>); 5] {
    let set = |condition: bool| condition.then_some("1");
    [
        ("FAKETIME", Some(wish.time.as_str())),
        // Another format, and the value would end the app.
        ("FAKETIME_FMT", None),
        ("FAKETIME_DONT_FAKE_MONOTONIC", set(!wish.monotonic)),
        ("FAKETIME_DONT_RESET", set(wish.keep_start)),
        // Processes share their start through it. A process that gives up root, as many images' entry points do, can
        // no longer open it, and libfaketime then ends the app; from 0.9.11 on it can go without.
        ("FAKETIME_DISABLE_SHM", set(!wish.keep_start)),
    ]
}

/// A variable that is there already, and says something else.
fn clash(
    container: &Container<'_>,
    entry: Node<'_>,
    wish: &Wish,
    name: &str,
    wanted: Option<&str>,
) -> Option<Rejection> {
    let held = entry.get("value").and_then(Node::as_str);
    if held.is_some() && held == wanted && entry.get("valueFrom").is_none_or(Node::is_null) {
        return None;
    }
    let held = held.map_or("a value from elsewhere".to_owned(), |held| format!("{held:?}"));
    let key = &wish.key;
    let message = match (name, wanted) {
        ("FAKETIME", _) => {
            let wanted = wish.time.as_str();
            format!("it is {held}, and {key} asks for {wanted:?}; remove the variable, or the annotation")
        }
        ("FAKETIME_FMT", _) => {
            format!(
                "it is {held}, and the time of {key} is in libfaketime's usual format; remove the variable"
            )
        }
        (_, wanted) => {
            let wanted = wanted.map_or("not be set".to_owned(), |wanted| format!("be {wanted:?}"));
            let key = if name.ends_with("MONOTONIC") { "monotonic" } else { "keep-start" };
            format!(
                "it is {held}, and has to {wanted}; remove the variable, and say what is meant with {DOMAIN}/{key}"
            )
        }
    };
    Some(Rejection::new(format!("{container}.env {name}"), message))
}

/// A mount that keeps the library from being mounted.
fn misplaced(container: &Container<'_>, directory: &Directory) -> Option<Rejection> {
    container.mounts().find_map(|mount| {
        let at: AbsolutePath = mount.path().parse().ok()?;
        let (is_there, is_above) = (&at == directory.path(), at.is_at_or_above(directory.path()));
        let place = format!("{container}.volumeMounts[{}].mountPath", mount.index);
        let at = mount.path();
        match (mount.volume() == VOLUME, is_there) {
            (true, true) => None,
            (true, false) => Some(format!(
                "{VOLUME:?} is Podwright's volume and belongs at {}; remove this mount",
                directory.as_str()
            )),
            (false, true) => Some(format!(
                "Podwright mounts libfaketime at {at}; mount {:?} somewhere else",
                mount.volume()
            )),
            // The directory to mount on cannot be made there.
            (false, false) if mount.read_only() && is_above => Some(format!(
                "{at} is mounted read-only, and Podwright has to mount libfaketime below it at {}; mount {:?} \
                 somewhere else",
                directory.as_str(),
                mount.volume()
            )),
            (false, false) => None,
        }
        .map(|message| Rejection::new(place, message))
    })
}

/// The libraries to preload, and whether one that cannot be seen is replaced.
///
/// The container's own come first, ours last: a symbol is taken from the first library that has it. Allocators and
/// agents have to be first to see every call; libfaketime has nothing but what tells the time, which they leave alone.
fn preload(
    container: &Container<'_>,
    entry: Option<Node<'_>>,
    library: &str,
) -> Result<(String, bool), Rejection> {
    let Some(entry) = entry else { return Ok((library.to_owned(), true)) };
    if entry.get("valueFrom").is_some_and(|source| !source.is_null()) {
        let message = format!(
            "its value comes from elsewhere and is not visible here, so libfaketime cannot be added to it; write it \
             out, or add {library} to it and leave the annotation out"
        );
        return Err(Rejection::new(format!("{container}.env {PRELOAD}"), message));
    }
    let held = entry.get("value").and_then(Node::as_str).unwrap_or_default();
    let mut libraries = held.split([' ', ':']).filter(|path| !path.is_empty()).peekable();
    let is_alone = libraries.clone().all(|path| path == library);
    if libraries.any(|path| path == library) {
        return Ok((held.to_owned(), is_alone));
    }
    let held = held.trim_matches([' ', ':']);
    Ok(if held.is_empty() { (library.to_owned(), false) } else { (format!("{held}:{library}"), false) })
}
