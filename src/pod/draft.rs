//! A Pod under change: edits are recorded while they are applied to a working copy.

use std::collections::HashSet;

use serde::Serialize;

use super::edit::Edit;
use super::patch::pointer;
use super::verify::{self, Fault};
use super::{Container, Document, Group, Node, Operation, Pod, coalesce};

/// A Pod under change: mutators read the working copy and change it only through here.
#[derive(Debug)]
pub struct Draft<'a> {
    original: &'a Pod,
    working: Option<Pod>,
    edits: Vec<Edit>,
    fault: Option<Fault>,
    /// Who edits, each with the number of edits before theirs; the last is at work.
    authors: Vec<(usize, String)>,
    /// Containers of the original that an earlier pass has added.
    ours: HashSet<String>,
    /// How many init containers were put in front,
    in_front: usize,
    /// and by which edits, where there were others.
    fronts: Vec<usize>,
}

/// A verified result: the operations turn the original into the Pod.
#[derive(Debug)]
pub struct Edited {
    /// The operations, in order; empty where nothing changed.
    pub operations: Vec<Operation>,
    /// The changed Pod; `None` where nothing changed.
    pub pod: Option<Pod>,
}

/// A variable of a container.
#[derive(Serialize)]
struct Variable<'v> {
    name: &'v str,
    value: &'v str,
}

/// A reference to an object by its name.
#[derive(Serialize)]
struct Reference<'v> {
    name: &'v str,
}

impl<'a> Draft<'a> {
    /// A draft that has no edits yet.
    #[must_use]
    pub fn new(original: &'a Pod) -> Self {
        Self {
            original,
            working: None,
            edits: Vec::new(),
            fault: None,
            authors: Vec::new(),
            ours: HashSet::new(),
            in_front: 0,
            fronts: Vec::new(),
        }
    }

    /// The Pod as edited so far.
    #[must_use]
    pub fn pod(&self) -> &Pod {
        self.working.as_ref().unwrap_or(self.original)
    }

