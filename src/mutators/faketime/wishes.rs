//! From a Pod's annotations to wishes: which container is to have which time.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::value::FakeTime;
use super::{DOMAIN, Faketime, Libc, VOLUME};
use crate::mutators::annotations::{self, Annotation};
use crate::mutators::{Ask, MOST_REJECTIONS, OWN_NAMES, Rejection};
use crate::pod::{Container, Group, Pod};
use crate::policy::{listed, nearest};

/// The keys that can be narrowed to one container.
const KEYS: &[&str] = &["time", "libc", "threads", "monotonic", "keep-start"];
/// The keys that are for the whole Pod.
const POD_KEYS: &[&str] = &["init-containers", "policy"];

/// One container and the time that it is to have.
#[derive(Debug)]
pub(super) struct Wish {
    /// The list that the container stands in.
    pub(super) group: Group,
    /// Its name.
    pub(super) container: String,
    /// The key that names the time.
    pub(super) key: String,
    /// The time.
    pub(super) time: FakeTime,
    /// The C library of its image.
    pub(super) libc: Libc,
    /// Whether it is served by the library for several threads.
    pub(super) threads: bool,
    /// Whether the monotonic clock is to be another too.
    pub(super) monotonic: bool,
    /// Whether child processes go on with their parent's time.
    pub(super) keep_start: bool,
}

/// Which policies a Pod asks for: the one that `policy` names, or by any other key of the domain.
pub(super) fn ask(pod: &Pod) -> Ask {
    let mut ask = Ask::Nothing;
    for annotation in annotations::under(pod, DOMAIN) {
        if (annotation.name, annotation.container) == ("policy", None) {
            return Ask::Named(vec![annotation.value.to_owned()]);
        }
        ask = Ask::First;
    }
    ask
}

/// The wishes of a Pod; never none.
pub(super) fn read(policy: &Faketime, pod: &Pod) -> Result<Vec<Wish>, Vec<Rejection>> {
    let mut keys = Keys::of(pod)?;
    let with_init = match keys.init_containers {
        Some(annotation) => annotation.boolean().map_err(|rejection| vec![rejection])?,
        None => policy.init_containers,
    };
    let common = Settings::read(&keys.narrowed.remove(&None).unwrap_or_default())?;
    let mut rejections = Vec::new();
    let mut own = BTreeMap::new();
    for (name, annotations) in keys.narrowed.iter().filter_map(|(name, found)| Some(((*name)?, found))) {
        match Settings::read(annotations) {
            Ok(settings) => drop(own.insert(name, settings)),
            Err(found) => rejections.extend(found),
        }
    }
    let everyone = if common.time.is_some() { everyone(policy, pod, with_init) } else { Vec::new() };
    let mut wishes = Vec::new();
    for container in candidates(pod) {
        let settings = match own.get(container.name()) {
            Some(settings) => settings.over(&common),
            None if everyone.contains(&container.name()) => common,
            None => continue,
        };
        match settings.wish(policy, &container) {
            Ok(wish) => wishes.push(wish),
            Err(rejection) => rejections.push(rejection),
        }
    }
    if wishes.is_empty() && rejections.is_empty() {
        rejections.push(nobody(&common, pod));
    }
    if rejections.is_empty() { Ok(wishes) } else { Err(rejections) }
}

/// The containers that can have another time: all but those that Podwright adds.
fn candidates(pod: &Pod) -> impl Iterator<Item = Container<'_>> {
    let users = |container: &Container<'_>| !container.name().starts_with(OWN_NAMES);
    [Group::App, Group::Init].into_iter().flat_map(|group| pod.containers_in(group)).filter(users)
}

/// The containers that keys without a container mean. Where Podwright has been already, those that it served then:
/// what another webhook has added since, a proxy perhaps, keeps the true time.
fn everyone<'a>(policy: &Faketime, pod: &'a Pod, with_init: bool) -> Vec<&'a str> {
    let is_meant = |container: &Container<'_>| {
        (with_init || container.group == Group::App)
            && !policy.exclude_containers.iter().any(|glob| glob.matches(container.name()))
    };
    let is_served = |container: &&Container<'_>| container.mounts().any(|mount| mount.volume() == VOLUME);
    let meant: Vec<_> = candidates(pod).filter(is_meant).collect();
    let served: Vec<_> = meant.iter().filter(is_served).map(Container::name).collect();
    if served.is_empty() { meant.iter().map(Container::name).collect() } else { served }
}

/// No container gets a time: no key asks for one, or the policy leaves every container out.
fn nobody(common: &Settings<'_>, pod: &Pod) -> Rejection {
    match common.time {
        None => Rejection::new(
            format!("annotations under {DOMAIN}"),
            format!("they ask for no time; add {DOMAIN}/time, such as \"+2d\""),
        ),
        Some(annotation) => {
            let name = candidates(pod).next().map_or("app", |container| container.name());
            annotation.reject(format!(
                "the policy leaves out every container of this Pod; name the one that is meant: {name}.{DOMAIN}/time"
            ))
        }
    }
}

/// The annotations of one Pod, sorted by whom they are for.
#[derive(Default)]
struct Keys<'a> {
    init_containers: Option<Annotation<'a>>,
    narrowed: BTreeMap<Option<&'a str>, Vec<Annotation<'a>>>,
}

