//! Every kind that holds a Pod, alone and in lists.

use serde_json::{Value, json};

use crate::support::{FORGED, inject, value, values, without_own};

const KINDS: &[(&str, &str, &str)] = &[
    ("v1", "Pod", ""),
    ("v1", "PodTemplate", "/template"),
    ("v1", "ReplicationController", "/spec/template"),
    ("apps/v1", "Deployment", "/spec/template"),
    ("apps/v1", "ReplicaSet", "/spec/template"),
    ("apps/v1", "StatefulSet", "/spec/template"),
    ("apps/v1", "DaemonSet", "/spec/template"),
    ("batch/v1", "Job", "/spec/template"),
    ("batch/v1", "CronJob", "/spec/jobTemplate/spec/template"),
];

fn object(api_version: &str, kind: &str, pointer: &str) -> Value {
    let (key, text) = FORGED.split_once(": ").unwrap();
    let mut inner = json!({
        "metadata": {"annotations": {key: text, "keep": "this"}},
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    });
    for field in pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
        inner = json!({ field: inner });
    }
    let mut object = json!({"apiVersion": api_version, "kind": kind});
    object.as_object_mut().unwrap().extend(inner.as_object().unwrap().clone());
    object["metadata"]["name"] = json!("a");
    object
}

#[test]
fn every_kind_is_changed_in_its_template_alone() {
    for (api_version, kind, pointer) in KINDS {
        let object = object(api_version, kind, pointer);
        for manifest in [object.to_string(), podwright::yaml::write(&object).unwrap()] {
            let written = inject("", &manifest).quiet();
            assert_eq!(value(&written), without_own(object.clone()), "{kind}");
            assert_eq!(written.starts_with('{'), manifest.starts_with('{'), "{kind}");
        }
    }
}

#[test]
fn items_of_lists_are_changed_in_place() {
    let items: Vec<_> =
        KINDS.iter().map(|(api_version, kind, pointer)| object(api_version, kind, pointer)).collect();
    let mut list =
        json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"annotations": {"podwright.dev/status": "no Pod's"}}});
    list["items"].as_array_mut().unwrap().insert(1, service.clone());
    let mut expected = without_own(list.clone());
    expected["items"][1] = service;
    assert_eq!(value(&inject("", &list.to_string()).quiet()), expected);
}

#[test]
fn items_of_a_pod_list_need_not_say_that_they_are_pods() {
    let mut pod = object("v1", "Pod", "");
    pod.as_object_mut().unwrap().retain(|key, _| !matches!(key.as_str(), "kind" | "apiVersion"));
    let list = json!({"apiVersion": "v1", "kind": "PodList", "items": [pod]});
    assert_eq!(value(&inject("", &list.to_string()).quiet()), without_own(list));
}

#[test]
fn a_list_without_a_change_stays_as_it_came() {
    let list = "kind: List # of one\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Pod, spec: {containers: []}}\n";
    assert_eq!(inject("", list).quiet(), list);
}

#[test]
fn many_documents_are_each_decided() {
    let documents: Vec<_> = KINDS
        .iter()
        .map(|(api_version, kind, pointer)| {
            podwright::yaml::write(&object(api_version, kind, pointer)).unwrap()
        })
        .collect();
    let written = inject("", &documents.join("---\n")).quiet();
    let expected: Vec<_> = KINDS
        .iter()
        .map(|(api_version, kind, pointer)| without_own(object(api_version, kind, pointer)))
        .collect();
    assert_eq!(values(&written), expected);
}

#[test]
fn the_second_run_changes_nothing() {
    for (api_version, kind, pointer) in KINDS {
        let manifest = podwright::yaml::write(&object(api_version, kind, pointer)).unwrap();
        let once = inject("", &manifest).quiet();
        assert_eq!(inject("", &once).quiet(), once);
    }
}
