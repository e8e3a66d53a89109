//! The Helm chart: the same objects as the manifests', and values that are checked.

use std::fs;

use podwright::yaml;
use serde_json::{Value, json};

use crate::Row;
use crate::rendering::{chart, find, name, overlay};
use crate::tools::root;

pub(crate) const TRIALS: &[Row] = &[
    (&["helm", "kubectl"], "chart::it_gives_what_the_manifests_give", same_objects),
    (&["helm"], "chart::wrong_values_are_refused_by_their_names", refused),
    (&["helm"], "chart::values_reach_what_they_are_for", values),
    (&["helm"], "chart::policies_are_shipped_replaced_and_left_out", policies),
    (&[], "chart::every_value_is_told_and_checked", documented),
];

/// Values, a Kubernetes version, and the overlay with its components that gives the same.
fn same_objects() {
    let managed = json!({"certificates": {"mode": "certManager"}});
    let files = json!({"certificates": {"mode": "files", "caBundle": CA}});
    let closed = json!({"webhooks": {"matchConditions": "never", "rulesFailurePolicy": "Fail"}});
    let rows: &[(Value, &str, &str, &[&str])] = &[
        (json!({}), "1.29.0", "self-managed", &[]),
        (managed.clone(), "1.29.0", "cert-manager", &[]),
        (json!({}), "1.33.0", "self-managed", &["match-conditions"]),
        (managed, "1.33.0", "cert-manager", &["match-conditions"]),
        (files, "1.30.2", "files", &["match-conditions"]),
        (closed, "1.33.0", "self-managed", &["fail-closed"]),
        (json!({"scanInterval": "1h"}), "1.29.0", "self-managed", &["scan"]),
        (json!({"policies": {"watch": true}}), "1.29.0", "self-managed", &["watch-policies"]),
    ];
    for (values, version, manifests, components) in rows {
        let ours: Vec<_> = overlay(manifests, components)
            .into_iter()
            .filter(|object| object["kind"] != "Namespace")
            .collect();
        let theirs: Vec<_> = chart(values, version).unwrap().into_iter().map(normalised).collect();
        assert_eq!(
            ours.iter().map(name).collect::<Vec<_>>(),
            theirs.iter().map(name).collect::<Vec<_>>(),
            "{manifests} and {values}"
        );
        for (ours, theirs) in ours.into_iter().map(normalised).zip(theirs) {
            assert_eq!(ours, theirs, "{manifests} and {values}: {}", name(&ours));
        }
    }
}

/// Without what only Helm writes, and lists in an order where theirs means nothing.
fn normalised(mut object: Value) -> Value {
    let labels = object["metadata"]["labels"].as_object_mut().unwrap();
    for label in [
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        "app.kubernetes.io/version",
        "helm.sh/chart",
    ] {
        labels.remove(label);
    }
    let metadata = object["metadata"].as_object_mut().unwrap();
    let ours = |annotation: &String| !annotation.starts_with("meta.helm.sh/");
    if let Some(Value::Object(annotations)) = metadata.remove("annotations") {
        let left: serde_json::Map<_, _> = annotations.into_iter().filter(|(name, _)| ours(name)).collect();
        if !left.is_empty() {
            metadata.insert("annotations".to_owned(), left.into());
        }
    }
    let container = "/spec/template/spec/containers/0";
    for pointer in
        ["/spec/template/spec/volumes", &format!("{container}/volumeMounts"), &format!("{container}/env")]
    {
        if let Some(Value::Array(list)) = object.pointer_mut(pointer) {
            list.sort_by_key(|entry| entry["name"].to_string());
        }
    }
    for webhook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        // With certificates from files the manifests leave it to a patch.
        webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
        if let Some(Value::String(expression)) = webhook.pointer_mut("/matchConditions/0/expression") {
            *expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
        }
    }
    object
}

/// Values, and what the refusal names.
fn refused() {
    let rows = [
        (json!({"replicas": 0}), "replicas"),
        (json!({"replica": 3}), "replica"),
        (json!({"replicas": "two"}), "replicas"),
        (json!({"image": {"digest": "sha256:abc"}}), "digest"),
        (json!({"certificates": {"mode": "vault"}}), "mode"),
        (json!({"certificates": {"mode": "files"}}), "certificates.caBundle"),
        (json!({"certificates": {"mode": "files", "caBundle": "/etc/ca.crt"}}), "caBundle"),
        (json!({"webhooks": {"rulesFailurePolicy": "fail"}}), "rulesFailurePolicy"),
        (json!({"webhooks": {"matchConditions": true}}), "matchConditions"),
        (json!({"webhooks": {"excludedNamespaces": ["Kube-System"]}}), "excludedNamespaces"),
        (json!({"policies": {"files": {"host-path": "kind: HostPath"}}}), "host-path"),
        (json!({"policies": {"shipped": false}}), "no policy is left"),
        (json!({"extraArgs": ["serve"]}), "extraArgs"),
        (json!({"networkPolicy": {"apiServers": ["10.0.0.1"]}}), "apiServers"),
        (json!({"drain": {"delaySeconds": "10s"}}), "delaySeconds"),
        (json!({"scanInterval": "hourly"}), "scanInterval"),
    ];
    for (values, named) in rows {
        let refusal = chart(&values, "1.33.0").expect_err(&format!("{values} is taken"));
        assert!(refusal.contains(named), "{values}: {refusal}");
    }
    let refusal = chart(&json!({}), "1.19.0").expect_err("1.19 is taken");
    assert!(refusal.contains("1.19"), "{refusal}");
}