impl<'a> Keys<'a> {
    fn of(pod: &'a Pod) -> Result<Self, Vec<Rejection>> {
        let mut keys = Self::default();
        let mut rejections = Vec::new();
        for annotation in annotations::under(pod, DOMAIN) {
            if rejections.len() == MOST_REJECTIONS {
                break;
            }
            match (annotation.container, annotation.name) {
                (None, "policy") => {}
                (None, "init-containers") => keys.init_containers = Some(annotation),
                (Some(_), name) if POD_KEYS.contains(&name) => rejections.push(annotation.reject(format!(
                    "this key is for the whole Pod; write {DOMAIN}/{name}, or {}.{DOMAIN}/time for one container",
                    annotation.container.unwrap_or_default()
                ))),
                (_, name) if !KEYS.contains(&name) => rejections.push(unknown_key(&annotation)),
                (Some(container), _) if !candidates(pod).any(|one| one.name() == container) => {
                    rejections.push(unknown_container(pod, container, &annotation));
                }
                (container, _) => keys.narrowed.entry(container).or_default().push(annotation),
            }
        }
        if rejections.is_empty() { Ok(keys) } else { Err(rejections) }
    }
}

fn unknown_key(annotation: &Annotation<'_>) -> Rejection {
    let known = KEYS.iter().chain(POD_KEYS).copied();
    let prefix = annotation.key.strip_suffix(annotation.name).unwrap_or_default();
    let hint = match nearest(annotation.name, known.clone()) {
        Some(near) => format!("did you mean {prefix}{near}?"),
        None => format!("expected one of {}", known.collect::<Vec<_>>().join(", ")),
    };
    annotation.reject(format!("this key is not known; {hint}"))
}

fn unknown_container(pod: &Pod, name: &str, annotation: &Annotation<'_>) -> Rejection {
    if pod.containers().any(|container| container.name() == name) {
        return annotation.reject(format!(
            "container {name:?} keeps the true time: names that begin with {OWN_NAMES:?} are Podwright's, and \
             ephemeral containers come too late"
        ));
    }
    let names: Vec<_> = candidates(pod).map(|container| container.name()).collect();
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near}.{DOMAIN}/{}?", annotation.name),
        None => format!("its containers are {}", listed(names)),
    };
    annotation.reject(format!("the Pod has no container {name:?}; {hint}"))
}

/// The keys that are given for all containers, or for one; all of them read.
#[derive(Debug, Default, Clone, Copy)]
struct Settings<'a> {
    time: Option<Annotation<'a>>,
    libc: Option<Libc>,
    threads: Option<bool>,
    monotonic: Option<bool>,
    keep_start: Option<(Annotation<'a>, bool)>,
}

impl<'a> Settings<'a> {
    fn read(annotations: &[Annotation<'a>]) -> Result<Self, Vec<Rejection>> {
        let mut settings = Self::default();
        let rejections: Vec<_> =
            annotations.iter().filter_map(|annotation| settings.take(annotation).err()).collect();
        if rejections.is_empty() { Ok(settings) } else { Err(rejections) }
    }

    fn take(&mut self, annotation: &Annotation<'a>) -> Result<(), Rejection> {
        match annotation.name {
            "libc" => self.libc = Some(libc(annotation)?),
            "threads" => self.threads = Some(annotation.boolean()?),
            "monotonic" => self.monotonic = Some(annotation.boolean()?),
            "keep-start" => self.keep_start = Some((*annotation, annotation.boolean()?)),
            _ => {
                time(annotation)?;
                self.time = Some(*annotation);
            }
        }
        Ok(())
    }

    /// These, and the others' where these say nothing.
    fn over(&self, others: &Self) -> Self {
        Self {
            time: self.time.or(others.time),
            libc: self.libc.or(others.libc),
            threads: self.threads.or(others.threads),
            monotonic: self.monotonic.or(others.monotonic),
            keep_start: self.keep_start.or(others.keep_start),
        }
    }

    fn wish(&self, policy: &Faketime, container: &Container<'_>) -> Result<Wish, Rejection> {
        let Some(annotation) = self.time else {
            let name = container.name();
            let message = format!("nothing asks for a time of this container; add {name}.{DOMAIN}/time");
            return Err(Rejection::new(format!("annotations under {name}.{DOMAIN}"), message));
        };
        let time = time(&annotation)?;
        let keep_start = match self.keep_start {
            Some((keep, true)) if !time.has_start() => {
                return Err(keep.reject(format!(
                    "{:?} is the same for every process, so there is no start to keep; leave this key out",
                    time.as_str()
                )));
            }
            Some((_, keep)) => keep,
            None => policy.keep_start && time.has_start(),
        };
        Ok(Wish {
            group: container.group,
            container: container.name().to_owned(),
            key: annotation.key.to_owned(),
            time,
            libc: self.libc.unwrap_or(policy.libc),
            threads: self.threads.unwrap_or(policy.threads),
            monotonic: self.monotonic.unwrap_or(policy.monotonic),
            keep_start,
        })
    }
}

fn time(annotation: &Annotation<'_>) -> Result<FakeTime, Rejection> {
    FakeTime::from_str(annotation.value).map_err(|error| annotation.reject(error.to_string()))
}

fn libc(annotation: &Annotation<'_>) -> Result<Libc, Rejection> {
    Libc::ALL.into_iter().find(|libc| libc.as_str() == annotation.value).ok_or_else(|| {
        let names = Libc::ALL.map(Libc::as_str);
        let hint = nearest(annotation.value, names)
            .map_or("musl is Alpine's, glibc nearly everyone else's".to_owned(), |near| {
                format!("did you mean {near:?}?")
            });
        annotation.reject(format!(
            "{:?} is no C library; expected {}; {hint}",
            annotation.value,
            names.join(" or ")
        ))
    })
}