    /// Whether there is any edit.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        !self.edits.is_empty()
    }

    /// Says who makes the edits that follow: `Filebeat policy filebeat`.
    pub fn sign(&mut self, author: String) {
        self.authors.push((self.edits.len(), author));
    }

    /// Who makes the edits now.
    #[must_use]
    pub fn author(&self) -> &str {
        self.authors.last().map_or("", |(_, author)| author)
    }

    /// Who added to a list the entry of this name, or to a map this key, in this draft; `None` where it was there.
    /// An entry of `volumeMounts` goes by its path.
    #[must_use]
    pub fn author_of(&self, field: &str, name: &str) -> Option<&str> {
        let at = self.edits.iter().position(|edit| edit.brings(field, name))?;
        self.authors.iter().rev().find(|(from, _)| *from <= at).map(|(_, author)| author.as_str())
    }

    /// Says which containers of the original an earlier pass has added.
    pub fn claim<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        self.ours.extend(names.into_iter().map(str::to_owned));
    }

    /// Whether the Pod's author wrote this container, rather than a policy in this pass or in an earlier one: what a
    /// policy does to the app's containers must be the same in every pass.
    #[must_use]
    pub fn is_authors(&self, container: &Container<'_>) -> bool {
        !self.ours.contains(container.name())
            && self.original.containers().any(|original| original.name() == container.name())
    }

    /// Sets an annotation; no edit where it has this value already.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        if self.pod().annotation(key) != Some(value) {
            self.put(&["metadata", "annotations", key], Document::of(value));
        }
    }

    /// Sets a label; no edit where it has this value already.
    pub fn set_label(&mut self, key: &str, value: &str) {
        if self.pod().label(key) != Some(value) {
            self.put(&["metadata", "labels", key], Document::of(value));
        }
    }

    /// Sets a field of `spec`; no edit where it has this value already.
    pub fn set_spec(&mut self, field: &str, value: &impl Serialize) {
        let value = Document::of(value);
        if self.pod().spec(field).is_none_or(|held| held != value.root()) {
            self.put(&["spec", field], value);
        }
    }

    /// Removes an annotation, if it is there.
    pub fn remove_annotation(&mut self, key: &str) {
        let path = ["metadata", "annotations", key];
        if self.pod().node().at(path).is_some() {
            self.record(Edit::One(Operation::Remove { path: pointer(path) }));
        }
    }

    /// Appends a container to one group, behind those that are there; tells its place.
    pub fn push_container(&mut self, group: Group, container: impl Into<Document>) -> usize {
        self.push(&["spec", group.field()], vec![container.into()])
    }

    /// Puts an init container before those of the Pod, behind those that this put there.
    pub fn push_first_init_container(&mut self, container: impl Into<Document>) {
        let container = container.into();
        let list = ["spec", Group::Init.field()];
        match self.pod().node().at(list).and_then(Node::as_array) {
            Some(_) => {
                let path = pointer(list.into_iter().chain([self.in_front.to_string().as_str()]));
                self.fronts.push(self.edits.len());
                self.record(Edit::One(Operation::Add { path, value: container }));
            }
            _ => {
                self.push_container(Group::Init, container);
            }
        }
        self.in_front += 1;
    }

    /// Sets a variable of a container: where `env` has it (the last of several, as Kubernetes takes it), else behind
    /// the others.
    pub fn set_env(&mut self, group: Group, index: usize, name: &str, value: &str) {
        let held = self.pod().containers_in(group).nth(index);
        let entries = held.and_then(|container| container.field("env")).and_then(Node::as_array);
        let place = entries.and_then(|entries| {
            let is_named = |entry: &Node<'_>| entry.get("name").and_then(Node::as_str) == Some(name);
            let (place, entry) = entries.enumerate().filter(|(_, entry)| is_named(entry)).last()?;
            let is_set = entry.get("value").and_then(Node::as_str) == Some(value);
            Some((place.to_string(), is_set))
        });
        match place {
            Some((_, true)) => {}
            Some((place, false)) => {
                let path = ["spec", group.field(), &index.to_string(), "env", &place, "value"];
                self.put(&path, Document::of(value));
            }
            None => self.push_env(group, index, [(name, value)]),
        }
    }

    /// Appends variables to `env` of a container, which has none of these names.
    pub fn push_env<'v>(
        &mut self,
        group: Group,
        index: usize,
        variables: impl IntoIterator<Item = (&'v str, &'v str)>,
    ) {
        let variables = variables.into_iter().map(|(name, value)| Document::of(&Variable { name, value }));
        self.push_to_container(group, index, "env", variables);
    }

    /// Sets a field of a container.
    pub fn set_container(&mut self, group: Group, index: usize, field: &str, value: &impl Serialize) {
        self.put(&["spec", group.field(), &index.to_string(), field], Document::of(value));
    }

    /// Appends entries to one list of a container (`volumeMounts`, `env`).
    pub fn push_to_container(
        &mut self,
        group: Group,
        index: usize,
        list: &str,
        entries: impl IntoIterator<Item = impl Into<Document>>,
    ) {
        let entries = entries.into_iter().map(Into::into).collect();
        self.push(&["spec", group.field(), &index.to_string(), list], entries);
    }

    /// Appends volumes.
    pub fn push_volumes(&mut self, volumes: impl IntoIterator<Item = impl Into<Document>>) {
        self.push(&["spec", "volumes"], volumes.into_iter().map(Into::into).collect());
    }

    /// Asks for nodes that have a label; no edit where the Pod does already.
    pub fn set_node_selector(&mut self, key: &str, value: &str) {
        if self.pod().node_selector(key) != Some(value) {
            self.put(&["spec", "nodeSelector", key], Document::of(value));
        }
    }

    /// Appends an entry to `hostAliases`.
    pub fn push_host_alias(&mut self, alias: impl Into<Document>) {
        self.push(&["spec", "hostAliases"], vec![alias.into()]);
    }

    /// Adds the reference to an image pull secret, unless the Pod has it.
    pub fn add_image_pull_secret(&mut self, name: &str) {
        let held = |entry: Node<'_>| entry.get("name").and_then(Node::as_str) == Some(name);
        let secrets = self.pod().spec("imagePullSecrets").and_then(Node::as_array);
        if !secrets.is_some_and(|mut secrets| secrets.any(held)) {
            self.push(&["spec", "imagePullSecrets"], vec![Document::of(&Reference { name })]);
        }
    }

    /// Ends the draft: verifies that the operations give the working copy, and that it is a sound Pod.
    ///
    /// # Errors
    /// When they do not: that is Podwright's bug, and nothing of the draft may be used.
    pub fn finish(self) -> Result<Edited, Fault> {
        match (self.fault, self.working) {
            (Some(fault), _) => Err(fault),
            (None, None) => Ok(Edited { operations: Vec::new(), pod: None }),
            (None, Some(working)) => {
                verify::types(&self.edits, &working)?;
                let operations = coalesce::coalesced(&working, self.edits, &self.fronts);
                verify::result(self.original, &operations, &working)?;
                Ok(Edited { operations, pod: Some(working) })
            }
        }
    }

    /// Appends to the list at a path, and tells the place there; makes the list where there is none.
    fn push(&mut self, path: &[&str], entries: Vec<Document>) -> usize {
        let held = self.pod().node().at(path.iter().copied()).and_then(Node::as_array);
        let place = held.as_ref().map_or(0, |held| held.clone().count());
        match held {
            _ if entries.is_empty() => {}
            Some(_) => self.record(Edit::Append { list: pointer(path), place, entries }),
            None => self.put(path, Document::list_of(&entries)),
        }
        place
    }

    /// Sets the field at a path; makes the objects above it where they are missing or null.
    fn put(&mut self, path: &[&str], value: Document) {
        let mut held = Some(self.pod().node());
        let is_missing = |token: &&str| {
            held = held.and_then(|held| held.at([token])).filter(|held| !held.is_null());
            held.is_none()
        };
        let depth = path.iter().position(is_missing).map_or(path.len(), |place| place + 1);
        let (above, missing) = path.split_at(depth);
        let value = missing.iter().rev().fold(value, |inner, token| Document::object_of(token, &inner));
        // `add` on a member that exists replaces it (RFC 6902, 4.1); `replace` on a null fails in the API server.
        self.record(Edit::One(Operation::Add { path: pointer(above), value }));
    }

    /// Applies an edit to the working copy and keeps it.
    fn record(&mut self, edit: Edit) {
        if self.fault.is_some() {
            return;
        }
        let working = self.working.get_or_insert_with(|| self.original.clone());
        match edit.apply(working.document_mut()) {
            Ok(()) => self.edits.push(edit),
            Err(error) => self.fault = Some(Fault::of(edit.path(), &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn edited(original: Value, edit: impl FnOnce(&mut Draft<'_>)) -> (Value, Vec<Operation>) {
        let pod = Pod::from_value(original).unwrap();
        let mut draft = Draft::new(&pod);
        edit(&mut draft);
        let edited = draft.finish().unwrap();
        (edited.pod.unwrap_or(pod).node().to_value(), edited.operations)
    }

    fn bare() -> Value {
        json!({"metadata": {}, "spec": {"containers": [{"name": "app", "image": "a"}]}})
    }

    #[test]
    fn missing_parents_are_made() {
        for metadata in [json!({}), json!({"annotations": null})] {
            let mut original = bare();
            original["metadata"] = metadata;
            let (pod, operations) = edited(original, |draft| {
                draft.set_annotation("a/b~c", "1");
                draft.set_annotation("d", "2");
            });
            assert_eq!(pod["metadata"]["annotations"], json!({"a/b~c": "1", "d": "2"}));
            assert_eq!(operations.len(), 1);
        }
    }

    #[test]
    fn keys_are_escaped() {
        let mut original = bare();
        original["metadata"] = json!({"annotations": {"x": "y"}});
        let (_, operations) = edited(original, |draft| draft.set_annotation("a.b/c~d", "1"));
        assert_eq!(operations[0].path().as_str(), "/metadata/annotations/a.b~1c~0d");
    }

    #[test]
    fn lists_are_appended_to_by_index() {
        let (pod, operations) = edited(bare(), |draft| {
            draft.push_volumes([json!({"name": "a", "emptyDir": {}})]);
            draft.push_volumes([json!({"name": "b", "emptyDir": {}})]);
        });
        assert_eq!(pod["spec"]["volumes"].as_array().unwrap().len(), 2);
        assert_eq!(operations[0].path().as_str(), "/spec/volumes");
        let (_, operations) = edited(pod, |draft| draft.push_volumes([json!({"name": "c", "emptyDir": {}})]));
        assert_eq!(operations[0].path().as_str(), "/spec/volumes/2");
    }

    #[test]
    fn a_container_goes_in_front() {
        let (pod, _) = edited(bare(), |draft| {
            draft.push_container(Group::Init, json!({"name": "c", "image": "c"}));
            draft.push_first_init_container(json!({"name": "a", "image": "a"}));
            draft.push_first_init_container(json!({"name": "b", "image": "b"}));
        });
        let names: Vec<_> =
            pod["spec"]["initContainers"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn a_variable_is_set_where_it_stands() {
        let mut original = bare();
        original["spec"]["containers"][0]["env"] =
            json!([{"name": "A", "value": "0"}, {"name": "A", "value": "1"}, {"name": "B"}]);
        let (pod, operations) = edited(original, |draft| {
            draft.set_env(Group::App, 0, "A", "2");
            draft.set_env(Group::App, 0, "B", "3");
            draft.set_env(Group::App, 0, "B", "3");
            draft.set_env(Group::App, 0, "C", "4");
        });
        let env = json!([{"name": "A", "value": "0"}, {"name": "A", "value": "2"}, {"name": "B", "value": "3"},
            {"name": "C", "value": "4"}]);
        assert_eq!(pod["spec"]["containers"][0]["env"], env);
        assert_eq!(operations.len(), 1);
    }

    #[test]
    fn an_edit_that_changes_nothing_is_no_operation() {
        let mut original = bare();
        original["metadata"] = json!({"annotations": {"x": "y"}});
        original["spec"]["imagePullSecrets"] = json!([{"name": "pull"}]);
        original["spec"]["nodeSelector"] = json!({"disk": "ssd"});
        let (_, operations) = edited(original, |draft| {
            draft.set_annotation("x", "y");
            draft.remove_annotation("z");
            draft.add_image_pull_secret("pull");
            draft.set_node_selector("disk", "ssd");
        });
        assert!(operations.is_empty());
    }

    #[test]
    fn who_added_what_is_known() {
        let mut original = bare();
        original["metadata"]["labels"] = json!({"x": "y"});
        original["spec"]["initContainers"] = json!([{"name": "own", "image": "a"}]);
        let pod = Pod::from_value(original).unwrap();
        let mut draft = Draft::new(&pod);
        draft.sign("first".to_owned());
        draft.push_first_init_container(json!({"name": "a", "image": "a"}));
        draft.push_volumes([json!({"name": "v", "emptyDir": {}})]);
        draft.push_to_container(Group::App, 0, "env", [json!({"name": "E", "value": "1"})]);
        draft.sign("second".to_owned());
        draft.push_first_init_container(json!({"name": "b", "image": "b"}));
        draft.push_volumes([json!({"name": "w", "emptyDir": {}})]);
        draft.push_to_container(Group::App, 0, "volumeMounts", [json!({"name": "w", "mountPath": "/w"})]);
        draft.set_annotation("k", "1");
        draft.set_label("l", "1");
        for (field, name, author) in [
            ("initContainers", "a", Some("first")),
            ("initContainers", "b", Some("second")),
            ("initContainers", "own", None),
            ("containers", "app", None),
            ("volumes", "v", Some("first")),
            ("volumes", "w", Some("second")),
            ("volumeMounts", "/w", Some("second")),
            ("env", "E", Some("first")),
            ("annotations", "k", Some("second")),
            ("labels", "l", Some("second")),
            ("labels", "x", None),
        ] {
            assert_eq!(draft.author_of(field, name), author, "{field} {name}");
        }
        let names: Vec<_> = draft.pod().containers_in(Group::Init).map(|one| one.name()).collect();
        assert_eq!(names, ["a", "b", "own"]);
        let authors: Vec<_> = draft.pod().containers().map(|one| draft.is_authors(&one)).collect();
        assert_eq!(authors, [true, false, false, true]);
        draft.finish().unwrap();
    }

    #[test]
    fn an_edit_that_does_not_fit_is_a_fault() {
        let pod = Pod::from_value(json!({"metadata": {"annotations": "no map"}, "spec": {}})).unwrap();
        let mut draft = Draft::new(&pod);
        draft.set_annotation("x", "y");
        assert!(draft.finish().is_err());
    }

    #[test]
    fn a_result_that_is_no_sound_pod_is_a_fault() {
        let pod = Pod::from_value(bare()).unwrap();
        let twice = json!({"name": "app", "image": "b"});
        let unmounted =
            json!({"name": "b", "image": "b", "volumeMounts": [{"name": "gone", "mountPath": "/x"}]});
        let wrong_type = json!({"name": "b", "image": 7});
        for container in [twice, unmounted, wrong_type] {
            let mut draft = Draft::new(&pod);
            draft.push_container(Group::App, container);
            assert!(draft.finish().is_err());
        }
    }
}
