//! Pods as their ReplicaSets and StatefulSets make them, and how the API server asks about them: for the bench, too.

use serde_json::{Value, json};

/// The StatefulSet of whose Pods one asks for everything.
pub(crate) const OWNER_UID: &str = "b7a1c9de-1111-4222-8333-444455556666";

/// What judges nearly every Pod of nearly every cluster.
pub(crate) const JUDGES: &[&str] =
    &["policies/host-path.yaml", "policies/host-port.yaml", "policies/probes.yaml"];
/// What may do anything to a Pod.
pub(crate) const EVERYTHING: &[&str] = &[
    "tests/cases/together/stateful-set/policy.yaml",
    "policies/calico-addresses.yaml",
    "policies/host-namespaces.yaml",
    "policies/host-port.yaml",
    "policies/probes.yaml",
];

/// A Pod that asks for its logs to be shipped.
pub(crate) fn with_logs(namespace: &str) -> Value {
    let mut pod = pod(namespace, 1, 20);
    pod["metadata"]["annotations"]["logs.podwright.dev/paths"] = json!("/app/logs/*.log");
    pod
}

/// Asks for all else too, as the second Pod of a StatefulSet with a list of addresses.
pub(crate) fn of_a_stateful_set(mut pod: Value) -> Value {
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

/// What the API server asks about one of them.
pub(crate) fn review(pod: &Value) -> Value {
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

/// As its ReplicaSet makes it.
pub(crate) fn pod(namespace: &str, containers: usize, variables: usize) -> Value {
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
