//! The scan beside serving: two replicas, one of which scans, and the policy reports that come of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Namespace, SOON};
use crate::pods;
use crate::process::within;
use crate::reports::{DEFINITIONS, define, definitions, official};
use crate::webhook::Webhook;
use crate::world::World;

const POLICY_REPORTS: (&str, &str, [(&str, &str); 2]) = (
    "wgpolicyk8s.io",
    "v1alpha2",
    [("policyreports", "PolicyReport"), ("clusterpolicyreports", "ClusterPolicyReport")],
);
const OPEN_REPORTS: (&str, &str, [(&str, &str); 2]) =
    ("openreports.io", "v1alpha1", [("reports", "Report"), ("clusterreports", "ClusterReport")]);
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/podwright-scan";
/// For some scans, of all that other trials have left behind.
const SOME_SCANS: Duration = Duration::from_secs(120);
const VOLUMES: &str = "/api/v1/persistentvolumes";

pub(crate) fn in_the_background(world: &World) {
    undefine(world);
    let policy = "apiVersion: podwright.dev/v1alpha1\nkind: HostPath\nmetadata: {name: paths}\nspec: {}\n";
    let file = tempfile::Builder::new().suffix(".yaml").tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(file.path(), policy).unwrap();
    let flags =
        ["--policies", file.path().to_str().unwrap(), "--scan-interval", "10s", "--drain-delay", "0s"];
    let start = || world.webhook(&flags).unwrap();
    let replicas = vec![start(), start()];
    let (leader, other) = leader(world, replicas);
    let holder = holder(world);

    let namespace = world.unserved();
    namespace.create("apps/v1", "deployments", &deployment("/etc")).unwrap();
    world.api().create(VOLUMES, &volume("scanned")).unwrap();
    define_both(world, POLICY_REPORTS);
    let reports = namespace.path("/apis/wgpolicyk8s.io/v1alpha2", "policyreports");
    let foreign = json!({"apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport", "metadata": {"name": "foreign"}});
    world.api().create(&reports, &foreign).unwrap();
    let report = format!("{reports}/podwright");
    let found = wait(world, &leader, &report, |report| results(report, "HostPath") == 1);
    let result = &found["results"][0];
    assert_eq!(result["resources"][0]["kind"], "Deployment", "{found:#}");
    assert_eq!((&result["result"], &found["summary"]["fail"]), (&json!("fail"), &json!(1)), "{found:#}");
    wait(world, &leader, "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports/podwright", |report| {
        report["results"].to_string().contains("\"scanned\"")
    });
    world.api().delete(&format!("{VOLUMES}/scanned")).unwrap();
    let violations = r#"podwright_scan_violations{kind="HostPath",policy="paths",action="deny"}"#;
    assert!(leader.metric(world.api(), violations).unwrap() >= 1.0);
    assert_eq!(other.metric(world.api(), "podwright_scan_leader"), Some(0.0));

    // What has not changed is not written again.
    scans(world, &leader, 2);
    let same = world.api().get(&report).unwrap();
    assert_eq!(same["metadata"]["resourceVersion"], found["metadata"]["resourceVersion"]);
    let path = format!("{}/web", namespace.path("/apis/apps/v1", "deployments"));
    world.api().patch(&path, &json!({"spec": {"template": {"spec": {"volumes": null}}}})).unwrap();
    wait(world, &leader, &report, |report| results(report, "HostPath") == 0);

    // The Lease is let go, so that the other need not wait until it has run out.
    leader.terminate().unwrap();
    assert_ne!(self::holder(world), holder);
    let takes_over = || other.metric(world.api(), "podwright_scan_leader").filter(|leads| *leads == 1.0);
    within(SOON, "the other replica to take over", takes_over).unwrap();

    moves_to_open_reports(world, &other, &namespace, &report);
    world.api().delete(&path).unwrap();
    let open = namespace.path("/apis/openreports.io/v1alpha1", "reports");
    gone(world, &format!("{open}/podwright"));
    assert!(world.api().get(&format!("{reports}/foreign")).is_ok());
    assert_eq!(other.metric(world.api(), "podwright_scan_failures_total"), Some(0.0));
    other.terminate().unwrap();
    undefine(world);
}

