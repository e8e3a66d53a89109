//! What inject refuses, what it only warns of, and what it then leaves on stdout: nothing, or everything.

use insta::assert_snapshot;

use crate::support::{FORGED, Folder, Outcome};

const POLICY: &str = "\
apiVersion: podwright.dev/v1alpha1
kind: HostPath
metadata: {name: ACTION-paths}
spec:
  match: {excludeNamespaces: [kube-system], namespaceSelector: {matchExpressions: [{key: free, operator: DoesNotExist}]}}
  action: ACTION
  allowed: [{pathPrefix: /var/log}]
  exemptions:
    - {name: gauge, match: {ownerNames: [gauge]}, reason: reads the node, owner: sre, expires: 2027-06-30}
";

fn run(manifest: &str, words: &str) -> Outcome {
    Folder::with("in.yaml", manifest)
        .and("deny.yaml", POLICY.replace("ACTION", "deny"))
        .and("warn.yaml", POLICY.replace("ACTION", "warn"))
        .run(&format!("inject -f in.yaml {words}"))
}

fn deployment(name: &str, annotations: &str, path: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  template:\n    metadata: {{annotations: {{{annotations}}}}}\n    \
         spec:\n      containers: [{{name: app, image: app}}]\n      volumes: [{{name: a, hostPath: {{path: {path}}}}}]\n"
    )
}

#[test]
fn what_a_rule_refuses_is_a_warning() {
    let manifest = format!("# first\nkind: Service\n---\n\n# second\n{}", deployment("a", "", "/etc"));
    let outcome = run(&manifest, "--policies deny.yaml warn.yaml -n shop");
    assert_eq!(outcome.stdout, manifest);
    assert_snapshot!(outcome.stderr);
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn an_exemption_counts_until_its_day() {
    let manifest = deployment("gauge", "", "/proc");
    for (now, warned) in [("2027-06-30", false), ("2027-06-30T23:59:59Z", false), ("2027-07-01", true)] {
        let outcome = run(&manifest, &format!("--policies deny.yaml --now {now}"));
        assert_eq!(
            outcome.stderr.contains("its exemption gauge ended on 2027-06-30, ask sre"),
            warned,
            "{now}"
        );
        assert_eq!(outcome.stderr.is_empty(), !warned, "{now}");
    }
}

#[test]
fn the_namespace_is_the_objects_own_or_the_one_given() {
    let bare = deployment("a", "", "/etc");
    let own = bare.replace("{name: a}", "{name: a, namespace: kube-system}");
    for (manifest, words, warned) in [
        (&bare, "", true),
        (&bare, "-n kube-system", false),
        (&own, "", false),
        (&own, "-n shop", false),
        (&bare, "--namespace kube-system", false),
    ] {
        let outcome = run(manifest, &format!("--policies deny.yaml {words}"));
        assert_eq!(outcome.stderr.contains("would be refused"), warned, "{words}: {}", outcome.stderr);
    }
}

#[test]
fn namespaces_among_the_manifests_tell_their_labels() {
    let bare = deployment("a", "", "/etc");
    for (labels, warned) in [("{free: \"yes\"}", false), ("{other: x}", true)] {
        let namespace =
            format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {labels}}}\n");
        // It may stand behind what it is needed for, and in a list.
        let list = format!(
            "kind: NamespaceList\napiVersion: v1\nitems:\n- metadata: {{name: shop, labels: {labels}}}\n"
        );
        for namespace in [namespace, list] {
            let outcome = run(&format!("{bare}---\n{namespace}"), "--policies deny.yaml -n shop");
            assert_eq!(outcome.stderr.contains("would be refused"), warned, "{namespace}");
        }
    }
}

#[test]
fn what_a_pod_cannot_be_given_ends_the_run_with_nothing_written() {
    let manifest = format!(
        "kind: Service\n---\n{}---\n{}---\n{}",
        deployment("typo", "log.podwright.dev/paths: /a/*.log", "/var/log"),
        deployment("unquoted", "logs.podwright.dev/inject: true", "/var/log"),
        deployment("changed", FORGED, "/var/log"),
    );
    let outcome = run(&manifest, "--policies deny.yaml");
    assert_snapshot!(outcome.transcript());
    assert_eq!(run(&manifest, "--policies deny.yaml --diff").transcript(), outcome.transcript());
}

#[test]
fn an_item_of_a_list_is_told_with_its_own_line() {
    let item = |name: &str, annotations: &str| {
        format!(
            "- apiVersion: v1\n  kind: Pod\n  metadata: {{name: {name}, annotations: {{{annotations}}}}}\n"
        )
    };
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n# the first\n{}{}",
        item("fine", ""),
        item("typo", "podwright.dev/inject: \"true\"")
    );
    let outcome = run(&format!("kind: Service\n---\n{list}"), "");
    assert!(
        outcome.stderr.starts_with("error: in.yaml:10: Pod default/typo: annotation podwright.dev/inject:"),
        "{}",
        outcome.stderr
    );
    let json = "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [\n {\"kind\": \"Service\"},\n\n {\"kind\": \"Pod\", \"apiVersion\": \"v1\",\n\
                \"metadata\": {\"generateName\": \"a-\", \"annotations\": {\"podwright.dev/inject\": \"x\"}}}]}";
    let outcome = run(json, "");
    assert!(
        outcome.stderr.starts_with("error: in.yaml:4: Pod default/a-*: annotation"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn an_annotation_on_the_workload_is_told() {
    let manifest = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a, annotations: {logs.podwright.dev/paths: /a/*.log}}\n\
                    spec: {template: {spec: {containers: [{name: app, image: app}]}}}\n";
    let outcome = run(manifest, "");
    assert_eq!(outcome.stdout, manifest);
    assert_eq!(
        outcome.stderr,
        "warning: in.yaml:1: StatefulSet default/a: annotation logs.podwright.dev/paths stands on the StatefulSet; \
         move it to the metadata of its Pod template\n"
    );
}

#[test]
fn wrong_policies_are_told_and_nothing_is_written() {
    let outcome = Folder::with("in.yaml", "kind: Service\n")
        .and("policy.yaml", POLICY.replace("action: ACTION", "acton: deny").replace("ACTION", "a"))
        .run("inject -f in.yaml --policies policy.yaml missing.yaml");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert!(outcome.stderr.starts_with("error: missing.yaml: No such file"), "{}", outcome.stderr);
    let outcome = Folder::with("in.yaml", "kind: Service\n")
        .and("policy.yaml", POLICY.replace("action: ACTION", "acton: deny").replace("ACTION", "a"))
        .run("inject -f in.yaml --policies policy.yaml");
    assert_eq!(
        outcome.stderr,
        "error: policy.yaml:6:3: \"acton\" is not known here; did you mean \"action\"?\n"
    );
}
