//! The reviews that are sent: what a ReplicaSet's Pods look like when the API server asks about them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::mock::OWNER_UID;

/// One scenario: what is asked, by which policies, and what is to come back.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// Below the project's folder; those that ship with Podwright where there is none.
    pub(crate) policies: &'static [&'static str],
    /// Whether the decision needs to know the cluster.
    pub(crate) in_cluster: bool,
    /// The CPU per review that it may take at most, as a ratio to null's.
    pub(crate) target: Option<f64>,
    pub(crate) request: Vec<u8>,
    pub(crate) review: String,
    /// What the patch holds; no patch where there is nothing.
    expected: &'static [&'static str],
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

pub(crate) fn scenarios() -> Vec<Scenario> {
    let (plain, logging) = (pod("shop", 1, 20), with_logs("shop"));
    vec![
        Scenario {
            target: Some(1.25),
            ..Scenario::new("unselected", "no policy selects the Pod", &pod("kube-system", 1, 20))
        },
        Scenario {
            policies: JUDGES,
            target: Some(1.7),
            ..Scenario::new("judged", "HostPath, HostPort and Probes judge it and find nothing", &plain)
        },
        Scenario {
            expected: &["podwright-filebeat"],
            target: Some(4.0),
            ..Scenario::new("filebeat", "it gets a Filebeat sidecar, by the policies that ship", &logging)
        },
        Scenario {
            policies: EVERYTHING,
            in_cluster: true,
            expected: &["podwright-filebeat", "podwright-faketime", "lxcfs", "10.20.9.11"],
            target: Some(6.0),
            ..Scenario::new(
                "everything",
                "Filebeat, FixedIP, LXCFS, Faketime, every validator; FixedIP by the view of a mock API server",
                &of_a_stateful_set(logging),
            )
        },
        Scenario {
            policies: JUDGES,
            ..Scenario::new("59 kB", "a large Pod, judged by the same three", &pod("shop", 12, 60))
        },
    ]
}

impl Scenario {
    fn new(name: &'static str, meaning: &'static str, pod: &Value) -> Self {
        let review = review(pod).to_string();
        let head = format!(
            "POST /mutate?timeout=10s HTTP/1.1\r\nHost: podwright.podwright.svc:443\r\n\
             User-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\nAccept: application/json, */*\r\n\
             Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
            review.len()
        );
        let request = [head.as_bytes(), review.as_bytes()].concat();
        let (policies, in_cluster, target, expected) = (&[] as _, false, None, &[] as _);
        Self { name, meaning, policies, in_cluster, target, request, review, expected }
    }

    /// Whether this is the right answer: what is measured has to be.
    pub(crate) fn is_expected(&self, answer: &[u8]) -> bool {
        let answer: Value = serde_json::from_slice(answer).unwrap();
        let Some(response) = answer["response"].as_object() else { return false };
        let patch = response.get("patch").and_then(Value::as_str).map(|patch| BASE64.decode(patch).unwrap());
        let patch = patch.map(|patch| String::from_utf8(patch).unwrap());
        let has = |part: &&str| patch.as_ref().is_some_and(|patch| patch.contains(*part));
        response["allowed"] == true
            && self.expected.iter().all(has)
            // Nothing but the uid and the word.
            && (response.len() == 2) == self.expected.is_empty()
    }
}

/// Asks for all else too, as the second Pod of a StatefulSet with a list of addresses.
fn of_a_stateful_set(mut pod: Value) -> Value {
    let metadata = pod["metadata"].as_object_mut().unwrap();
    metadata.remove("generateName");
    metadata.insert("name".to_owned(), json!("shop-1"));
    metadata["labels"]["statefulset.kubernetes.io/pod-name"] = json!("shop-1");
    metadata["annotations"]["lxcfs.podwright.dev/mount"] = json!("true");
    metadata["annotations"]["faketime.podwright.dev/time"] = json!("+2d");
    metadata["ownerReferences"][0]["kind"] = json!("StatefulSet");
    metadata["ownerReferences"][0]["name"] = json!("shop");
    metadata["ownerReferences"][0]["uid"] = json!(OWNER_UID);
    pod["spec"]["hostname"] = json!("shop-1");
    pod["spec"]["subdomain"] = json!("shop");
    pod
}

fn review(pod: &Value) -> Value {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": pod["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "uid": "a1b2c3d4-0000-4000-8000-000000000001",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
            },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

/// A Pod that asks for its logs to be shipped.
pub(crate) fn with_logs(namespace: &str) -> Value {
    let mut pod = pod(namespace, 1, 20);
    pod["metadata"]["annotations"]["logs.podwright.dev/paths"] = json!("/app/logs/*.log");
    pod
}

/// As its ReplicaSet makes it.
fn pod(namespace: &str, containers: usize, variables: usize) -> Value {
    let names =
        (0..containers).map(|number| if number == 0 { "app".to_owned() } else { format!("helper-{number}") });
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
            "containers": names.map(|name| container(&name, variables)).collect::<Vec<_>>(),
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
    let probe = |path| {
        json!({
            "httpGet": {"path": path, "port": 8080, "scheme": "HTTP"},
            "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
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
        "livenessProbe": probe("/live"),
        "readinessProbe": probe("/ready"),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true},
    })
}