fn values() {
    let values = json!({
        "replicas": 3,
        "image": {"repository": "registry.internal/podwright", "digest": format!("sha256:{}", "a".repeat(64))},
        "imagePullSecrets": [{"name": "registry"}],
        "certificates": {
            "mode": "certManager", "secretName": "tls", "issuerRef": {"kind": "ClusterIssuer", "name": "internal"},
        },
        "auditLog": "",
        "workers": 8,
        "drain": {"delaySeconds": 30, "timeoutSeconds": 15},
        "extraArgs": ["--log-level=debug"],
        "priorityClassName": "",
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "podAnnotations": {"a": "b"},
        "podLabels": {"team": "platform"},
        "networkPolicy": {"apiServers": ["192.0.2.0/29", "2001:db8::/64"], "apiServerPorts": [8443]},
        "policies": {"existingConfigMap": "ours"},
    });
    let objects = chart(&values, "1.20.2").unwrap();
    let deployment = find(&objects, "Deployment podwright");
    let template = &deployment["spec"]["template"];
    let container = &template["spec"]["containers"][0];
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(container["image"], format!("registry.internal/podwright@sha256:{}", "a".repeat(64)));
    assert_eq!(
        container["args"],
        json!(["serve", "--workers=8", "--drain-delay=30s", "--drain-timeout=15s", "--log-level=debug"])
    );
    assert_eq!(template["spec"]["terminationGracePeriodSeconds"], 55);
    assert_eq!(template["spec"]["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(template["spec"]["nodeSelector"], json!({"pool": "system"}));
    assert_eq!(template["spec"]["tolerations"], json!([{"key": "system", "operator": "Exists"}]));
    assert_eq!(template["spec"].get("priorityClassName"), None);
    assert_eq!(template["metadata"]["annotations"], json!({"a": "b"}));
    assert_eq!(
        template["metadata"]["labels"],
        json!({"team": "platform", "app.kubernetes.io/name": "podwright"})
    );
    assert_eq!(template["spec"]["volumes"][0]["configMap"]["name"], "ours");
    assert_eq!(template["spec"]["volumes"][1]["secret"]["secretName"], "tls");
    assert!(!objects.iter().any(|object| {
        ["ConfigMap podwright-policies", "ResourceQuota podwright-critical"].contains(&&*name(object))
    }));
    let certificate = find(&objects, "Certificate podwright-tls");
    assert_eq!(certificate["spec"]["issuerRef"], json!({"kind": "ClusterIssuer", "name": "internal"}));
    assert!(!objects.iter().any(|object| object["kind"] == "Issuer"));
    let network = find(&objects, "NetworkPolicy podwright");
    let from = json!([{"ipBlock": {"cidr": "192.0.2.0/29"}}, {"ipBlock": {"cidr": "2001:db8::/64"}}]);
    assert_eq!(network["spec"]["ingress"][0]["from"], from);
    assert_eq!(network["spec"]["egress"][0]["ports"], json!([{"port": 8443}]));
    // What 1.20 has.
    assert_eq!(find(&objects, "PodDisruptionBudget podwright")["apiVersion"], "policy/v1beta1");
}

fn policies() {
    let files =
        json!({"host-path.yaml": "kind: HostPath\n", "sidecar.yaml": "", "ours.yaml": "kind: Probes\n"});
    let of = |values: Value| {
        let objects = chart(&values, "1.33.0").unwrap();
        find(&objects, "ConfigMap podwright-policies")["data"].clone()
    };
    let mixed = of(json!({"policies": {"files": files}}));
    assert_eq!(mixed["host-path.yaml"], "kind: HostPath\n");
    assert_eq!(mixed["ours.yaml"], "kind: Probes\n");
    assert_eq!(mixed.get("sidecar.yaml"), None);
    assert!(mixed["filebeat.yaml"].as_str().unwrap().contains("kind: Filebeat"));
    let alone = of(json!({"policies": {"shipped": false, "files": {"ours.yaml": "kind: Probes"}}}));
    assert_eq!(alone, json!({"ours.yaml": "kind: Probes\n"}));
}

/// `values.yaml`, its schema and its page name the same.
fn documented() {
    let folder = root().join("manifests/helm/podwright");
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let values: Value = yaml::read(yaml::documents(&read("values.yaml"))[0]).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let page = read("README.md");
    let mut paths = Vec::new();
    leaves(&values, &schema, "", &mut paths);
    assert!(paths.len() > 30, "{paths:?}");
    let told: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let absent: Vec<_> = paths.iter().filter(|(path, _)| !told.contains(&path.as_str())).collect();
    assert!(absent.is_empty(), "README.md tells nothing of {absent:?}");
    let unknown: Vec<_> = told.iter().filter(|told| !paths.iter().any(|(path, _)| path == *told)).collect();
    assert!(unknown.is_empty(), "README.md tells of {unknown:?}, which are no values");
    for (path, default) in &paths {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{path}` |"))).unwrap();
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        let default = default.replace("\":", "\": ");
        assert!(
            default.is_empty() || row.contains(&format!("`{default}`")),
            "{path}: its default is {default}: {row}"
        );
    }
}

/// The path and default of every value; every one has a place in the schema.
fn leaves(values: &Value, schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    for (key, value) in values.as_object().unwrap() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let part = &schema["properties"][key];
        assert!(part.is_object(), "values.schema.json knows nothing of {path}");
        if part["properties"].is_object() && value.as_object().is_some_and(|fields| !fields.is_empty()) {
            leaves(value, part, &path, found);
        } else {
            found.push((path, value.clone()));
        }
    }
}

/// No authority: a PEM by its looks.
const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
