//! From a Pod's annotations to inputs: which container's files are read, and how.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::settings::{self, Settings};
use super::{CONTAINER, DOMAIN, VOLUME_PREFIX};
use crate::mutators::annotations::{self, Annotation};
use crate::mutators::{Ask, MOST_REJECTIONS, Rejection};
use crate::pod::{ANNOTATIONS_LIMIT_BYTES, AbsolutePath, Container, Group, Pod};
use crate::policy::{listed, nearest};

/// The annotation with which `kubectl` knows a Pod's main container.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// How many paths one Pod may have: each may become a volume, and all of them are gone through for each.
const MAX_PATHS: usize = 100;

/// One input: files of one container, and how they are read.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// The container that writes the files.
    pub(super) container: String,
    /// The number that its keys carry; 0 for those without one.
    pub(super) number: u32,
    /// How they are read.
    pub(super) settings: Settings,
    /// The key that names its paths.
    pub(super) key: String,
}

/// Which policies a Pod asks for: by `inject`, or by any other key of the domain.
pub(super) fn ask(pod: &Pod) -> Result<Ask, Rejection> {
    let mut ask = Ask::Nothing;
    for annotation in annotations::under(pod, DOMAIN) {
        if annotation.name != "inject" {
            if ask == Ask::Nothing {
                ask = Ask::First;
            }
        } else if annotation.container.is_some() {
            if annotation.boolean()? && ask == Ask::Nothing {
                ask = Ask::First;
            }
        } else {
            match annotation.value {
                "false" => return Ok(Ask::Off),
                "true" => ask = Ask::First,
                name if is_policy_name(name) => ask = Ask::Named(vec![name.to_owned()]),
                _ => return annotation.boolean().map(|_| Ask::First),
            }
        }
    }
    Ok(ask)
}

/// A name that is not a mistaken boolean.
fn is_policy_name(text: &str) -> bool {
    let sound =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let mistaken = ["yes", "no", "on", "off", "y", "n", "t", "f", "1", "0"].contains(&text);
    sound && !mistaken && nearest(text, ["true", "false"]).is_none()
}

/// The keys of one input by suffix, for all containers and for single ones.
type Groups<'a> = BTreeMap<u32, BTreeMap<Option<&'a str>, BTreeMap<&'a str, Annotation<'a>>>>;

/// The inputs that a Pod asks for.
pub(super) fn inputs(pod: &Pod) -> Result<Vec<Input>, Vec<Rejection>> {
    let mut rejections = Vec::new();
    let mut groups = Groups::new();
    let mut left_out = BTreeSet::new();
    let mut named = 0;
    for annotation in annotations::under(pod, DOMAIN) {
        if rejections.len() == MOST_REJECTIONS {
            break;
        }
        if let Some(name) = annotation.container
            && !app_containers(pod).any(|container| container.name() == name)
        {
            rejections.push(unknown_container(pod, name, &annotation));
        } else if annotation.name == "inject" {
            left_out.extend(annotation.container.filter(|_| annotation.value == "false"));
        } else {
            let (number, suffix) = numbered(annotation.name);
            let known = settings::SUFFIXES.contains(&suffix) || suffix.starts_with("fields.");
            if known {
                named += if suffix == "paths" { annotation.items().count() } else { 0 };
                groups
                    .entry(number)
                    .or_default()
                    .entry(annotation.container)
                    .or_default()
                    .insert(suffix, annotation);
            } else {
                rejections.push(settings::unknown(suffix, &annotation));
            }
        }
    }
    // Before they are gone through for every container.
    if named > MAX_PATHS || groups.len() > MAX_PATHS {
        rejections.push(too_many(named.max(groups.len())));
        return Err(rejections);
    }
    let mut inputs = Vec::new();
    let mut room = ANNOTATIONS_LIMIT_BYTES;
    for (number, group) in &groups {
        match inputs_of(pod, *number, group, &left_out, &mut room) {
            Ok(found) => inputs.extend(found),
            Err(found) => rejections.extend(found),
        }
    }
    let paths: usize = inputs.iter().map(|input: &Input| input.settings.paths.len()).sum();
    if paths > MAX_PATHS {
        rejections.push(too_many(paths));
    }
    if inputs.is_empty() && rejections.is_empty() {
        let message = "Filebeat is asked for, but no file to read; add logs.podwright.dev/paths, such as /app/logs/*.log";
        rejections.push(Rejection::new(format!("annotation {DOMAIN}/inject"), message));
    }
    if rejections.is_empty() { Ok(inputs) } else { Err(rejections) }
}

fn too_many(paths: usize) -> Rejection {
    let message = format!(
        "its annotations name {paths} paths of log files, and one Pod may have {MAX_PATHS}; use wildcards"
    );
    Rejection::new(format!("annotations under {DOMAIN}"), message)
}

