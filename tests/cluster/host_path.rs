//! A rule that is broken.

use std::path::Path;

use serde_json::json;

use crate::api::{Namespace, SOON};
use crate::pods;
use crate::process::within;
use crate::world::World;

pub(crate) fn a_forbidden_path(world: &World) {
    let namespace = world.served();
    let mut pod = pods::plain();
    pod["spec"]["volumes"] = json!([{"name": "settings", "hostPath": {"path": "/etc"}}]);
    let message = namespace.create_pod(&pod).unwrap_err();
    // The field, what is wrong with it, and the policy that says so and whose text tells what is allowed.
    for part in ["spec.volumes[0].hostPath.path", "/etc", "host-path", "emptyDir"] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(namespace.list("pods").is_empty());
}

pub(crate) fn behind_a_claim(world: &World) {
    let (served, _registered) = world.served_by("behind-a-claim", &[]);
    let claim = json!({"namespace": served.name(), "name": "data"});
    let volume = json!({"metadata": {"name": "of-the-node"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/etc"},
        "claimRef": claim,
    }});
    world.api().create("/api/v1/persistentvolumes", &volume).unwrap();
    let mut pod = pods::plain();
    pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    let refused = || served.dry_run_pod(&pod).err();
    let message = within(SOON, "the volume to be seen", refused).unwrap();
    for part in ["spec.volumes[0].persistentVolumeClaim.claimName", "of-the-node", "/etc"] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// An API server older than 1.22 shows them without their Pod.
pub(crate) fn ephemeral_containers(world: &World) {
    const LABEL: &str = "ephemeral-containers";
    let policy = "apiVersion: podwright.dev/v1alpha1\nkind: HostPath\nmetadata: {name: logs}\nspec:\n  \
                  match: {namespaceSelector: {matchLabels: {strict: 'on'}}}\n  \
                  allowed: [{pathPrefix: /var/log, readOnly: true}]\n---\n\
                  apiVersion: podwright.dev/v1alpha1\nkind: HostPort\nmetadata: {name: ports}\nspec: {denyTemplates: true}\n";
    let file = tempfile::Builder::new().suffix(".yaml").tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(file.path(), policy).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/filebeat.yaml");
    let flags = ["--policies", shipped.to_str().unwrap(), "--policies", file.path().to_str().unwrap()];
    let (lenient, registered) = world.served_by(LABEL, &flags);
    let strict = world.api().namespace(&[LABEL, "strict"]);

    let mut pod = pods::plain();
    pod["metadata"]["name"] = "web".into();
    pod["spec"]["volumes"] = json!([{"name": "logs", "hostPath": {"path": "/var/log"}}]);
    let mut template = pods::plain();
    template["metadata"] = json!({"labels": {"app": "probe"}});
    template["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
    let probe = json!({"metadata": {"name": "probe"}, "spec": {
        "selector": {"matchLabels": {"app": "probe"}}, "template": template,
    }});
    let _validation = registered.validate(world.api(), "deployments", &probe).unwrap();
    let debug = |namespace: &Namespace| {
        namespace.create_pod(&pod).unwrap();
        let path = format!("{}/web/ephemeralcontainers", namespace.path("/api/v1", "pods"));
        let mut object = world.api().get(&path).unwrap();
        let containers = json!([{
            "name": "debugger", "image": "example/debug:1", "volumeMounts": [{"name": "logs", "mountPath": "/logs"}],
            "imagePullPolicy": "Always", "terminationMessagePolicy": "File",
        }]);
        let is_alone = object["kind"] == "EphemeralContainers";
        assert_eq!(is_alone, world.control_plane().version() < (1, 22), "{object:#}");
        let within = if is_alone { "" } else { "/spec" };
        object.pointer_mut(within).unwrap()["ephemeralContainers"] = containers;
        (is_alone, world.api().replace(&path, &object))
    };
    let (is_alone, refused) = debug(&strict);
    let message = refused.unwrap_err();
    let expected = if is_alone { "kubectl debug --copy-to" } else { "set readOnly: true" };
    assert!(message.contains(expected) && message.contains("HostPath policy logs"), "{message}");
    let (_, allowed) = debug(&lenient);
    assert!(allowed.unwrap().to_string().contains("debugger"));
}

pub(crate) fn event_on_the_owner(world: &World) {
    let (served, _registered) = world.served_by("event-on-the-owner", &[]);
    let mut template = pods::logging_template("Always");
    template["spec"]["volumes"] = json!([{"name": "settings", "hostPath": {"path": "/etc"}}]);
    let deployment = json!({"metadata": {"name": "shop"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "shop"}}, "template": template,
    }});
    served.create("apps/v1", "deployments", &deployment).unwrap();
    let event = served.wait_for("events", "the event on the ReplicaSet", |event| {
        (event["reason"] == "PodRefused").then(|| event.clone())
    });
    let about = &event["involvedObject"];
    assert_eq!(about["kind"], "ReplicaSet");
    assert!(about["name"].as_str().unwrap().starts_with("shop-") && about["uid"].is_string(), "{event:#}");
    let message = event["message"].as_str().unwrap();
    assert!(
        message.starts_with("Pod shop-") && message.contains("spec.volumes[0].hostPath.path"),
        "{message}"
    );
}
