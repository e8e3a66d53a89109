//! What explain tells.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Folder, Outcome};

const POLICIES: &str = "\
apiVersion: podwright.dev/v1alpha1
kind: HostPath
metadata: {name: strict}
spec:
  exemptions:
    - {name: gauge, match: {ownerNames: [gauge]}, reason: reads the node, owner: sre, expires: 2027-06-30}
---
apiVersion: podwright.dev/v1alpha1
kind: HostPath
metadata: {name: told}
spec: {action: warn, allowed: [{pathPrefix: /proc, readOnly: true}]}
---
apiVersion: podwright.dev/v1alpha1
kind: HostPath
metadata: {name: watched}
spec: {action: audit}
---
apiVersion: podwright.dev/v1alpha1
kind: HostPath
metadata: {name: for-others}
spec: {match: {namespaces: [\"team-*\"]}}
---
apiVersion: podwright.dev/v1alpha1
kind: HostPath
metadata: {name: for-labels}
spec: {match: {podSelector: {matchLabels: {tier: front}}}}
";

fn daemon_set(name: &str) -> String {
    format!(
        "# {name}\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  template:\n    spec:\n      \
         containers: [{{name: app, image: app, volumeMounts: [{{name: proc, mountPath: /host}}]}}]\n      \
         volumes: [{{name: proc, hostPath: {{path: /proc}}}}, {{name: clock, hostPath: {{path: /etc/localtime}}}}]\n"
    )
}

fn explain(manifest: &str, words: &str) -> Outcome {
    Folder::with("in.yaml", manifest)
        .and("policies.yaml", POLICIES)
        .run(&format!("explain -f in.yaml --policies policies.yaml --now 2027-06-30 {words}"))
}

#[test]
fn every_policy_has_its_say() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {generateName: plain-, labels: {tier: front}}\nspec: {containers: [{name: app, image: app}]}\n";
    let manifest =
        format!("{}---\nkind: Service\n---\n{}---\n{pod}", daemon_set("other"), daemon_set("gauge"));
    assert_snapshot!(explain(&manifest, "").transcript());
}

#[test]
fn an_exemption_that_ended_is_told() {
    let outcome = Folder::with("in.yaml", daemon_set("gauge"))
        .and("policies.yaml", POLICIES)
        .run("explain -f in.yaml --policies policies.yaml --now 2027-07-01");
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stdout.contains("its exemption gauge ended on 2027-06-30, ask sre"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn refusals_edits_and_misplaced_annotations_are_told() {
    let manifest = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: typo, annotations: {logs.podwright.dev/paths: /a/*.log}}
spec: {template: {metadata: {annotations: {log.podwright.dev/paths: /a/*.log}}, spec: {containers: [{name: app, image: app}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: forged}
spec: {template: {metadata: {annotations: {podwright.dev/status: forged}}, spec: {containers: [{name: app, image: app}]}}}
";
    assert_snapshot!(explain(manifest, "").transcript());
}

#[test]
fn machines_get_the_same() {
    let outcome = explain(&daemon_set("other"), "-o json");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
    let mut told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(told["generation"].as_str().unwrap().len(), 12);
    told.as_object_mut().unwrap().remove("generation");
    insta::assert_json_snapshot!(told);
}

#[test]
fn without_a_pod_there_is_nothing_to_explain() {
    let outcome = explain("kind: Service\n", "");
    assert_eq!(
        outcome.transcript(),
        "exit code: 0\n--- stdout\n--- stderr\nnothing to explain: there is no Pod and no Pod template here\n"
    );
    assert_eq!(explain("kind: [", "").code, Some(2));
}

#[test]
fn colours_are_for_terminals() {
    assert!(!explain(&daemon_set("other"), "").stdout.contains('\u{1b}'));
}

#[test]
fn what_a_mutator_does_is_told_and_why_another_policy_does_not() {
    let filebeat = |name: &str, spec: &str| {
        format!(
            "apiVersion: podwright.dev/v1alpha1\nkind: Filebeat\nmetadata: {{name: {name}}}\nspec: {{image: elastic/filebeat:9.1.5, output: {{console: {{}}}}{spec}}}\n"
        )
    };
    let policies = [
        filebeat("first", ""),
        filebeat("second", ""),
        filebeat("staging", ", match: {namespaces: [staging]}"),
    ];
    let pod = |name: &str, annotations: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\nspec: {{containers: [{{name: app, image: app}}]}}\n"
        )
    };
    let manifest = [
        pod("asks", "logs.podwright.dev/paths: /a/*.log"),
        pod("asks-by-name", "logs.podwright.dev/paths: /a/*.log, logs.podwright.dev/inject: second"),
        pod("asks-in-vain", "logs.podwright.dev/paths: /a/*.log, logs.podwright.dev/inject: third"),
        pod("asks-wrongly", "logs.podwright.dev/paths: a/*.log"),
        pod("asks-not", ""),
        pod("declines", "logs.podwright.dev/inject: \"false\""),
    ];
    let outcome = Folder::with("in.yaml", manifest.join("---\n"))
        .and("policies.yaml", policies.join("---\n"))
        .run("explain -f in.yaml --policies policies.yaml --kubernetes-version 1.33");
    assert_snapshot!(outcome.transcript());
}