/// Once the cluster has the newer kind, it has the reports, and the older one has none of ours.
fn moves_to_open_reports(world: &World, leader: &Webhook, namespace: &Namespace, before: &str) {
    define_both(world, OPEN_REPORTS);
    let path = namespace.path("/apis/openreports.io/v1alpha1", "reports");
    wait(world, leader, &format!("{path}/podwright"), |report| report["source"] == "podwright");
    gone(world, before);
}

/// Which of them scans; one alone.
fn leader(world: &World, replicas: Vec<Webhook>) -> (Webhook, Webhook) {
    let leads = |replica: &Webhook| replica.metric(world.api(), "podwright_scan_leader") == Some(1.0);
    within(SOON, "a replica to lead", || replicas.iter().any(leads).then_some(())).unwrap();
    let (mut leaders, mut others): (Vec<_>, Vec<_>) = replicas.into_iter().partition(leads);
    assert_eq!((leaders.len(), others.len()), (1, 1));
    (leaders.remove(0), others.remove(0))
}

fn holder(world: &World) -> String {
    let lease = world.api().get(LEASE).unwrap();
    lease["spec"]["holderIdentity"].as_str().unwrap().to_owned()
}

/// Waits for so many more scans.
fn scans(world: &World, leader: &Webhook, count: usize) {
    let at = || leader.metric(world.api(), "podwright_scan_last_success_timestamp_seconds");
    for _ in 0..count {
        let before = at();
        within(SOME_SCANS, "another scan", || (at() > before).then_some(())).unwrap();
    }
}

fn wait(world: &World, leader: &Webhook, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut last = Err(String::new());
    let seen = within(SOME_SCANS, path, || {
        last = world.api().get(path);
        last.clone().ok().filter(&is_so)
    });
    seen.unwrap_or_else(|error| panic!("{error}; last seen: {last:?}; it told:\n{}", leader.warnings()))
}

fn gone(world: &World, path: &str) {
    within(SOME_SCANS, &format!("{path} to go"), || world.api().get(path).is_err().then_some(())).unwrap();
}

fn results(report: &Value, rule: &str) -> usize {
    report["results"].as_array().into_iter().flatten().filter(|result| result["rule"] == rule).count()
}

fn deployment(path: &str) -> Value {
    let mut template = pods::plain();
    template["metadata"] = json!({"labels": {"app": "web"}});
    template["spec"]["volumes"] = json!([{"name": "settings", "hostPath": {"path": path}}]);
    json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template,
    }})
}

fn volume(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/etc"},
    }})
}

/// Both kinds of a group: the official ones where they are at hand, else ones that take anything.
fn define_both(world: &World, (group, version, kinds): (&str, &str, [(&str, &str); 2])) {
    for (plural, kind) in kinds {
        let definition = match definitions() {
            Some(folder) => official(&folder, group, plural),
            None => lenient(group, version, plural, kind),
        };
        define(world, &definition);
    }
}

fn lenient(group: &str, version: &str, plural: &str, kind: &str) -> Value {
    let scope = if kind.starts_with("Cluster") { "Cluster" } else { "Namespaced" };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{group}"),
            // These groups want it.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{
                "name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    })
}

/// Takes the kinds away, with all of their objects.
fn undefine(world: &World) {
    for (group, _, kinds) in [POLICY_REPORTS, OPEN_REPORTS] {
        for (plural, _) in kinds {
            let path = format!("{DEFINITIONS}/{plural}.{group}");
            if world.api().delete(&path).is_ok() {
                gone(world, &path);
            }
        }
    }
}
