//! Edits to a Pod, recorded as RFC 6902 operations while they are applied to the working copy.

use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{AddOperation, PatchOperation, RemoveOperation};
use serde_json::{Map, Value};

use super::verify::{self, Fault};
use super::{Group, Pod};

/// A Pod under change: mutators read the working copy and change it only through here.
#[derive(Debug)]
pub struct Draft<'a> {
    original: &'a Pod,
    working: Option<Pod>,
    operations: Vec<PatchOperation>,
    fault: Option<Fault>,
}

/// A verified result: the operations turn the original into the Pod.
#[derive(Debug)]
pub struct Edited {
    /// The operations, in order; empty where nothing changed.
    pub operations: Vec<PatchOperation>,
    /// The changed Pod; `None` where nothing changed.
    pub pod: Option<Pod>,
}

impl<'a> Draft<'a> {
    /// A draft that has no edits yet.
    #[must_use]
    pub fn new(original: &'a Pod) -> Self {
        Self { original, working: None, operations: Vec::new(), fault: None }
    }

    /// The Pod as edited so far.
    #[must_use]
    pub fn pod(&self) -> &Pod {
        self.working.as_ref().unwrap_or(self.original)
    }

    /// Sets an annotation; no edit where it has this value already.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        if self.pod().annotation(key) != Some(value) {
            self.put(&["metadata", "annotations", key], Value::from(value));
        }
    }

    /// Removes an annotation, if it is there.
    pub fn remove_annotation(&mut self, key: &str) {
        let path = PointerBuf::from_tokens(["metadata", "annotations", key]);
        if path.resolve(self.pod().as_value()).is_ok() {
            self.record(PatchOperation::Remove(RemoveOperation { path }));
        }
    }

    /// Appends a container to one group, behind those that are there.
    pub fn push_container(&mut self, group: Group, container: Value) {
        self.push(&["spec", group.field()], container);
    }

    /// Puts a container in front of one group. Indices into that group move by one.
    pub fn put_container_first(&mut self, group: Group, container: Value) {
        let list = PointerBuf::from_tokens(["spec", group.field()]);
        if list.resolve(self.pod().as_value()).is_ok_and(Value::is_array) {
            let path = list.with_trailing_token(Token::from(0_usize));
            self.record(PatchOperation::Add(AddOperation { path, value: container }));
        } else {
            self.push_container(group, container);
        }
    }

    /// Sets a variable of a container: where `env` has it (the last of several, as Kubernetes takes it), else behind
    /// the others.
    pub fn set_env(&mut self, group: Group, index: usize, name: &str, value: &str) {
        let held = self.pod().containers_in(group).nth(index);
        let entries = held.and_then(|container| container.field("env")).and_then(Value::as_array);
        let place = entries.and_then(|entries| {
            let named = |entry: &Value| entry.get("name").and_then(Value::as_str) == Some(name);
            let place = entries.iter().rposition(named)?;
            let is_set = entries.get(place)?.get("value").and_then(Value::as_str) == Some(value);
            Some((place.to_string(), is_set))
        });
        let index = index.to_string();
        match place {
            Some((_, true)) => {}
            Some((place, false)) => {
                self.put(&["spec", group.field(), &index, "env", &place, "value"], value.into());
            }
            None => {
                let entry = serde_json::json!({ "name": name, "value": value });
                self.push(&["spec", group.field(), &index, "env"], entry);
            }
        }
    }

    /// Appends an entry to one list of a container (`volumeMounts`, `env`).
    pub fn push_to_container(&mut self, group: Group, index: usize, list: &str, entry: Value) {
        self.push(&["spec", group.field(), &index.to_string(), list], entry);
    }

    /// Appends a volume.
    pub fn push_volume(&mut self, volume: Value) {
        self.push(&["spec", "volumes"], volume);
    }

    /// Asks for nodes that have a label; no edit where the Pod does already.
    pub fn set_node_selector(&mut self, key: &str, value: &str) {
        if self.pod().node_selector(key) != Some(value) {
            self.put(&["spec", "nodeSelector", key], Value::from(value));
        }
    }

    /// Adds the reference to an image pull secret, unless the Pod has it.
    pub fn add_image_pull_secret(&mut self, name: &str) {
        let held = |entry: &Value| entry.get("name").and_then(Value::as_str) == Some(name);
        let secrets = self.pod().spec("imagePullSecrets").and_then(Value::as_array);
        if !secrets.is_some_and(|secrets| secrets.iter().any(held)) {
            self.push(&["spec", "imagePullSecrets"], serde_json::json!({ "name": name }));
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
                verify::result(self.original, &self.operations, &working)?;
                Ok(Edited { operations: self.operations, pod: Some(working) })
            }
        }
    }

    /// Appends to the list at a path; makes the list where there is none.
    fn push(&mut self, path: &[&str], entry: Value) {
        let list = PointerBuf::from_tokens(path.iter().copied());
        match list.resolve(self.pod().as_value()).map(Value::as_array) {
            Ok(Some(entries)) => {
                let at = list.with_trailing_token(Token::from(entries.len()));
                self.record(PatchOperation::Add(AddOperation { path: at, value: entry }));
            }
            _ => self.put(path, Value::Array(vec![entry])),
        }
    }

    /// Sets the field at a path; makes the objects above it where they are missing or null.
    fn put(&mut self, path: &[&str], value: Value) {
        let document = self.pod().as_value();
        let mut above = PointerBuf::new();
        let mut missing = path.iter().copied();
        for token in missing.by_ref() {
            above.push_back(Token::new(token));
            if above.resolve(document).map_or(true, Value::is_null) {
                break;
            }
        }
        let value = missing
            .rev()
            .fold(value, |inner, token| Value::Object(Map::from_iter([(token.to_owned(), inner)])));
        // `add` on a member that exists replaces it (RFC 6902, 4.1); `replace` on a null fails in the API server.
        self.record(PatchOperation::Add(AddOperation { path: above, value }));
    }

    /// Applies an operation to the working copy and keeps it.
    fn record(&mut self, operation: PatchOperation) {
        if self.fault.is_some() {
            return;
        }
        let working = self.working.get_or_insert_with(|| self.original.clone());
        match json_patch::patch(working.as_value_mut(), std::slice::from_ref(&operation)) {
            Ok(()) => self.operations.push(operation),
            Err(error) => self.fault = Some(Fault::of(operation.path(), &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edited(original: Value, edit: impl FnOnce(&mut Draft<'_>)) -> (Value, Vec<PatchOperation>) {
        let pod = Pod::from_value(original).unwrap();
        let mut draft = Draft::new(&pod);
        edit(&mut draft);
        let edited = draft.finish().unwrap();
        (edited.pod.unwrap_or(pod).as_value().clone(), edited.operations)
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
            assert_eq!(operations.len(), 2);
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
            draft.push_volume(json!({"name": "a", "emptyDir": {}}));
            draft.push_volume(json!({"name": "b", "emptyDir": {}}));
        });
        assert_eq!(pod["spec"]["volumes"].as_array().unwrap().len(), 2);
        assert_eq!(operations[1].path().as_str(), "/spec/volumes/1");
    }

    #[test]
    fn a_container_goes_in_front() {
        let (pod, _) = edited(bare(), |draft| {
            draft.put_container_first(Group::Init, json!({"name": "b", "image": "b"}));
            draft.put_container_first(Group::Init, json!({"name": "a", "image": "a"}));
        });
        let names: Vec<_> =
            pod["spec"]["initContainers"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["a", "b"]);
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
        assert_eq!(operations.len(), 3);
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
