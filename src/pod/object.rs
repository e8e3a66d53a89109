//! The objects of a document: itself, or the items of a list.

use std::borrow::Cow;

use serde_json::Value;

use super::{Pod, Workload, template_pointer};

/// One object.
#[derive(Debug)]
pub struct Object<'a> {
    /// Where in its document it stands, as a JSON pointer.
    pub pointer: String,
    /// The object.
    pub value: &'a Value,
    /// Its kind; an item of a `PodList` need not say it.
    pub kind: &'a str,
    /// Its API group; empty for the core group.
    pub group: &'a str,
}

impl<'a> Object<'a> {
    /// Every object of a document; lists are opened, however deep.
    #[must_use]
    pub fn all(document: &'a Value) -> Vec<Self> {
        let mut objects = Vec::new();
        Self::collect(document, String::new(), ("", ""), &mut objects);
        objects
    }

    fn collect(value: &'a Value, pointer: String, implied: (&'a str, &'a str), objects: &mut Vec<Self>) {
        let text = |field: &str| value.get(field).and_then(Value::as_str);
        let group = text("apiVersion")
            .map_or(implied.1, |version| version.rsplit_once('/').map_or("", |(group, _)| group));
        let kind = text("kind").unwrap_or(implied.0);
        match (kind.strip_suffix("List"), value.get("items").and_then(Value::as_array)) {
            (Some(of), Some(items)) => {
                for (index, item) in items.iter().enumerate() {
                    Self::collect(item, format!("{pointer}/items/{index}"), (of, group), objects);
                }
            }
            _ if value.is_object() => objects.push(Self { pointer, value, kind, group }),
            _ => {}
        }
    }

    /// The text of one field of its metadata.
    #[must_use]
    pub fn metadata(&self, field: &str) -> Option<&'a str> {
        self.value.get("metadata")?.get(field)?.as_str().filter(|text| !text.is_empty())
    }

    /// Its name, `<start>*` where the API server will make one.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.metadata("name"), self.metadata("generateName")) {
            (Some(name), _) => name.to_owned(),
            (None, Some(start)) => format!("{start}*"),
            (None, None) => String::new(),
        }
    }

    /// Its API version; that of its group's first one where it does not say, as an item of a `PodList` need not.
    #[must_use]
    pub fn api_version(&self) -> Cow<'a, str> {
        match (self.value.get("apiVersion").and_then(Value::as_str), self.group) {
            (Some(version), _) => version.into(),
            (None, "") => "v1".into(),
            (None, group) => format!("{group}/v1").into(),
        }
    }

    /// Where in it the Pod template stands: empty for a Pod, `None` where it is of no kind that the webhook sees.
    #[must_use]
    pub fn template_pointer(&self) -> Option<&'static str> {
        template_pointer(self.group, self.kind)
    }

    /// Its Pod or Pod template, with where that stands in it.
    #[must_use]
    pub fn pod(&self) -> Option<(&'static str, Pod)> {
        let pointer = self.template_pointer()?;
        // What is no object the API server will refuse; there is nothing to decide.
        let pod = Pod::from_value(self.value.pointer(pointer)?).ok()?;
        Some((pointer, pod))
    }

    /// The workload that its Pods belong to.
    #[must_use]
    pub fn workload(&self, pod: &Pod) -> Workload {
        match self.kind {
            "Pod" => Workload::of(pod),
            kind => Workload::new(kind, self.group, &self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_opened() {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "apps/v1", "kind": "Deployment"},
            {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}}]},
            7,
        ]});
        let found: Vec<_> = Object::all(&list)
            .iter()
            .map(|object| (object.pointer.clone(), object.group, object.kind))
            .collect();
        assert_eq!(
            found,
            [("/items/0".to_owned(), "apps", "Deployment"), ("/items/1/items/0".to_owned(), "", "Pod"),]
        );
    }

    #[test]
    fn a_kind_counts_in_its_own_group_only() {
        for (api_version, kind, pointer) in [
            ("v1", "Pod", Some("")),
            ("apps/v1", "Deployment", Some("/spec/template")),
            ("batch/v1", "CronJob", Some("/spec/jobTemplate/spec/template")),
            ("batch.volcano.sh/v1alpha1", "Job", None),
            ("apps.kruise.io/v1beta1", "StatefulSet", Some("/spec/template")),
            ("apps.example.com/v1", "StatefulSet", None),
            ("metrics.k8s.io/v1", "Pod", None),
            ("v1", "Service", None),
        ] {
            let value = json!({"apiVersion": api_version, "kind": kind});
            let objects = Object::all(&value);
            assert_eq!(objects[0].template_pointer(), pointer, "{api_version} {kind}");
        }
    }
}
