//! A rule that is broken.

use serde_json::json;

use crate::pods;
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
