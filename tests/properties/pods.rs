//! Generators: Pods as people write them, with what they forget, mistype and forge.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value, json};

/// Names that users give; the last two are ours.
const CONTAINERS: &[&str] = &["app", "web", "db", "a", "log-shipper", "podwright", "podwright-filebeat"];
const VOLUMES: &[&str] =
    &["data", "logs", "config", "tmp", "v-1", "podwright-logs-0", "podwright-filebeat-config"];
const FILES: &[&str] = &[
    "/app/logs/*.log",
    "/app/logs/app.log",
    "/app/logs/*/deep/*.log",
    "/app/logs/gc/*.log",
    "/var/log/app/*.log",
    "/data/*.log",
    "/app//logs/./x.log",
    "/logs.d/[a-c]*.log",
];
/// Above, at and below where the files are, and away from them.
const MOUNT_PATHS: &[&str] = &[
    "/app",
    "/app/logs",
    "/app/logs/",
    "/app/logs/gc",
    "/app/logs/gc/old",
    "/var/log",
    "/data",
    "/tmp",
    "/app-logs",
    "/",
    "rel",
];

/// What the StatefulSet `redis` lists.
pub(crate) const ADDRESSES: &str = "10.20.0.10-10.20.0.12";

/// A Pod, mostly one that the API server would take.
pub(crate) fn pod() -> impl Strategy<Value = Value> {
    (spec(), metadata(), unknown()).prop_map(|(spec, metadata, unknown)| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": spec});
        pod["metadata"] = metadata;
        if pod["metadata"] == json!("missing") {
            pod.as_object_mut().unwrap().remove("metadata");
        }
        with(pod, unknown)
    })
}

/// Any JSON.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        select(CONTAINERS).prop_map(Value::from),
    ];
    let keys = select(
        &[
            "metadata",
            "spec",
            "annotations",
            "containers",
            "name",
            "volumes",
            "logs.podwright.dev/paths",
            "x",
        ][..],
    );
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(keys.clone(), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// A Pod in which one value was replaced by any other.
pub(crate) fn broken_pod() -> impl Strategy<Value = Value> {
    (pod(), any::<Index>(), json()).prop_map(|(mut pod, at, value)| {
        let mut pointers: Vec<String> = Vec::new();
        collect(&pod, String::new(), &mut pointers);
        let at: &String = at.get(&pointers);
        *pod.pointer_mut(at).unwrap() = value;
        pod
    })
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            collect(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), pointers);
        }),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, value)| collect(value, format!("{at}/{index}"), pointers)),
        _ => {}
    }
    pointers.push(at);
}

