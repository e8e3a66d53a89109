//! What is decided: Pods of a ReplicaSet and of a StatefulSet, as the API server asks about them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use podwright::engine::Decision;
use podwright::policy_set::PolicySet;
use podwright::view::{ADDRESSES, Maker, SetName, StatefulSet, StatefulSets, View};
use serde_json::{Value, json};

/// One review, what it is decided by, and what comes of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) review: String,
    pub(crate) policies: PolicySet,
    pub(crate) view: View,
    /// The kinds of mutators that have something to do.
    made: &'static [&'static str],
}

/// What judges nearly every Pod of nearly every cluster.
const JUDGES: &[&str] = &["policies/host-path.yaml", "policies/host-port.yaml", "policies/probes.yaml"];
const EVERYTHING: &[&str] = &[
    "tests/cases/together/stateful-set/policy.yaml",
    "policies/calico-addresses.yaml",
    "policies/host-namespaces.yaml",
    "policies/host-port.yaml",
    "policies/probes.yaml",
];

pub(crate) fn cases() -> Vec<Case> {
    let embedded = || PolicySet::embedded().unwrap();
    let plain = pod("shop", 1, 20);
    let mut logging = plain.clone();
    logging["metadata"]["annotations"]["logs.podwright.dev/paths"] = json!("/app/logs/*.log");
    let everything = of_a_stateful_set(&logging);
    vec![
        Case::new("unselected", &pod("kube-system", 1, 20), embedded(), &[]),
        Case::new("judged", &plain, load(JUDGES), &[]),
        Case::new("filebeat", &logging, embedded(), &["Filebeat"]),
        Case::new("everything", &everything, load(EVERYTHING), &["Filebeat", "FixedIP", "LXCFS", "Faketime"]),
        Case::new("large", &pod("shop", 12, 60), load(JUDGES), &[]),
    ]
}

impl Case {
    fn new(name: &'static str, pod: &Value, policies: PolicySet, made: &'static [&'static str]) -> Self {
        Self { name, review: review(pod).to_string(), policies, view: view(), made }
    }

    /// What is measured has to be right.
    pub(crate) fn check(&self, decision: &Decision) {
        let made: Vec<_> = decision.made().iter().map(|mutation| mutation.kind).collect();
        assert_eq!((&decision.refusal, &decision.fault), (&None, &None), "{}", self.name);
        assert_eq!((made.as_slice(), decision.violations.len()), (self.made, 0), "{}", self.name);
    }
}

fn load(files: &[&str]) -> PolicySet {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<PathBuf> = files.iter().map(|file| root.join(file)).collect();
    PolicySet::load(&files).unwrap()
}

/// A cluster with one StatefulSet that lists addresses.
fn view() -> View {
    let set = json!({"metadata": {"uid": "u", "annotations": {ADDRESSES: "10.20.9.10-10.20.9.12"}}, "spec": {"replicas": 3}});
    let name = SetName { maker: Maker::Kubernetes, namespace: "shop".to_owned(), name: "shop".to_owned() };
    let sets = [(name, Arc::new(StatefulSet::read(&set)))].into_iter().collect();
    View {
        is_watched: true,
        stateful_sets: StatefulSets { kubernetes: Arc::new(sets), ..StatefulSets::default() },
        ..View::default()
    }
}

/// The same Pod as the second of a StatefulSet, which asks for all else too.
fn of_a_stateful_set(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let metadata = &mut pod["metadata"];
    metadata["name"] = json!("shop-1");
    metadata["labels"]["statefulset.kubernetes.io/pod-name"] = json!("shop-1");
    metadata["annotations"]["lxcfs.podwright.dev/mount"] = json!("true");
    metadata["annotations"]["faketime.podwright.dev/time"] = json!("+2d");
    metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "shop", "uid": "u", "controller": true}]);
    pod["spec"]["hostname"] = json!("shop-1");
    pod["spec"]["subdomain"] = json!("shop");
    pod
}

fn review(pod: &Value) -> Value {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "namespace": pod["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": pod, "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

fn pod(namespace: &str, containers: usize, variables: usize) -> Value {
    let name = |number| if number == 0 { "app".to_owned() } else { format!("helper-{number}") };
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "generateName": "shop-7d4b9c6f58-",
            "namespace": namespace,
            "creationTimestamp": null,
            "labels": {
                "app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": "shop-production",
                "app.kubernetes.io/part-of": "storefront", "pod-template-hash": "7d4b9c6f58",
            },
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "shop-7d4b9c6f58",
                "uid": "b7a1c9de-1111-4222-8333-444455556666", "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "volumes": [
                {"name": "config", "configMap": {"name": "shop-config", "defaultMode": 420}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
                {"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {"downwardAPI": {"items": [
                        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                    ]}},
                ]}},
            ],
            "containers": (0..containers).map(|number| container(&name(number), variables)).collect::<Vec<_>>(),
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "shop",
            "serviceAccount": "shop",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 10001, "fsGroup": 10001},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            ],
            "priority": 0,
            "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {},
    })
}

fn container(name: &str, variables: usize) -> Value {
    let variable = |number| json!({"name": format!("SHOP_SETTING_{number:03}"), "value": format!("value-{number:03} of a setting")});
    let mut env: Vec<_> = (0..variables).map(variable).collect();
    env.push(json!({"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}));
    let probe = |path, failures| {
        json!({
            "httpGet": {"path": path, "port": 8080, "scheme": "HTTP"},
            "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": failures,
        })
    };
    json!({
        "name": name,
        "image": "registry.example.com/storefront/shop:2026.08.1",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": env,
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "250m", "memory": "512Mi"}},
        "volumeMounts": [
            {"name": "config", "readOnly": true, "mountPath": "/app/config"},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "kube-api-access-x7k2p", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
        "livenessProbe": probe("/live", 6),
        "readinessProbe": probe("/ready", 3),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true},
    })
}
