//! What a policy does to one Pod: everything that it lacks is added, nothing is overwritten.

use serde_json::{Map, Value, json};

use super::objects::{Addition, Container, Object};
use super::recognise;
use super::values::Hostname;
use super::{Fields, Jobs, OlderClusters, Position};
use crate::mutators::Rejection;
use crate::pod::{Draft, Group, Node, contains};
use crate::policy::{Name, Subject, listed, nearest};

/// One policy at work on one Pod.
pub(super) struct Work<'w, 'd> {
    policy: &'w Fields,
    subject: &'w Subject<'w>,
    draft: &'w mut Draft<'d>,
    rejections: Vec<Rejection>,
}

/// What an author can do about a name that is taken.
const RENAME: &str = "rename yours";
/// What an author can do about a value that is another.
const REMOVE: &str = "take yours out";

impl<'w, 'd> Work<'w, 'd> {
    pub(super) fn new(policy: &'w Fields, subject: &'w Subject<'w>, draft: &'w mut Draft<'d>) -> Self {
        Self { policy, subject, draft, rejections: Vec::new() }
    }

    /// Adds everything; what cannot be added is told as a whole.
    pub(super) fn run(mut self, warnings: &mut Vec<String>) -> Result<Map<String, Value>, Vec<Rejection>> {
        let policy = self.policy;
        self.add_volumes();
        for container in &policy.init_containers {
            self.add_container(container, Group::Init);
        }
        for container in &policy.containers {
            self.add_container(container, Group::App);
        }
        self.add_to_apps("env", "name", "variable", &policy.env);
        self.add_to_apps("volumeMounts", "mountPath", "mount", &policy.volume_mounts);
        for secret in &policy.image_pull_secrets {
            self.draft.add_image_pull_secret(secret.as_str());
        }
        self.add_host_aliases();
        self.share_processes();
        self.add_metadata();
        self.judge_end(warnings);
        if self.rejections.is_empty() { Ok(self.facts()) } else { Err(self.rejections) }
    }

    fn add_volumes(&mut self) {
        let policy = self.policy;
        for volume in &policy.volumes {
            let (name, desired) = (volume.name(), volume.node());
            let held = self.draft.pod().volume(name).map(|held| (held.index, held.node()));
            match held {
                None => self.draft.push_volumes([volume.node()]),
                Some((_, actual)) if self.is_same("volumes", name, actual, desired) => {}
                Some((index, _)) => {
                    self.clash(format!("spec.volumes[{index}].name"), "volume", "volumes", name, RENAME);
                }
            }
        }
        for name in policy.app_volumes.iter().map(Name::as_str) {
            let pod = self.draft.pod();
            // A volume that the Pod mounts counts as there: a StatefulSet makes it from a claim template.
            let is_mounted =
                || pod.containers().flat_map(|one| one.mounts()).any(|mount| mount.volume() == name);
            if pod.volume(name).is_none() && !is_mounted() {
                let message = format!(
                    "{} mounts the Pod's volume {name:?}, which the Pod does not have; add it, or do without the policy",
                    self.draft.author()
                );
                self.rejections.push(Rejection::new("spec.volumes", message));
            }
        }
    }

    fn add_container(&mut self, container: &Object<Container>, group: Group) {
        let name = container.name();
        let taken = self.draft.pod().containers().find(|held| held.name() == name);
        if let Some(held) = taken {
            let field = held.group.field();
            let is_ours = match self.draft.author_of(field, name) {
                // What another policy adds in this very pass nobody has rewritten yet.
                Some(_) => held.node() == container.node(),
                None => recognise::is_ours(container, &held) && may_stand_in(container, group, held.group),
            };
            if !is_ours {
                self.clash(format!("{held}.name"), "container", field, name, RENAME);
            }
            return;
        }
        let mut desired = container.document().clone();
        if group == Group::App {
            self.draft.push_container(Group::App, desired);
        } else if container.is_native() && !self.subject.view.has_native_sidecars() {
            match (self.policy.older_clusters, desired.remove(["restartPolicy"])) {
                (OlderClusters::Container, Ok(())) => {
                    self.draft.push_container(Group::App, desired);
                }
                _ => self.reject_older_cluster(name),
            }
        } else if self.policy.position == Position::First {
            self.draft.push_first_init_container(desired);
        } else {
            self.draft.push_container(Group::Init, desired);
        }
    }

