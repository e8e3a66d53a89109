//! Manifests and chart before a real API server: taken, upgraded and taken away.
//!
//! No node runs anything here, so that the Podwright that answers is outside of the cluster and called by address.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use libtest_mimic::{Completion, Failed};
use serde_json::{Value, json};

use crate::api::{Api, SOON};
use crate::pods;
use crate::process::within;
use crate::rendering::{Manifests, chart, name, overlay};
use crate::tools::{root, run, stdout, tool};
use crate::webhook::Webhook;
use crate::world::{World, has_sidecar};

/// Runs a trial where its tools can be had.
pub(crate) fn with(needed: &[&'static str], trial: impl FnOnce()) -> Result<Completion, Failed> {
    for &needed in needed {
        if let Err(why) = tool(needed) {
            eprintln!("skipped: {why}");
            return Ok(Completion::ignored_with(format!("no {needed}")));
        }
    }
    trial();
    Ok(Completion::Completed)
}

/// Each object by a server-side dry run. What this API server does not know is told by name, and is expected.
pub(crate) fn dry_run(world: &World) {
    let (api, version) = (world.api(), world.control_plane().version());
    api.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}), false)
        .unwrap();
    let mut sets = vec![
        ("self-managed", overlay("self-managed", &["fail-closed"])),
        ("files", overlay("files", &[])),
        ("cert-manager", overlay("cert-manager", &["scan", "watch-policies"])),
        ("dev", overlay("dev", &[])),
    ];
    if version >= (1, 30) {
        sets.push(("match-conditions", overlay("files", &["match-conditions"])));
    } else {
        eprintln!("not asked about: components/match-conditions, which Kubernetes has since 1.30");
    }
    let of = |values: &Value| chart(values, &format!("{}.{}.0", version.0, version.1)).unwrap();
    sets.push((
        "the chart",
        of(&json!({"podMonitor": true, "prometheusRule": true, "certificates": {"mode": "certManager"}})),
    ));
    sets.push(("the chart as it is", of(&json!({}))));
    sets.push(("the chart, files", of(&json!({"certificates": {"mode": "files", "caBundle": CA}}))));
    let mut unknown = BTreeSet::new();
    let mut count = 0;
    for (set, objects) in sets {
        for mut object in objects {
            for webhook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
                if webhook["clientConfig"]["caBundle"] == "CA_BUNDLE" {
                    webhook["clientConfig"]["caBundle"] = json!(BASE64.encode(CA));
                }
            }
            match api.apply(&object, true) {
                Ok(Some(_)) => count += 1,
                Ok(None) => {
                    unknown.insert(format!("{} {}", text(&object["apiVersion"]), text(&object["kind"])));
                }
                Err(error) => panic!("{set}: {}: {error}", name(&object)),
            }
        }
    }
    eprintln!("taken: {count} objects; of kinds that this API server does not know: {unknown:?}");
    let foreign = [
        "cert-manager.io/v1 Certificate",
        "cert-manager.io/v1 Issuer",
        "monitoring.coreos.com/v1 PodMonitor",
        "monitoring.coreos.com/v1 PrometheusRule",
    ];
    let mut expected: BTreeSet<_> = foreign.map(str::to_owned).into();
    if version < (1, 21) {
        expected.insert("policy/v1 PodDisruptionBudget".to_owned());
    }
    assert_eq!(unknown, expected);
}

/// With its own ServiceAccount alone it comes to know the cluster, and may do nothing that it has no use for.
pub(crate) fn rights(world: &World) {
    let api = world.api();
    let objects = overlay("self-managed", &["scan", "watch-policies"]);
    for kind in ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"] {
        for object in objects.iter().filter(|object| object["kind"] == kind) {
            api.apply(object, false).unwrap().unwrap();
        }
    }
    let account = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/podwright");
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let token = api.create(&format!("{account}/token"), &request);
    let kubeconfig = fs::read_to_string(world.control_plane().kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&kubeconfig).unwrap();
    kubeconfig["users"][0]["user"] = json!({"token": token.unwrap()["status"]["token"]});
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("kubeconfig");
    fs::write(&file, kubeconfig.to_string()).unwrap();
    let webhook = Webhook::start(api, &["--kubeconfig", &file.display().to_string()]).unwrap();
    let log = webhook.log();
    assert!(!log.contains("watching the cluster failed"), "{log}");
    let webhooks = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
    for (verb, resource, namespace, name, is_allowed) in [
        ("create", "events.events.k8s.io", "shop", "", true),
        ("get", "statefulsets.apps", "shop", "redis", true),
        ("watch", "statefulsets.apps.kruise.io", "", "", true),
        ("list", "ippools.crd.projectcalico.org", "", "", true),
        ("update", "secrets", NAMESPACE, "podwright-certificates", true),
        ("patch", webhooks, "", "podwright", true),
        ("update", "leases.coordination.k8s.io", NAMESPACE, "podwright-scan", true),
        ("patch", "policyreports.wgpolicyk8s.io", "shop", "podwright", true),
        ("watch", "hostpaths.podwright.dev", "", "", true),
        ("patch", "probes.podwright.dev/status", "", "probes", true),
        ("patch", "hostpaths.podwright.dev", "", "host-path", false),
        ("get", "secrets", "shop", "", false),
        ("list", "secrets", NAMESPACE, "", false),
        ("update", "secrets", NAMESPACE, "another", false),
        ("create", "secrets", "shop", "", false),
        ("patch", webhooks, "", "another", false),
        ("delete", webhooks, "", "podwright", false),
        ("create", webhooks, "", "", false),
        ("update", "leases.coordination.k8s.io", NAMESPACE, "another", false),
        ("create", "pods", NAMESPACE, "", false),
        ("delete", "pods", "shop", "", false),
        ("patch", "deployments.apps", "shop", "", false),
        ("update", "clusterroles.rbac.authorization.k8s.io", "", "podwright", false),
    ] {
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": format!("system:serviceaccount:{NAMESPACE}:podwright"),
            "resourceAttributes": {
                "group": group, "resource": resource, "subresource": part, "verb": verb, "namespace": namespace, "name": name,
            },
        }});
        let answer = api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).unwrap();
        assert_eq!(answer["status"]["allowed"], is_allowed, "{verb} {resource} {name} in {namespace:?}");
    }
}