fn metadata() -> impl Strategy<Value = Value> {
    let bare = select(vec![
        json!("missing"),
        Value::Null,
        json!({}),
        json!({"annotations": null}),
        json!({"annotations": {}, "labels": null}),
    ]);
    let named = (annotations(), unknown(), owner()).prop_map(|(annotations, unknown, owner)| {
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

/// Mostly sound, as one mistake among them has the Pod refused.
fn annotations() -> impl Strategy<Value = Value> {
    let others = || {
        subsequence(
            vec![
                ("example.com/a~b", "1"),
                ("prometheus.io/scrape", "true"),
                ("kubectl.kubernetes.io/default-container", "web"),
            ],
            0..3,
        )
    };
    let forged = || {
        option::weighted(
            0.3,
            select(vec![
                ("podwright.dev/status", r#"{"generation":"forged"}"#),
                ("podwright.dev/status", "x"),
                ("podwright.dev/filebeat.yml", "output.file: {path: /}"),
            ]),
        )
    };
    let own = prop_oneof![
        2 => Just(Vec::new()),
        6 => vec(sound_annotation(), 1..4),
        2 => vec(prop_oneof![3 => sound_annotation(), 1 => wrong_annotation()], 1..4),
    ];
    (others(), forged(), own).prop_map(|(others, forged, own)| {
        let fixed = others.into_iter().chain(forged).map(|(key, value)| (key.to_owned(), value.to_owned()));
        fixed.chain(own).map(|(key, value)| (key, Value::from(value))).collect()
    })
}

fn sound_annotation() -> impl Strategy<Value = (String, String)> {
    let others = select(vec![
        ("lxcfs.podwright.dev/mount", "true"),
        ("web.lxcfs.podwright.dev/mount", "false"),
        ("faketime.podwright.dev/time", "+2d"),
        ("faketime.podwright.dev/time", "@2027-01-01 00:00:00 x2"),
        ("sidecar.podwright.dev/inject", "agent"),
    ]);
    let others = others.prop_map(|(key, value)| (key.to_owned(), value.to_owned()));
    prop_oneof![3 => logs_annotation(), 2 => others]
}

fn logs_annotation() -> impl Strategy<Value = (String, String)> {
    let files = vec(select(FILES), 1..3).prop_map(|files| files.join(","));
    let settings = select(vec![
        ("multiline.pattern", r"^\d{4}-"),
        ("multiline.negate", "true"),
        ("json.message_key", "msg"),
        ("encoding", "utf-8"),
        ("exclude_lines", r#"["^DEBUG", "a{1,3}"]"#),
        ("fields.team", "shop ü"),
        ("fields", "a=b,c=d"),
        ("inject", "true"),
        ("inject", "false"),
        ("inject", "filebeat"),
    ])
    .prop_map(|(name, value)| (name.to_owned(), value.to_owned()));
    let container = select(&["", "", "", "app.", "web."][..]);
    let number = select(&["", "", "1.", "2."][..]);
    let paths = files.prop_map(|files| ("paths".to_owned(), files));
    (container, number, prop_oneof![4 => paths, 1 => settings]).prop_map(
        |(container, number, (name, value))| {
            let number = if name == "inject" { "" } else { number };
            (format!("{container}logs.podwright.dev/{number}{name}"), value)
        },
    )
}

fn wrong_annotation() -> impl Strategy<Value = (String, String)> {
    let key = prop_oneof![
        select(
            &[
                "logs.podwright.dev/path",
                "log.podwright.dev/paths",
                "gone.logs.podwright.dev/paths",
                "logs.podwright.dev/",
                "podwright.dev/x",
                "ipam.podwright.dev/addresses",
                "app.ipam.podwright.dev/addresses",
                "lxcfs.podwright.dev/mount",
                "faketime.podwright.dev/time",
                "sidecar.podwright.dev/inject"
            ][..]
        )
        .prop_map(str::to_owned),
        "[a-z]{0,3}[.]?logs\\.podwright\\.dev/[a-z0-9.]{0,8}",
        Just("logs.podwright.dev/paths".to_owned()),
    ];
    let value = prop_oneof![
        select(
            &[
                "",
                "relative.log",
                "/",
                "/etc/x.log",
                "/a/../b",
                "/a/[",
                "/a/{b,c}",
                "yes",
                "(",
                "${X}",
                "\u{0}",
                "10.20.0.1-10.20.0.9",
                "true",
                "agent",
                "-7h20m"
            ][..]
        )
        .prop_map(str::to_owned),
        ".{0,10}",
    ];
    (key, value)
}

fn spec() -> impl Strategy<Value = Value> {
    let restart =
        select(vec![None, None, None, Some("Always"), Some("Always"), Some("Never"), Some("OnFailure")]);
    // Distinct names, as the API server demands, but for one in a while.
    let names = || subsequence(CONTAINERS[..5].to_vec(), 1..5).prop_shuffle();
    let clash = option::weighted(0.05, select(CONTAINERS));
    let volumes = volumes();
    (names(), clash, vec(container(), 9), 0..3usize, volumes, restart, unknown(), spec_fields()).prop_map(
        |(mut names, clash, bodies, inits, volumes, restart, unknown, fields)| {
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
        },
    )
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

fn spec_fields() -> impl Strategy<Value = Value> {
    let fields = vec![
        ("serviceAccountName", json!("shop")),
        ("imagePullSecrets", json!([{"name": "pull"}])),
        ("imagePullSecrets", Value::Null),
        ("securityContext", json!({"runAsUser": 1234, "fsGroup": 5})),
        ("securityContext", json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})),
        ("terminationGracePeriodSeconds", json!(5)),
        ("ephemeralContainers", json!([{"name": "debug", "image": "busybox", "targetContainerName": "app"}])),
        ("ephemeralContainers", json!([])),
        ("hostNetwork", json!(true)),
        ("tolerations", json!([{"operator": "Exists"}])),
    ];
    subsequence(fields, 0..5)
        .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn container() -> impl Strategy<Value = Value> {
    let fields = vec![
        (
            "env",
            json!([{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "A", "value": "$(POD_NAME)"}]),
        ),
        ("env", Value::Null),
        ("env", json!([{"name": "LD_PRELOAD", "value": "/usr/lib/libjemalloc.so.2"}])),
        ("env", json!([{"name": "LD_PRELOAD", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}])),
        ("resources", json!({"limits": {"cpu": "1", "memory": "1Gi"}})),
        ("resources", json!({"requests": {"cpu": 0.5}})),
        ("securityContext", json!({"runAsUser": 0})),
        ("securityContext", json!({"runAsUser": 77, "readOnlyRootFilesystem": true})),
        ("readinessProbe", json!({"tcpSocket": {"port": 80}})),
        ("command", json!(["/bin/sh", "-c", "echo ~/a"])),
    ];
    let mounts = prop_oneof![1 => Just(json!("missing")), 1 => Just(Value::Null), 6 => vec(mount(), 0..4).prop_map(Value::from)];
    (subsequence(fields, 0..5), mounts, unknown()).prop_map(|(fields, mounts, unknown)| {
        let mut container: Map<String, Value> =
            fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        container.insert("image".to_owned(), "example/shop:1".into());
        if mounts != json!("missing") {
            container.insert("volumeMounts".to_owned(), mounts);
        }
        with(container.into(), unknown)
    })
}

fn mount() -> impl Strategy<Value = Value> {
    let part = select(vec![
        json!({}),
        json!({}),
        json!({"subPath": "logs/shop"}),
        json!({"subPath": ""}),
        json!({"subPathExpr": "$(POD_NAME)"}),
        json!({"subPathExpr": "$(GONE)/$(A)"}),
        json!({"readOnly": true}),
        json!({"readOnly": false, "mountPropagation": "None", "recursiveReadOnly": "Disabled"}),
    ]);
    (select(&VOLUMES[..5]), select(MOUNT_PATHS), part, unknown()).prop_map(|(name, path, part, unknown)| {
        with(with(json!({"name": name, "mountPath": path}), part), unknown)
    })
}

fn volumes() -> impl Strategy<Value = Value> {
    let some = (
        subsequence(VOLUMES[..5].to_vec(), 0..5),
        option::weighted(0.05, select(VOLUMES)),
        vec((source(), unknown()), 6),
    );
    let some = some.prop_map(|(mut names, clash, sources)| {
        names.extend(clash);
        let volume = |(name, (source, unknown))| with(with(json!({ "name": name }), source), unknown);
        names.into_iter().zip(sources).map(volume).collect::<Value>()
    });
    prop_oneof![1 => Just(json!("missing")), 1 => Just(Value::Null), 8 => some]
}

fn source() -> impl Strategy<Value = Value> {
    let writable = select(vec![
        json!({"emptyDir": {}}),
        json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
        json!({"persistentVolumeClaim": {"claimName": "data"}}),
        json!({"nfs": {"server": "nfs.example", "path": "/x"}}),
        json!({"csi": {"driver": "example.com"}}),
        json!({"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}}),
        json!({"somethingNewerThanWeAre": {"a": [1, {"b": null}]}}),
        json!({}),
    ]);
    let filled = select(vec![
        json!({"configMap": {"name": "c"}}),
        json!({"secret": {"secretName": "s", "defaultMode": 256}}),
        json!({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
        json!({"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}),
        json!({"image": {"reference": "example/data:1"}}),
        json!({"hostPath": {"path": "/var/log"}}),
    ]);
    prop_oneof![5 => writable, 1 => filled]
}

/// Fields that no version of Kubernetes knows yet.
fn unknown() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(json!({})),
        1 => Just(json!({"fieldOfTheFuture": {"deep": [1, 2.5, null, {"x~/y": "z"}]}})),
        1 => Just(json!({"big": 18_446_744_073_709_551_615_u64, "small": -0.000_001, "none": null})),
    ]
}

fn with(mut object: Value, fields: Value) -> Value {
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}
