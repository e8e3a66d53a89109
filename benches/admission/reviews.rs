//! The reviews that are sent: what a ReplicaSet's Pods look like when the API server asks about them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::client::Load;

/// One review, how it is sent, and what is to come back.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) request: Vec<u8>,
    pub(crate) review: String,
    pub(crate) loads: Vec<(&'static str, Load)>,
    is_patched: bool,
}

const LOADS: [(&str, Load); 2] =
    [("1 connection", Load::Connections(1)), ("16 connections", Load::Connections(16))];

pub(crate) fn cases() -> Vec<Case> {
    let reconnecting = ("a new connection each", Load::Reconnecting);
    let mut plain = Case::new("Pod without annotations", &pod(1, 20), false);
    plain.loads.push(reconnecting);
    let mut annotated = pod(1, 20);
    annotated["metadata"]["annotations"]["logs.podwright.dev/paths"] = json!("/app/logs/*.log");
    vec![
        plain,
        Case::new("Pod that gets a Filebeat sidecar", &annotated, true),
        Case::new("large Pod without annotations", &pod(12, 60), false),
    ]
}

impl Case {
    fn new(name: &str, pod: &Value, is_patched: bool) -> Self {
        let review = review(pod).to_string();
        let head = format!(
            "POST /mutate?timeout=10s HTTP/1.1\r\nHost: podwright.podwright.svc:443\r\n\
             User-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\nAccept: application/json, */*\r\n\
             Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
            review.len()
        );
        let request = [head.as_bytes(), review.as_bytes()].concat();
        Self { name: name.to_owned(), request, review, loads: LOADS.to_vec(), is_patched }
    }

    /// Measures nothing that is not right.
    pub(crate) fn check(&self, answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).unwrap();
        let response = &answer["response"];
        assert_eq!(response["allowed"], true, "{}: {answer:#}", self.name);
        let patch =
            response["patch"].as_str().map(|patch| String::from_utf8(BASE64.decode(patch).unwrap()).unwrap());
        let has_sidecar = patch.as_deref().is_some_and(|patch| patch.contains("podwright-filebeat"));
        assert_eq!(
            (has_sidecar, patch.is_some()),
            (self.is_patched, self.is_patched),
            "{}: {patch:?}",
            self.name
        );
    }
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
            "namespace": "shop",
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

fn pod(containers: usize, variables: usize) -> Value {
    let names =
        (0..containers).map(|number| if number == 0 { "app".to_owned() } else { format!("helper-{number}") });
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "generateName": "shop-7d4b9c6f58-",
            "namespace": "shop",
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