/// A stream of Pods, half of which must not be made without Podwright, while one state of the manifests takes the place
/// of another: none is refused, none goes unmutated. Authorities are put in by another hand, as cert-manager does.
pub(crate) fn upgrade(world: &World) {
    const LABEL: &str = "installation-upgrade";
    let api = world.api();
    let webhook = world.webhook(&[]).unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let apply = |objects: Vec<Value>| {
        let file = folder.path().join("objects.json");
        fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()).unwrap();
        stdout(kubectl(world).arg("apply").arg("-f").arg(&file));
    };
    let state = |components: &[&str]| called_by_address(overlay("files", components), &webhook, LABEL);
    apply(state(&[]));
    trust(api, &webhook);
    let namespace = api.namespace(&[LABEL]);
    within(SOON, "the webhooks to be in force", || {
        [false, true]
            .iter()
            .all(|&required| namespace.dry_run_pod(&pod(required)).is_ok_and(|pod| has_sidecar(&pod)))
            .then_some(())
    })
    .unwrap();

    let is_over = AtomicBool::new(false);
    let created = std::thread::scope(|scope| {
        let stream = scope.spawn(|| {
            let mut created = 0;
            while !is_over.load(Ordering::Relaxed) || created < 200 {
                let pod = namespace
                    .create_pod(&pod(created % 2 == 0))
                    .unwrap_or_else(|error| panic!("Pod {created}: {error}"));
                assert!(has_sidecar(&pod), "Pod {created} went by Podwright");
                created += 1;
            }
            created
        });
        // There and back, twice: the first upgrade, a change of mind.
        for components in [&["fail-closed"][..], &[], &["fail-closed"], &[]] {
            apply(state(components));
        }
        is_over.store(true, Ordering::Relaxed);
        stream.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    eprintln!("created during four upgrades: {created} Pods, none refused, none unmutated");
    for resource in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        api.delete(&format!("{REGISTRATIONS}/{resource}/installation-upgrade")).unwrap();
    }
}

/// The commands of docs/installation.md, after which nothing of it is left.
pub(crate) fn uninstall(world: &World) {
    let api = world.api();
    let mut made = Vec::new();
    let (first, rest): (Vec<_>, Vec<_>) =
        overlay("self-managed", &[]).into_iter().partition(|object| object["kind"] == "Namespace");
    for object in first.into_iter().chain(rest) {
        if api.apply(&object, false).unwrap().is_some() {
            made.push(object);
        }
    }
    assert!(registrations(api) >= 2 && made.len() > 8);
    let page = fs::read_to_string(root().join("docs/installation.md")).unwrap();
    let commands = |marker: &str| {
        let (_, behind) = page.split_once(marker).unwrap();
        behind.split("```").nth(1).unwrap().strip_prefix("sh\n").unwrap().to_owned()
    };
    shell(world, Path::new("/"), &commands("<!-- emergency -->"));
    assert_eq!(registrations(api), 0, "the emergency switch left some");
    for object in &made {
        api.apply(object, false).unwrap();
    }
    let manifests = Manifests::with("self-managed", &[]).into_2019();
    shell(world, &manifests.top(), &commands("<!-- uninstall -->"));
    assert_eq!(registrations(api), 0, "uninstalling left some");
    // A namespace takes its time.
    let left = || -> Vec<_> {
        made.iter().filter(|object| !matches!(api.get_object(object), Ok(None))).map(name).collect()
    };
    within(SOON, "the end of all of it", || left().is_empty().then_some(()))
        .unwrap_or_else(|_| panic!("left: {:?}", left()));
}

