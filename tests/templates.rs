//! What becomes of workloads by their Pod templates: what is told, and what is refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

use podwright::engine::{Decision, Endpoint, Question, decide};
use podwright::policy_set::PolicySet;
use podwright::review::{Operation, Request};
use podwright::view::View;
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn policies(spec: &str) -> PolicySet {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let head =
        "apiVersion: podwright.dev/v1alpha1\nkind: HostNamespaces\nmetadata: {name: host-namespaces}\n";
    std::fs::write(file.path(), format!("{head}spec: {spec}\n")).unwrap();
    PolicySet::load(&[file.path().to_owned()]).unwrap()
}

/// A Deployment whose Pods are like this.
fn deployment(spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["containers"] = json!([{"name": "app", "image": "app"}]);
    json!({"metadata": {"name": "shop"}, "spec": {"replicas": 1, "template": {"spec": spec}}})
}

fn asked(policies: &PolicySet, object: &Value, before: Option<&Value>) -> Decision {
    let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
    let (object, before) = (raw(object), before.map(raw));
    let mut request: Request<'_> = serde_json::from_str(r#"{"uid": "u", "operation": "CREATE"}"#).unwrap();
    request.kind.group = "apps".into();
    request.kind.kind = "Deployment".into();
    request.namespace = Some("shop".into());
    request.operation = if before.is_some() { Operation::Update } else { Operation::Create };
    request.object = Some((&*object).into());
    request.old_object = before.as_deref().map(Into::into);
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    decide(
        policies,
        &View::default(),
        &Question { endpoint: Endpoint::Validate, request: &request, now, asked: None },
    )
}

const DENY: &str = "{denyTemplates: true}";
const EXEMPT: &str =
    "{denyTemplates: true, exemptions: [{name: a, match: {}, reason: b, owner: c, expires: DAY}]}";

#[test]
fn a_template_is_refused_where_the_policy_says_so() {
    let bad = deployment(&json!({"hostNetwork": true}));
    let exempt = |day: &str| EXEMPT.replace("DAY", day);
    for (spec, refused, warned) in [
        (DENY, true, false),
        ("{}", false, true),
        ("{denyTemplates: false}", false, true),
        // What is not denied to Pods is not denied to workloads.
        ("{denyTemplates: true, action: warn}", false, true),
        ("{denyTemplates: true, action: audit}", false, false),
        ("{denyTemplates: true, allowed: [hostNetwork]}", false, false),
        (&exempt("2026-11-22"), false, false),
        (&exempt("2026-11-21"), true, false),
    ] {
        let decision = asked(&policies(spec), &bad, None);
        assert_eq!(decision.refusal.is_some(), refused, "{spec}");
        assert_eq!(!decision.warnings.is_empty(), warned, "{spec}: {:?}", decision.warnings);
        assert_eq!(decision.audit_annotations.contains_key("violations"), refused, "{spec}");
    }
}

#[test]
fn fields_are_those_of_the_workload() {
    let bad = deployment(&json!({"hostNetwork": true}));
    let refusal = asked(&policies(DENY), &bad, None).refusal.unwrap();
    assert_eq!(refusal.code, 403);
    assert!(
        refusal.message.starts_with("podwright: spec.template.spec.hostNetwork: true"),
        "{}",
        refusal.message
    );
    for (spec, start) in [
        ("{}", "Pods refused: spec.template.spec.hostNetwork: "),
        ("{action: warn}", "spec.template.spec.hostNetwork: "),
    ] {
        let warnings = asked(&policies(spec), &bad, None).warnings;
        assert!(warnings[0].starts_with(start) && warnings.len() == 1, "{warnings:?}");
    }
}

