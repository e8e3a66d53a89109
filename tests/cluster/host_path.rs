//! A rule that is broken.

use serde_json::json;

use crate::api::SOON;
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