/// The same by Helm: installed, upgraded, taken away.
pub(crate) fn by_helm(world: &World) {
    world.uninstalled();
    let api = world.api();
    let kubeconfig = world.control_plane().kubeconfig().display().to_string();
    let helm = |words: &[&str]| {
        let mut command = Command::new(tool("helm").unwrap());
        stdout(
            without_proxy(&mut command)
                .arg(root().join("tests/install/helm.py"))
                .args(words)
                .arg(&kubeconfig),
        );
    };
    api.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}), false)
        .unwrap();
    let path = root().join("manifests/helm/podwright").display().to_string();
    let values = |replicas: u32| {
        json!({"replicas": replicas, "certificates": {"mode": "files", "caBundle": CA}}).to_string()
    };
    let replicas = || {
        let deployment = api.get(&format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/podwright"));
        deployment.map(|deployment| deployment["spec"]["replicas"].clone())
    };
    helm(&["install", &path, &values(2)]);
    assert_eq!((replicas(), registrations(api)), (Ok(json!(2)), 2));
    helm(&["upgrade", &path, &values(3)]);
    assert_eq!((replicas(), registrations(api)), (Ok(json!(3)), 2));
    helm(&["uninstall"]);
    assert_eq!(registrations(api), 0, "uninstalling left some");
    assert!(replicas().is_err());
}

/// The webhooks of these objects, called by address, for namespaces with the label alone, and without an authority.
fn called_by_address(objects: Vec<Value>, webhook: &Webhook, label: &str) -> Vec<Value> {
    let objects = objects.into_iter().filter(|object| object.get("webhooks").is_some());
    let mut changed: Vec<Value> = objects.collect();
    for object in &mut changed {
        object["metadata"]["name"] = json!("installation-upgrade");
        for hook in object["webhooks"].as_array_mut().unwrap() {
            let path = text(&hook["clientConfig"]["service"]["path"]);
            hook["clientConfig"] = json!({"url": webhook.endpoint().url.replace("/mutate", &path)});
            let selector = json!({"key": label, "operator": "In", "values": ["on"]});
            if hook["namespaceSelector"].is_null() {
                hook["namespaceSelector"] = json!({"matchLabels": {label: "on"}});
            } else {
                hook["namespaceSelector"]["matchExpressions"].as_array_mut().unwrap().push(selector);
            }
        }
    }
    changed
}

/// Puts the authority into every webhook, by another manager's hand.
fn trust(api: &Api, webhook: &Webhook) {
    for resource in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        let path = format!("{REGISTRATIONS}/{resource}/installation-upgrade");
        let mut webhooks = api.get(&path).unwrap()["webhooks"].take();
        for webhook_entry in webhooks.as_array_mut().unwrap() {
            webhook_entry["clientConfig"]["caBundle"] = json!(BASE64.encode(&webhook.endpoint().authority));
        }
        api.patch(&path, &json!({"webhooks": webhooks})).unwrap();
    }
}

fn pod(is_required: bool) -> Value {
    let mut pod = pods::logging();
    if is_required {
        pod["metadata"]["labels"]["podwright.dev/required"] = json!("true");
    }
    pod
}

/// How many webhook configurations of ours there are, by their label or their name.
fn registrations(api: &Api) -> usize {
    let of = |resource: &str| {
        let list = api.get(&format!("{REGISTRATIONS}/{resource}")).unwrap();
        let items = list["items"].as_array().unwrap().clone();
        let is_ours = |item: &&Value| {
            item["metadata"]["name"] == "podwright"
                || item["metadata"]["labels"]["app.kubernetes.io/name"] == "podwright"
        };
        items.iter().filter(is_ours).count()
    };
    of("mutatingwebhookconfigurations") + of("validatingwebhookconfigurations")
}

/// Runs commands of a page. What they say of kinds that this API server does not know is no failure.
fn shell(world: &World, folder: &Path, commands: &str) {
    let kubectl = tool("kubectl").unwrap();
    let mut shell = Command::new("sh");
    let path = std::env::var("PATH").unwrap();
    without_proxy(&mut shell)
        .args(["-c", commands])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", kubectl.parent().unwrap().display()))
        .env("KUBECONFIG", world.control_plane().kubeconfig());
    let output = run(&mut shell);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_fine = |line: &str| {
        line.contains("no matches for kind") || line.contains("the server doesn't have a resource type")
    };
    assert!(said.lines().filter(|line| !line.is_empty()).all(is_fine), "{commands}\n{said}");
}

fn kubectl(world: &World) -> Command {
    let mut command = Command::new(tool("kubectl").unwrap());
    without_proxy(&mut command).arg("--kubeconfig").arg(world.control_plane().kubeconfig());
    command
}

/// Everything is on loopback.
fn without_proxy(command: &mut Command) -> &mut Command {
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(variable);
    }
    command
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

const NAMESPACE: &str = "podwright-system";
const REGISTRATIONS: &str = "/apis/admissionregistration.k8s.io/v1";
/// No authority: nothing is called that has it.
const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
