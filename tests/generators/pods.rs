//! Generators: Pods as people write them, with what they forget, mistype and forge.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};

use super::annotations::{self, Wish};
use super::json::{collect, json};
use super::shapes::{CONTAINERS, OUR_CONTAINERS, container, spec_fields, unknown, volumes, with};

/// What the StatefulSet `redis` lists.
pub(crate) const ADDRESSES: &str = "10.20.0.10-10.20.0.12";

/// A Pod, mostly one that the API server would take.
pub(crate) fn pod() -> impl Strategy<Value = Value> {
    (spec().boxed(), metadata().boxed(), annotations::own().boxed(), unknown()).prop_map(
        |(spec, metadata, wishes, unknown)| {
            let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": spec});
            pod["metadata"] = metadata;
            if pod["metadata"] == json!("missing") {
                pod.as_object_mut().unwrap().remove("metadata");
            } else if pod["metadata"]["generateName"].is_string() {
                annotate(&mut pod, wishes);
            }
            with(pod, unknown)
        },
    )
}

/// A Pod in which one value was replaced by any other.
pub(crate) fn broken_pod() -> impl Strategy<Value = Value> {
    (pod().boxed(), any::<Index>(), json().boxed()).prop_map(|(mut pod, at, value)| {
        let mut pointers: Vec<String> = Vec::new();
        collect(&pod, String::new(), &mut pointers);
        let at: &String = at.get(&pointers);
        *pod.pointer_mut(at).unwrap() = value;
        pod
    })
}

fn annotate(pod: &mut Value, wishes: Vec<Wish>) {
    let groups = ["containers", "initContainers"].map(|group| pod["spec"][group].as_array());
    let names = groups.into_iter().flatten().flatten().map(|container| container["name"].as_str().unwrap());
    let names: Vec<_> = names.map(str::to_owned).collect();
    let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.extend(wishes.into_iter().map(|wish| wish.among(&names)));
}

fn metadata() -> impl Strategy<Value = Value> {
    let bare = select(vec![
        json!("missing"),
        Value::Null,
        json!({}),
        json!({"annotations": null}),
        json!({"annotations": {}, "labels": null}),
    ]);
    let named = (annotations::foreign(), unknown(), owner()).prop_map(|(annotations, unknown, owner)| {
        let shop = json!({"generateName": "shop-", "labels": {"app": "shop"}, "annotations": annotations});
        with(with(shop, unknown), owner)
    });
    prop_oneof![1 => bare, 6 => named]
}

/// None, or a StatefulSet: mostly the one that there is, and mostly a Pod that it lists an address for.
fn owner() -> impl Strategy<Value = Value> {
    let of_set = |name: &str, uid: &str| {
        let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "redis", "uid": uid, "controller": true});
        json!({"name": name, "ownerReferences": [owner]})
    };
    prop_oneof![
        12 => Just(json!({})),
        6 => select(vec!["redis-0", "redis-1", "redis-2"]).prop_map(move |name| of_set(name, "u")),
        1 => select(vec![of_set("redis-3", "u"), of_set("redis-01", "u"), of_set("redis-1", "other")]),
    ]
}

fn spec() -> impl Strategy<Value = Value> {
    let restart =
        select(vec![None, None, None, Some("Always"), Some("Always"), Some("Never"), Some("OnFailure")]);
    // Distinct names, as the API server demands, but for one in a while.
    let names = || subsequence(CONTAINERS.to_vec(), 1..5).prop_shuffle();
    let clash = option::weighted(0.05, select([CONTAINERS, OUR_CONTAINERS].concat()));
    let volumes = volumes().boxed();
    (names(), clash, vec(container().boxed(), 9), 0..3usize, volumes, restart, unknown(), spec_fields())
        .prop_map(|(mut names, clash, bodies, inits, volumes, restart, unknown, fields)| {
            names.extend(clash);
            let inits = inits.min(names.len() - 1);
            let mut containers: Vec<Value> = names
                .iter()
                .zip(bodies)
                .map(|(name, mut body)| {
                    body["name"] = json!(name);
                    only_known_volumes(&mut body, &volumes);
                    body
                })
                .collect();
            let mut initial = containers.split_off(containers.len() - inits);
            for (number, container) in initial.iter_mut().enumerate() {
                if number % 2 == 0 {
                    container["restartPolicy"] = json!("Always");
                }
            }
            let mut spec = with(json!({"containers": containers}), fields);
            if !initial.is_empty() {
                spec["initContainers"] = json!(initial);
            }
            if let Some(restart) = restart {
                spec["restartPolicy"] = json!(restart);
            }
            if volumes != json!("missing") {
                spec["volumes"] = volumes;
            }
            with(spec, unknown)
        })
}

/// The API server refuses mounts of other volumes, and so does our own check of the result.
fn only_known_volumes(container: &mut Value, volumes: &Value) {
    let is_known = |mount: &Value| {
        volumes.as_array().is_some_and(|list| list.iter().any(|volume| volume["name"] == mount["name"]))
    };
    if let Some(mounts) = container["volumeMounts"].as_array_mut() {
        mounts.retain(is_known);
        let mut seen = Vec::new();
        mounts.retain(|mount| {
            let is_new = !seen.contains(&mount["mountPath"]);
            seen.push(mount["mountPath"].clone());
            is_new
        });
    }
}
