//! What Pods are made of: containers, mounts and volumes, clashing and odd ones too.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

/// Names that users give, one of them as long as it may be,
pub(crate) const CONTAINERS: &[&str] = &[
    "app",
    "web",
    "db",
    "a",
    "log-shipper",
    "the-longest-name-that-a-container-may-have-in-a-pod-kubernetes1",
];
/// and those that we give.
pub(crate) const OUR_CONTAINERS: &[&str] =
    &["podwright", "podwright-filebeat", "podwright-faketime", "agent", "agent-start", "proxy"];
const VOLUMES: &[&str] = &["data", "logs", "config", "tmp", "v-1"];
const OUR_VOLUMES: &[&str] = &[
    "podwright-logs-0",
    "podwright-filebeat-config",
    "podwright-filebeat-data",
    "podwright-faketime",
    "podwright-lxcfs-meminfo",
    "agent-socket",
];
/// Above, at and below where the files are, and away from them; where we mount something, too.
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
    "/app//logs",
    "/app/logs/.",
    "/srv",
    "/proc/meminfo",
    "/sys",
    "/opt/podwright/faketime",
    "/run/agent",
    "/logs",
];
/// Variables, those that we set among them.
const VARIABLES: &[(&str, &str)] = &[
    ("A", "$(POD_NAME)"),
    ("A", ""),
    ("LD_PRELOAD", "/usr/lib/libjemalloc.so.2"),
    ("LD_PRELOAD", ""),
    ("FAKETIME", "+2d"),
    ("FAKETIME_DONT_RESET", "1"),
    ("AGENT_SOCKET", "/run/agent/socket"),
    ("PODWRIGHT_LOGS_0", "x"),
];

/// Fields of a spec beside its containers and volumes.
pub(crate) fn spec_fields() -> impl Strategy<Value = Value> {
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
        ("shareProcessNamespace", json!(true)),
        ("nodeSelector", json!({"kubernetes.io/os": "linux"})),
        ("runtimeClassName", json!("gvisor-fast")),
        ("hostPID", json!(true)),
        ("activeDeadlineSeconds", json!(60)),
        ("dnsPolicy", json!("Default")),
    ];
    subsequence(fields, 0..6)
        .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A container without its name.
pub(crate) fn container() -> impl Strategy<Value = Value> {
    let fields = vec![
        ("env", Value::Null),
        ("env", json!([{"name": "LD_PRELOAD", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}])),
        ("envFrom", json!([{"secretRef": {"name": "s"}}])),
        ("resources", json!({"limits": {"cpu": "1", "memory": "1Gi"}})),
        ("resources", json!({"requests": {"cpu": 0.5}})),
        (
            "resources",
            json!({"limits": {"cpu": "100m", "memory": "1e8"}, "requests": {"cpu": 0.1, "memory": "100M"}}),
        ),
        ("securityContext", json!({"runAsUser": 0})),
        ("securityContext", json!({"runAsUser": 77, "readOnlyRootFilesystem": true})),
        ("readinessProbe", json!({"tcpSocket": {"port": 80}})),
        ("command", json!(["/bin/sh", "-c", "echo ~/a"])),
        ("ports", json!([{"containerPort": 8080, "name": "http"}])),
        ("ports", json!([{"containerPort": 9100}, {"containerPort": 9100, "protocol": "UDP"}])),
        ("terminationMessagePath", json!("/app/logs/end")),
    ];
    let variables = option::weighted(0.5, (subsequence(VARIABLES.to_vec(), 1..5), any::<bool>()));
    let mounts = prop_oneof![1 => Just(json!("missing")), 1 => Just(Value::Null), 6 => vec(mount(), 0..4).prop_map(Value::from)];
    (subsequence(fields, 0..5), variables, mounts, unknown()).prop_map(
        |(fields, variables, mounts, unknown)| {
            let mut container: Map<String, Value> =
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            if let Some((variables, named)) = variables {
                let pod_name =
                    json!({"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}});
                let variables = variables.iter().map(|(name, value)| json!({"name": name, "value": value}));
                container.insert(
                    "env".to_owned(),
                    named.then_some(pod_name).into_iter().chain(variables).collect(),
                );
            }
            container.insert("image".to_owned(), "example/shop:1".into());
            if mounts != json!("missing") {
                container.insert("volumeMounts".to_owned(), mounts);
            }
            with(container.into(), unknown)
        },
    )
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
    (select([VOLUMES, OUR_VOLUMES].concat()), select(MOUNT_PATHS), part, unknown()).prop_map(
        |(name, path, part, unknown)| with(with(json!({"name": name, "mountPath": path}), part), unknown),
    )
}

/// The list of volumes; `missing` where there is to be none.
pub(crate) fn volumes() -> impl Strategy<Value = Value> {
    let some = (
        subsequence(VOLUMES.to_vec(), 0..6),
        option::weighted(0.08, select([VOLUMES, OUR_VOLUMES].concat())),
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
        json!({"hostPath": {"path": "/var/lib/podwright/lxcfs/proc/meminfo", "type": "File"}}),
    ]);
    prop_oneof![5 => writable, 1 => filled]
}

/// Fields that no version of Kubernetes knows yet.
pub(crate) fn unknown() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(json!({})),
        1 => Just(json!({"fieldOfTheFuture": {"deep": [1, 2.5, null, {"x~/y": "z"}]}})),
        1 => Just(json!({"big": 18_446_744_073_709_551_615_u64, "small": -0.000_001, "none": null})),
    ]
}

/// The object with further fields.
pub(crate) fn with(mut object: Value, fields: Value) -> Value {
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}
