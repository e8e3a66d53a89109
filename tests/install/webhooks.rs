//! What the API server is told to ask about, and what becomes of it while nobody answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Row;
use crate::rendering::{chart, overlay};

pub(crate) const TRIALS: &[Row] = &[
    (&["kubectl"], "webhooks::what_is_decided_is_asked_about", asked),
    (&["kubectl"], "webhooks::every_field_is_given", fields),
    (&["kubectl"], "webhooks::what_must_start_without_us_is_left_out", left_out),
    (&["kubectl"], "webhooks::only_who_asked_for_it_waits", failing),
    (&["kubectl"], "webhooks::each_pod_goes_to_one_of_two", one_of_two),
    (&["kubectl"], "webhooks::match_conditions_are_each_the_others_denial", conditions),
    (&["kubectl"], "webhooks::rules_that_hold_while_down_are_a_choice", fail_closed),
    (&["helm"], "webhooks::the_chart_leaves_out_its_own_namespace_and_more", of_the_chart),
];

fn asked() {
    let both = r#"["CREATE","UPDATE"]"#;
    let expected = [
        ("/mutate /pods", r#"["CREATE"]"#),
        ("/validate /pods", r#"["CREATE"]["UPDATE"]"#),
        ("/validate /pods/ephemeralcontainers", r#"["UPDATE"]"#),
        ("/validate /persistentvolumes", both),
        ("/validate apps/daemonsets", both),
        ("/validate apps/deployments", both),
        ("/validate apps/statefulsets", both),
        ("/validate apps/statefulsets/scale", r#"["UPDATE"]"#),
        ("/validate apps.kruise.io/statefulsets", both),
        ("/validate apps.kruise.io/statefulsets/scale", both),
        ("/validate batch/cronjobs", both),
        ("/validate batch/jobs", both),
    ];
    for name in ["files", "dev"] {
        let mut asked: BTreeMap<String, String> = BTreeMap::new();
        for (path, webhook) in webhooks(&overlay(name, &[])) {
            for rule in webhook["rules"].as_array().unwrap() {
                for resource in rule["resources"].as_array().unwrap() {
                    let (group, resource) =
                        (rule["apiGroups"][0].as_str().unwrap(), resource.as_str().unwrap());
                    let operations = asked.entry(format!("{path} {group}/{resource}")).or_default();
                    let more = rule["operations"].to_string();
                    // The two webhooks that share Pods ask the same.
                    if path != "/mutate" || operations.is_empty() {
                        operations.push_str(&more);
                    }
                }
            }
        }
        assert_eq!(
            asked,
            expected.map(|(of, operations)| (of.to_owned(), operations.to_owned())).into(),
            "{name}"
        );
    }
}

fn fields() {
    for name in ["self-managed", "files", "cert-manager", "dev"] {
        for (path, webhook) in webhooks(&overlay(name, &[])) {
            let named = format!("{name}: {}", webhook["name"]);
            let client = &webhook["clientConfig"];
            if name == "dev" {
                assert!(client["url"].as_str().unwrap().ends_with(&path), "{named}");
                assert_eq!(client["caBundle"], "CA_BUNDLE", "{named}");
            } else {
                let service =
                    json!({"name": "podwright", "namespace": "podwright-system", "path": path, "port": 443});
                assert_eq!(client["service"], service, "{named}");
            }
            assert_eq!(webhook["matchPolicy"], "Equivalent", "{named}");
            assert_eq!(webhook["sideEffects"], "NoneOnDryRun", "{named}");
            assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]), "{named}");
            assert!((1..=10).contains(&webhook["timeoutSeconds"].as_u64().unwrap()), "{named}");
            let again = if path == "/mutate" { json!("IfNeeded") } else { Value::Null };
            assert_eq!(webhook["reinvocationPolicy"], again, "{named}");
        }
    }
}

fn left_out() {
    let namespaces = json!(["kube-system", "kube-public", "kube-node-lease", "podwright-system"]);
    for (_, webhook) in webhooks(&overlay("files", &["fail-closed", "match-conditions"])) {
        let is_namespaced = webhook["rules"][0]["scope"] == "Namespaced";
        let selector = &webhook["namespaceSelector"]["matchExpressions"];
        let expected =
            json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": namespaces}]);
        assert_eq!(*selector, if is_namespaced { expected } else { Value::Null }, "{}", webhook["name"]);
    }
}

fn failing() {
    let of = |name: &str| -> Vec<String> {
        let failing = webhooks(&overlay(name, &[]))
            .into_iter()
            .filter(|(_, webhook)| webhook["failurePolicy"] == "Fail");
        failing.map(|(_, webhook)| webhook["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("self-managed"), ["required.pods.podwright.dev"]);
    assert_eq!(of("files"), ["required.pods.podwright.dev"]);
    assert_eq!(of("cert-manager"), ["required.pods.podwright.dev"]);
    assert!(of("dev").is_empty(), "a cluster waits for somebody's desk");
}

fn one_of_two() {
    let objects = overlay("files", &[]);
    let [(_, required), (_, other)]: [_; 2] = of_kind(&objects, "Mutating").try_into().unwrap();
    assert_eq!(required["objectSelector"], json!({"matchLabels": {"podwright.dev/required": "true"}}));
    let expected = json!({"matchExpressions": [{"key": "podwright.dev/required", "operator": "NotIn", "values": ["true"]}]});
    assert_eq!(other["objectSelector"], expected);
    for field in ["rules", "namespaceSelector", "clientConfig"] {
        assert_eq!(required[field], other[field], "{field}");
    }
    for (_, webhook) in of_kind(&objects, "Validating") {
        assert!(
            webhook.get("objectSelector").is_none(),
            "{}: rules are got round by a label",
            webhook["name"]
        );
    }
}

fn conditions() {
    let objects = overlay("files", &["match-conditions"]);
    let [(_, required), (_, other)]: [_; 2] = of_kind(&objects, "Mutating").try_into().unwrap();
    assert_eq!((&required["failurePolicy"], &other["failurePolicy"]), (&json!("Fail"), &json!("Ignore")));
    let expression = |webhook: &Value| {
        assert!(webhook.get("objectSelector").is_none());
        assert_eq!(webhook["matchConditions"].as_array().unwrap().len(), 1);
        webhook["matchConditions"][0]["expression"].as_str().unwrap().to_owned()
    };
    assert_eq!(expression(&other), format!("!({})", expression(&required)));
    let holds = |expression: &str, pod: &Value| {
        let mut context = cel::Context::default();
        context.add_variable("object", pod).unwrap();
        let outcome = cel::Program::compile(expression).unwrap().execute(&context);
        outcome.unwrap_or_else(|error| panic!("{pod}: {error}")) == cel::Value::Bool(true)
    };
    let rows = [
        (json!({}), false),
        (json!({"annotations": {}, "labels": {}}), false),
        (
            json!({"annotations": {"example.com/podwright": "podwright.dev/"}, "labels": {"app": "podwright.dev/required"}}),
            false,
        ),
        (json!({"labels": {"podwright.dev/required": "false"}}), false),
        (json!({"labels": {"podwright.dev/required": "true", "app": "shop"}}), true),
        (json!({"annotations": {"logs.podwright.dev/paths": "/app/*.log"}}), true),
        (json!({"annotations": {"a": "b", "app.logs.podwright.dev/json.keys_under_root": "true"}}), true),
        (json!({"annotations": {"podwright.dev/status": "{}"}}), true),
    ];
    for (metadata, asks) in rows {
        let pod = json!({"metadata": metadata, "spec": {"containers": []}});
        assert_eq!(holds(&expression(&required), &pod), asks, "{pod}");
        assert_eq!(holds(&expression(&other), &pod), !asks, "{pod}");
    }
}

fn fail_closed() {
    let (without, with) = (overlay("files", &[]), overlay("files", &["fail-closed"]));
    let pairs = webhooks(&without).into_iter().zip(webhooks(&with));
    let changed: Vec<_> =
        pairs.filter(|(before, after)| before != after).map(|(_, (_, after))| after).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["failurePolicy"], "Fail");
    // Finalizers are taken off by an update: a Job would never end.
    let updates_pods = |rule: &Value| {
        rule["resources"] == json!(["pods"]) && rule["operations"].to_string().contains("UPDATE")
    };
    assert!(!changed[0]["rules"].as_array().unwrap().iter().any(updates_pods), "{:#}", changed[0]);
}

fn of_the_chart() {
    let values = json!({"webhooks": {"excludedNamespaces": ["calico-system", "kube-system"]}});
    let objects = chart(&values, "1.33.0").unwrap();
    let all = ["kube-system", "kube-public", "kube-node-lease", "podwright-system", "calico-system"];
    for (_, webhook) in webhooks(&objects) {
        if webhook["rules"][0]["scope"] == "Namespaced" {
            assert_eq!(webhook["namespaceSelector"]["matchExpressions"][0]["values"], json!(all));
        }
    }
}

/// The path that each webhook is called at, and the webhook.
fn webhooks(objects: &[Value]) -> Vec<(String, Value)> {
    [of_kind(objects, "Mutating"), of_kind(objects, "Validating")].concat()
}

fn of_kind(objects: &[Value], kind: &str) -> Vec<(String, Value)> {
    let kind = format!("{kind}WebhookConfiguration");
    let configurations = objects.iter().filter(|object| object["kind"] == *kind);
    let path = if kind.starts_with('M') { "/mutate" } else { "/validate" };
    let webhooks = configurations.flat_map(|object| object["webhooks"].as_array().unwrap());
    let found: Vec<_> = webhooks.map(|webhook| (path.to_owned(), webhook.clone())).collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}
