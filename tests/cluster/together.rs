//! All mutators on one Pod.

use podwright::yaml::{self, Document};
use serde_json::Value;

use crate::pods;
use crate::world::{World, has_sidecar};

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/together/everything/policy.yaml");
const POD: &str = include_str!("../cases/together/everything/pod.yaml");

pub(crate) fn everything(world: &World) {
    let (served, _registered) = world.served_by("everything", &["--policies", POLICIES]);
    let mut pod: Value = yaml::read(Document { text: POD, lines_before: 0 }).unwrap();
    // Its owner is not in this cluster.
    pod["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    let created = served.create_pod(&pod).unwrap();

    assert!(has_sidecar(&created), "{created:#}");
    pods::named(&created["spec"]["initContainers"], "podwright-faketime");
    pods::named(&created["spec"]["containers"], "agent");
    pods::named(&created["spec"]["volumes"], "podwright-lxcfs-meminfo");
}