fn inputs_of<'a>(
    pod: &Pod,
    number: u32,
    group: &BTreeMap<Option<&'a str>, BTreeMap<&'a str, Annotation<'a>>>,
    left_out: &BTreeSet<&str>,
    room: &mut usize,
) -> Result<Vec<Input>, Vec<Rejection>> {
    let nothing = BTreeMap::new();
    let common = group.get(&None).unwrap_or(&nothing);
    let mut containers: Vec<&str> = group.keys().flatten().copied().collect();
    let mut rejections = Vec::new();
    let mut shared = None;
    if common.contains_key("paths") {
        // What is wrong with the common keys is told once, not for every container.
        let settings = Settings::read(common).map_err(|rejection| vec![rejection])?;
        let bases: Vec<_> = settings.paths.iter().map(|path| &path.base).collect();
        containers.extend(writers(pod, &bases).filter(|name| !group.contains_key(&Some(name))));
        shared = Some(settings);
    }
    let mut inputs = Vec::new();
    for container in containers.into_iter().filter(|container| !left_out.contains(container)) {
        let own = group.get(&Some(container));
        let given = match own {
            None => Cow::Borrowed(common),
            Some(own) => Cow::Owned(common.iter().chain(own).map(|(suffix, one)| (*suffix, *one)).collect()),
        };
        // Every input gets its own copy of what is common to all.
        let size: usize = given.values().map(|annotation| annotation.value.len()).sum();
        let Some(left) = room.checked_sub(size) else {
            let message = format!(
                "their values, written out for each container, are more than the {ANNOTATIONS_LIMIT_BYTES} bytes that \
                 Kubernetes takes; shorten them, or narrow them to fewer containers"
            );
            return Err(vec![Rejection::new(format!("annotations under {DOMAIN}"), message)]);
        };
        *room = left;
        let settings = match &shared {
            Some(settings) if own.is_none() => Ok(settings.clone()),
            _ => Settings::read(&given),
        };
        match (given.get("paths").map(|annotation| annotation.key), settings) {
            (_, Err(rejection)) => rejections.push(rejection),
            (None, Ok(_)) => rejections.extend(without_paths(&given)),
            (Some(key), Ok(settings)) => {
                inputs.push(Input { container: container.to_owned(), number, settings, key: key.to_owned() });
            }
        }
    }
    if group.len() == 1 && !common.is_empty() && !common.contains_key("paths") {
        rejections.extend(without_paths(common));
    }
    if rejections.is_empty() { Ok(inputs) } else { Err(rejections) }
}

/// The containers that keys without a container mean: the one that `kubectl` knows as the main one; else those that
/// mount a volume where the files are; else every app container. Once Podwright has been here, volumes that it made
/// tell which those were: what another webhook has added since is not among them.
fn writers<'a>(pod: &'a Pod, bases: &[&AbsolutePath]) -> impl Iterator<Item = &'a str> {
    let apps = || app_containers(pod).filter(|one| one.group == Group::App);
    let main = pod.annotation(DEFAULT_CONTAINER).filter(|name| apps().any(|one| one.name() == *name));
    let mounts_there = |container: &Container<'_>, made_by_us: bool| {
        bases.iter().any(|base| {
            container
                .mounts()
                .filter(|mount| mount.volume().starts_with(VOLUME_PREFIX) == made_by_us)
                .any(|mount| mount.path().parse().is_ok_and(|at: AbsolutePath| at.is_at_or_above(base)))
        })
    };
    let is_first = super::ours(pod).is_none();
    let mounting = |made_by_us| -> Vec<_> {
        apps().filter(|one| mounts_there(one, made_by_us)).map(|one| one.name()).collect()
    };
    let mounting = Some(mounting(false)).filter(|names| !names.is_empty()).unwrap_or_else(|| mounting(true));
    apps().map(|container| container.name()).filter(move |name| match main {
        Some(main) => *name == main,
        None => mounting.contains(name) || mounting.is_empty() && is_first,
    })
}

/// The containers whose files may be read: app containers and native sidecars, all but our own.
pub(super) fn app_containers(pod: &Pod) -> impl Iterator<Item = Container<'_>> {
    let native = pod.containers_in(Group::Init).filter(Container::is_native_sidecar);
    pod.containers_in(Group::App).chain(native).filter(|container| container.name() != CONTAINER)
}

/// `2.paths` is `paths` of input 2.
fn numbered(name: &str) -> (u32, &str) {
    match name.split_once('.').map(|(number, suffix)| (number, number.parse(), suffix)) {
        // Two spellings of one number would be two keys for one setting.
        Some((digits, Ok(number), suffix)) if digits.starts_with(|c| matches!(c, '1'..='9')) => {
            (number, suffix)
        }
        _ => (0, name),
    }
}

fn unknown_container(pod: &Pod, name: &str, annotation: &Annotation<'_>) -> Rejection {
    let names: Vec<_> = app_containers(pod).map(|container| container.name()).collect();
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near}.{DOMAIN}/{}?", annotation.name),
        None => format!("its containers are {}", listed(names)),
    };
    annotation.reject(format!("the Pod has no container {name:?}; {hint}"))
}

fn without_paths(given: &BTreeMap<&str, Annotation<'_>>) -> Option<Rejection> {
    let (suffix, annotation) = given.iter().next()?;
    let key = annotation.key.strip_suffix(suffix)?;
    Some(annotation.reject(format!("it has no files to apply to; add {key}paths")))
}
