//! The nastiest Pods that an app team can send, each made to cost the most.

use serde_json::{Value, json};

use crate::size::Size;

/// One of them: its name, and what makes it.
pub(crate) type Case = (&'static str, fn(Size) -> Value);

/// Many things that each ask about many others.
pub(crate) const CROWDS: &[Case] = &[
    ("unknown_containers_for_filebeat", |size| strange_keys(size, "logs", "paths")),
    ("unknown_containers_for_lxcfs", |size| strange_keys(size, "lxcfs", "mount")),
    ("unknown_containers_for_faketime", |size| strange_keys(size, "faketime", "time")),
    ("known_containers_for_filebeat", |size| keys_for_each(size, "logs", "paths")),
    ("known_containers_for_lxcfs", |size| keys_for_each(size, "lxcfs", "mount")),
    ("known_containers_for_faketime", |size| keys_for_each(size, "faketime", "time")),
    ("unknown_keys_for_faketime", |size| {
        let key = |number| (format!("faketime.podwright.dev/tim{number}"), String::new());
        pod(size.annotations(key), crowd(size))
    }),
    ("keys_of_no_mutator", |size| {
        let stray = |number| (format!("l{number}.podwright.dev/x"), String::new());
        pod(size.annotations(stray), one())
    }),
    ("numbered_inputs_for_every_container", |size| {
        let input = |number| (format!("logs.podwright.dev/{number}.paths"), "/a/*.log".to_owned());
        pod(size.annotations(input), crowd(size))
    }),
    ("a_hundred_paths_in_every_container", |size| {
        let mount = json!([{"name": "logs", "mountPath": "/logs"}]);
        let container =
            |number| json!({"name": format!("c{number}"), "image": "a", "volumeMounts": mount.clone()});
        with_volume(annotated([paths(100)], size.containers(container)))
    }),
    ("a_hundred_paths_among_many_mounts", |size| {
        let mount = |number| json!({"name": "logs", "mountPath": format!("/logs/{number}/a")});
        let container = json!([{"name": "app", "image": "a", "volumeMounts": size.mounts(mount)}]);
        with_volume(annotated([paths(100)], container))
    }),
    ("everything_in_every_container", |size| {
        let limits = json!({"limits": {"cpu": "1"}});
        let container =
            |number| json!({"name": format!("c{number}"), "image": "a", "resources": limits.clone()});
        let asks = [
            ("lxcfs.podwright.dev/mount", "true".to_owned()),
            ("faketime.podwright.dev/time", "+2d".to_owned()),
            path("/app/logs/*.log"),
        ];
        annotated(asks, size.containers(container))
    }),
    ("one_volume_mounted_everywhere", |size| {
        let mounts = size.mounts(|_| json!({"name": "a"}));
        let mut pod = annotated([], json!([{"name": "app", "volumeMounts": mounts}]));
        pod["spec"]["volumes"] =
            size.volumes(|_| json!({"name": "a", "hostPath": {"path": "/etc/localtime"}}));
        pod
    }),
    ("mounts_of_lxcfs_mounted_everywhere", |size| {
        let mounts = size.mounts(|_| json!({"name": "a", "mountPath": "/proc/meminfo", "readOnly": true}));
        let mut pod = annotated([], json!([{"name": "app", "volumeMounts": mounts}]));
        let host_path = json!({"path": "/var/lib/lxcfs/proc/meminfo", "type": "File"});
        pod["spec"]["volumes"] = size.volumes(|_| json!({"name": "a", "hostPath": host_path.clone()}));
        pod
    }),
    ("many_volumes_of_the_node", |size| {
        let mut pod = annotated([], one());
        pod["spec"]["volumes"] =
            size.volumes(|number| json!({"name": format!("v{number}"), "hostPath": {"path": "/x"}}));
        pod
    }),
];

/// One text that is very long.
pub(crate) const TEXTS: &[Case] = &[
    ("a_container_named_like_a_book", |size| {
        let key = format!("{}y.logs.podwright.dev/paths", "x".repeat(size.text));
        annotated([(&*key, "/a/*.log".to_owned())], json!([{"name": "x".repeat(size.book), "image": "a"}]))
    }),
    ("paths_in_a_container_named_like_a_book", |size| {
        annotated([paths(100)], json!([{"name": "x".repeat(size.book), "image": "a"}]))
    }),
    ("a_stray_key_like_a_book", |size| {
        annotated([(&*format!("{}.podwright.dev/x", "x".repeat(size.text)), String::new())], one())
    }),
    ("a_suffix_like_a_book", |size| {
        annotated([(&*format!("logs.podwright.dev/{}", "x".repeat(size.text)), String::new())], one())
    }),
    ("an_encoding_like_a_book", |size| logged(size, "encoding", "x")),
    ("a_pattern_of_quotations", |size| logged(size, "multiline.pattern", r"\Q\E")),
    ("a_pattern_of_braces", |size| logged(size, "multiline.pattern", "{")),
    ("a_pattern_of_brackets", |size| logged(size, "multiline.pattern", "[[:")),
    ("a_pattern_of_groups", |size| logged(size, "multiline.pattern", "(?:")),
    ("a_pattern_of_classes", |size| logged(size, "multiline.pattern", r"[\pL]")),
    ("many_patterns", |size| logged(size, "include_lines", "a,")),
    ("many_large_patterns", |size| logged(size, "include_lines", r"(?i)[\pL\PL\w]{1000},")),
    ("a_hundred_patterns_of_folded_classes", |size| {
        let pattern = format!("(?i){}", r"\pL".repeat(300));
        let patterns = vec![pattern; (size.text / 1024).min(100)];
        annotated([path("/a/*.log"), ("logs.podwright.dev/include_lines", patterns.join(","))], one())
    }),
    ("many_torn_patterns", |size| logged(size, "include_lines", "{,")),
    ("many_fields_in_many_inputs", |size| {
        let fields: Vec<_> = (0..size.text / 12).map(|number| format!("f{number}=x")).collect();
        let container = |number| json!({"name": format!("c{number}"), "image": "a"});
        let containers: Vec<_> = (0..100).map(container).collect();
        let asks = [path("/app/logs/*.log"), ("logs.podwright.dev/fields", fields.join(","))];
        annotated(asks, containers.into())
    }),
    ("many_paths", |size| annotated([path(&size.repeated("/a/*.log,"))], one())),
    ("a_path_of_many_segments", |size| annotated([path(&size.repeated("/a"))], one())),
    ("a_boolean_like_a_book", |size| asked(size, "lxcfs.podwright.dev/mount", "x")),
    ("a_time_of_rates", |size| asked(size, "faketime.podwright.dev/time", "x1")),
    ("a_time_of_numbers", |size| asked(size, "faketime.podwright.dev/time", "+1m2")),
    ("a_time_of_digits", |size| asked(size, "faketime.podwright.dev/time", "1")),
    ("a_profile_like_a_book", |size| asked(size, "logs.podwright.dev/inject", "x")),
    ("every_address", |_| numbered("0.0.0.0/0,::/0,10.0.0.0-10.255.255.255,fd00::-fdff::")),
    ("many_addresses", |size| numbered(&size.repeated("10.0.0.1,"))),
    ("many_ranges", |size| numbered(&size.repeated("::/1,"))),
    ("addresses_like_a_book", |size| numbered(&size.repeated("1"))),
    ("many_sidecars", |size| {
        let names: Vec<_> = (0..size.text / 8).map(|number| number.to_string()).collect();
        annotated([("sidecar.podwright.dev/inject", names.join(","))], one())
    }),
    ("a_mount_of_variables", |size| {
        let mount =
            json!({"name": "logs", "mountPath": "/app/logs", "subPathExpr": "$(A)".repeat(size.book / 4)});
        let env = json!([{"name": "A", "value": "a"}]);
        let container = json!({"name": "app", "image": "a", "volumeMounts": [mount], "env": env});
        with_volume(annotated([path("/app/logs/*.log")], json!([container])))
    }),
    ("a_name_like_a_book", |size| {
        let mut pod = annotated([path("/etc/passwd")], one());
        pod["metadata"]["name"] = "x".repeat(size.book).into();
        pod
    }),
    ("a_path_of_the_node_like_a_book", |size| {
        let mut pod = annotated([], one());
        pod["spec"]["volumes"] = json!([{"name": "a", "hostPath": {"path": "/a".repeat(size.book / 2)}}]);
        pod
    }),
];

/// Documents that are far larger in memory than on the wire.
pub(crate) const HEAPS: &[Case] = &[
    ("a_heap_of_numbers", |size| heap("numbers", size.heap(|_| json!(0)))),
    ("a_heap_of_lists", |size| heap("lists", size.heap(|_| json!([])))),
    ("a_heap_of_objects", |size| heap("objects", size.heap(|_| json!({"a": 0})))),
    ("a_heap_of_nests", |size| {
        heap("nests", size.heap(|_| (0..100).fold(json!([]), |inner, _| json!([inner]))))
    }),
    ("a_heap_of_variables", |size| heap("env", size.heap(|_| json!({"name": ""})))),
    ("a_heap_of_arguments", |size| heap("args", size.heap(|_| json!("")))),
    ("a_heap_of_ports", |size| heap("ports", size.heap(|_| json!({"hostPort": 1})))),
];

/// A key for containers that are not there, each with a name that is nearly one that is.
fn strange_keys(size: Size, mutator: &str, name: &str) -> Value {
    pod(
        size.annotations(|number| (format!("d{number}.{mutator}.podwright.dev/{name}"), String::new())),
        crowd(size),
    )
}

fn keys_for_each(size: Size, mutator: &str, name: &str) -> Value {
    let key = |number| (format!("c{number}.{mutator}.podwright.dev/{name}"), "x".to_owned());
    pod(size.annotations(key), crowd(size))
}

/// One app container whose log files have one more key, of a very long value.
fn logged(size: Size, key: &str, piece: &str) -> Value {
    annotated([path("/app/logs/*.log"), (&*format!("logs.podwright.dev/{key}"), size.repeated(piece))], one())
}

fn asked(size: Size, key: &str, piece: &str) -> Value {
    annotated([(key, size.repeated(piece))], one())
}

/// The first Pod of a StatefulSet, with a list of addresses.
fn numbered(addresses: &str) -> Value {
    let mut pod = annotated([("ipam.podwright.dev/addresses", addresses.to_owned())], one());
    pod["metadata"]["name"] = "app-0".into();
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "app", "uid": "1", "controller": true}]);
    pod
}

fn heap(field: &str, entries: Value) -> Value {
    let mut pod = annotated([path("/app/logs/*.log")], one());
    pod["spec"]["containers"][0][field] = entries;
    pod
}

fn path(value: &str) -> (&str, String) {
    ("logs.podwright.dev/paths", value.to_owned())
}

fn paths(count: usize) -> (&'static str, String) {
    let paths: Vec<_> = (0..count).map(|number| format!("/logs/{number}/*.log")).collect();
    ("logs.podwright.dev/paths", paths.join(","))
}

fn annotated<'a>(annotations: impl IntoIterator<Item = (&'a str, String)>, containers: Value) -> Value {
    let annotations = annotations.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value)));
    pod(Value::Object(annotations.collect()), containers)
}

fn with_volume(mut pod: Value) -> Value {
    pod["spec"]["volumes"] = json!([{"name": "logs", "emptyDir": {}}]);
    pod
}

fn pod(annotations: Value, containers: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "annotations": annotations},
        "spec": {"containers": containers},
    })
}

fn crowd(size: Size) -> Value {
    size.containers(|number| json!({"name": format!("c{number}"), "image": "a"}))
}

fn one() -> Value {
    json!([{"name": "app", "image": "a"}])
}