    fn reject_older_cluster(&mut self, name: &str) {
        let message = format!(
            "{} adds the native sidecar {name:?}, which needs Kubernetes 1.29 on the API server and every node; do \
             without the policy, or ask the cluster team",
            self.draft.author()
        );
        self.rejections.push(Rejection::new("spec.initContainers", message));
    }

    /// Adds entries to one list of the app's containers.
    fn add_to_apps<S>(&mut self, list: &str, key: &str, what: &str, additions: &[Addition<S>]) {
        for addition in additions {
            self.find_missing(list, addition);
            let named = addition.object.text(key);
            let is_meant = |container: &crate::pod::Container<'_>| match addition.containers.as_slice() {
                [] => container.group == Group::App,
                names => {
                    container.group != Group::Ephemeral && names.iter().any(|name| name == container.name())
                }
            };
            let places: Vec<_> = self
                .draft
                .pod()
                .containers()
                .filter(|container| is_meant(container) && self.draft.is_authors(container))
                .map(|container| (container.group, container.index))
                .collect();
            for (group, index) in places {
                let desired = addition.object.node();
                let container = self.draft.pod().containers_in(group).nth(index);
                let held = container.and_then(|one| entry(one.field(list)?, key, named));
                match held {
                    None => self.draft.push_to_container(group, index, list, [desired]),
                    Some((_, actual)) if self.is_same(list, named, actual, desired) => {}
                    Some((at, _)) => {
                        let place = format!("spec.{}[{index}].{list}[{at}]", group.field());
                        self.clash(place, what, list, named, REMOVE);
                    }
                }
            }
        }
    }

    /// Tells of containers that an addition names and the Pod does not have: nothing would come of it in silence.
    fn find_missing<S>(&mut self, list: &str, addition: &Addition<S>) {
        let known: Vec<_> = self
            .draft
            .pod()
            .containers()
            .filter(|container| container.group != Group::Ephemeral && self.draft.is_authors(container))
            .map(|container| container.name())
            .collect();
        let missing = addition.containers.iter().filter(|name| !known.contains(&name.as_str()));
        let messages: Vec<_> = missing
            .map(|name| {
                let hint = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("is {near:?} meant?"),
                    None => format!("its containers are {}", listed(known.iter().copied())),
                };
                format!(
                    "{} adds {list} to container {name:?}, which the Pod does not have; {hint} Name it so, or do \
                     without the policy",
                    self.draft.author()
                )
            })
            .collect();
        self.rejections
            .extend(messages.into_iter().map(|message| Rejection::new("spec.containers", message)));
    }

    fn add_host_aliases(&mut self) {
        let policy = self.policy;
        for alias in &policy.host_aliases {
            let ip = alias.ip.to_string();
            let mut missing = Vec::new();
            for name in alias.hostnames.iter().map(Hostname::as_str) {
                match self.address(name) {
                    None => missing.push(name),
                    Some((_, held)) if held.parse() == Ok(alias.ip) => {}
                    Some((index, held)) => {
                        let place = format!("spec.hostAliases[{index}]");
                        let other =
                            self.draft.author_of("hostAliases", &held).unwrap_or("the Pod").to_owned();
                        let message = format!(
                            "{} gives {name:?} the address {ip}, and {other} {held}; {REMOVE}, or do without the policy",
                            self.draft.author()
                        );
                        self.rejections.push(Rejection::new(place, message));
                    }
                }
            }
            if !missing.is_empty() {
                self.draft.push_host_alias(json!({ "ip": ip, "hostnames": missing }));
            }
        }
    }

    /// The address that a name has by the Pod's `hostAliases`, with its place.
    fn address(&self, name: &str) -> Option<(usize, String)> {
        let aliases = self.draft.pod().spec("hostAliases")?.as_array()?;
        let has = |alias: Node<'_>| {
            let names = alias.get("hostnames").and_then(Node::as_array);
            names.is_some_and(|mut names| names.any(|held| held.as_str() == Some(name)))
        };
        let (index, alias) = aliases.enumerate().find(|(_, alias)| has(*alias))?;
        Some((index, alias.get("ip")?.as_str()?.to_owned()))
    }

    fn share_processes(&mut self) {
        if !self.policy.share_process_namespace {
            return;
        }
        let is =
            |field: &str, value: bool| self.draft.pod().spec(field).and_then(Node::as_bool) == Some(value);
        let taken = if is("shareProcessNamespace", false) {
            Some(("spec.shareProcessNamespace", "is set to false by the Pod"))
        } else if is("hostPID", true) {
            Some(("spec.hostPID", "Kubernetes does not take beside hostPID"))
        } else {
            None
        };
        match taken {
            None => self.draft.set_spec("shareProcessNamespace", &true),
            Some((place, why)) => {
                let author = self.draft.author();
                let message = format!(
                    "{author} needs shareProcessNamespace, which {why}; {REMOVE}, or do without the policy"
                );
                self.rejections.push(Rejection::new(place, message));
            }
        }
    }

    fn add_metadata(&mut self) {
        let policy = self.policy;
        for (key, value) in &policy.annotations {
            match self.draft.pod().annotation(key.as_str()) {
                Some(held) if held != value => {
                    let place = format!("annotation {}", key.as_str());
                    self.clash(place, "annotation", "annotations", key.as_str(), REMOVE);
                }
                _ => self.draft.set_annotation(key.as_str(), value),
            }
        }
        for (key, value) in &policy.labels {
            match self.draft.pod().label(key.as_str()) {
                Some(held) if held != value.as_str() => {
                    let place = format!("label {}", key.as_str());
                    self.clash(place, "label", "labels", key.as_str(), REMOVE);
                }
                _ => self.draft.set_label(key.as_str(), value.as_str()),
            }
        }
    }

    /// A plain container keeps a Pod from ending, unless it ends by itself.
    fn judge_end(&mut self, warnings: &mut Vec<String>) {
        let plain = self.names(Group::App).join(", ");
        let is_finite = self.subject.workload.runs_to_completion(self.draft.pod());
        if plain.is_empty() || !is_finite || self.policy.jobs == Jobs::Allow {
            return;
        }
        let message = format!(
            "{} adds the plain container {plain}, which keeps a Pod that should end from ever ending",
            self.draft.author()
        );
        if self.policy.jobs == Jobs::Warn {
            warnings.push(message);
        } else {
            let message = format!("{message}; do without the policy, or ask the cluster team");
            self.rejections.push(Rejection::new("spec.containers", message));
        }
    }

    /// What the Pod has of the policy.
    fn facts(&self) -> Map<String, Value> {
        let volumes: Vec<_> = self.policy.volumes.iter().map(Object::name).collect();
        let (containers, init_containers) = (self.names(Group::App), self.names(Group::Init));
        let lists = [("containers", containers), ("initContainers", init_containers), ("volumes", volumes)];
        lists.into_iter().map(|(key, names)| (key.to_owned(), json!(names))).collect()
    }

    /// The policy's containers that stand in one list of the Pod.
    fn names(&self, group: Group) -> Vec<&str> {
        let of_policy = || self.policy.containers.iter().chain(&self.policy.init_containers);
        let is_policys = |name: &&str| of_policy().any(|one| one.name() == *name);
        self.draft.pod().containers_in(group).map(|held| held.name()).filter(is_policys).collect()
    }

    /// Whether what is there is what is desired: to the letter where another policy of this pass has added it, for
    /// nobody has rewritten it yet.
    fn is_same(&self, field: &str, name: &str, actual: Node<'_>, desired: Node<'_>) -> bool {
        match self.draft.author_of(field, name) {
            Some(_) => actual == desired,
            None => contains(actual, desired),
        }
    }

    fn clash(&mut self, place: String, what: &str, field: &str, name: &str, remedy: &str) {
        let author = self.draft.author();
        let message = match self.draft.author_of(field, name) {
            Some(other) => format!(
                "{author} adds the {what} {name:?}, and {other} another one; ask for one of the two policies, or the \
                 cluster team to change one"
            ),
            None => {
                let held = if remedy == RENAME { "another one" } else { "it with another value" };
                format!(
                    "{author} adds the {what} {name:?}, and the Pod has {held}; {remedy}, or do without the policy"
                )
            }
        };
        self.rejections.push(Rejection::new(place, message));
    }
}

/// Whether a container found in one list may be one that belongs into another: a native sidecar stands in either.
fn may_stand_in(container: &Object<Container>, wanted: Group, found: Group) -> bool {
    found == wanted || container.is_native() && found == Group::App
}

/// The entry of a list whose key is this, with its place; paths are compared without a `/` at their end.
fn entry<'v>(list: Node<'v>, key: &str, named: &str) -> Option<(usize, Node<'v>)> {
    let text = |entry: &Node<'v>| entry.get(key).and_then(Node::as_str);
    let is = |entry: &Node<'v>| {
        text(entry).is_some_and(|text| text.trim_end_matches('/') == named.trim_end_matches('/'))
    };
    list.as_array()?.enumerate().find(|(_, entry)| is(entry))
}