/// Clients need not show more of a warning.
#[test]
fn warnings_fit_in_120_characters() {
    let policy = |kind: &str, spec: &str| {
        let name = kind.to_lowercase();
        format!(
            "apiVersion: podwright.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    let policies_of = [policy("HostNamespaces", "{}"), policy("HostPath", "{}"), policy("HostPort", "{}")];
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), policies_of.join("---\n")).unwrap();
    let policies = PolicySet::load(&[file.path().to_owned()]).unwrap();
    let mut bad = deployment(&json!({
        "hostNetwork": true, "hostPID": true, "hostIPC": true,
        "volumes": [{"name": "a", "hostPath": {"path": "/etc"}}],
    }));
    bad["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{"hostPort": 80, "containerPort": 80}]);
    let warnings = asked(&policies, &bad, None).warnings;
    assert_eq!(warnings.len(), 5, "{warnings:#?}");
    for warning in warnings {
        assert!(warning.chars().count() <= 120, "{}: {warning}", warning.chars().count());
    }
}

#[test]
fn an_update_is_refused_only_for_what_it_adds() {
    let policies = policies(DENY);
    let bad = deployment(&json!({"hostNetwork": true}));
    let mut scaled = bad.clone();
    scaled["spec"]["replicas"] = json!(0);
    let decision = asked(&policies, &scaled, Some(&bad));
    assert_eq!(decision.refusal, None);
    assert!(decision.warnings[0].contains("Pods refused: "), "{:?}", decision.warnings);

    let worse = deployment(&json!({"hostNetwork": true, "hostPID": true}));
    let decision = asked(&policies, &worse, Some(&bad));
    let message = decision.refusal.unwrap().message;
    assert!(message.contains("hostPID") && !message.contains("hostNetwork"), "{message}");
    assert!(decision.warnings[0].contains("hostNetwork"), "{:?}", decision.warnings);

    let good = deployment(&json!({}));
    assert_eq!(asked(&policies, &good, Some(&bad)).refusal, None);
    assert!(asked(&policies, &bad, Some(&good)).refusal.is_some());
}

#[test]
fn annotations_that_do_not_read_stay_warnings() {
    let mut typo = deployment(&json!({}));
    typo["spec"]["template"]["metadata"] = json!({"annotations": {"logs.podwright.dev/path": "/a/*.log"}});
    let decision = asked(&policies(DENY), &typo, None);
    assert_eq!(decision.refusal, None);
    assert!(decision.warnings[0].starts_with("Pods refused: annotation"), "{:?}", decision.warnings);
}

#[test]
fn a_refusal_is_not_as_long_as_what_is_refused() {
    let mut bad = deployment(&json!({}));
    let container =
        |number: usize| json!({"name": format!("app-{number}"), "securityContext": {"privileged": true}});
    bad["spec"]["template"]["spec"]["containers"] = (0..200).map(container).collect();
    let decision = asked(&policies(DENY), &bad, None);
    let message = decision.refusal.unwrap().message;
    assert!(message.ends_with(" more; podwright explain tells all of them"), "{}", message.len());
    assert!(message.len() < 20_000 && decision.audit_annotations["violations"].len() < 20_000);
}

#[test]
fn many_warnings_are_no_more_than_the_api_server_passes_on() {
    let mut bad = deployment(&json!({"hostNetwork": true}));
    let container =
        |number: usize| json!({"name": format!("app-{number}"), "securityContext": {"privileged": true}});
    bad["spec"]["template"]["spec"]["containers"] = (0..100).map(container).collect();
    for (spec, start) in
        [("{}", "Pods refused: spec.template.spec."), ("{action: warn}", "spec.template.spec.")]
    {
        let warnings = asked(&policies(spec), &bad, None).warnings;
        let chars: usize = warnings.iter().map(|warning| warning.chars().count()).sum();
        assert!(chars < 4096 && warnings.len() > 10, "{} with {chars}", warnings.len());
        let (closing, kept) = warnings.split_last().unwrap();
        assert_eq!(closing, &format!("and {} more; podwright explain tells all of them", 101 - kept.len()));
        for warning in kept {
            // The whole of each that is told.
            assert!(warning.ends_with(" (host-namespaces)"), "{warning}");
            assert!(warning.starts_with(start), "{warning}");
        }
    }
}
