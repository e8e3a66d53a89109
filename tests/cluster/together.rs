//! All mutators on one Pod.

use podwright::yaml::{self, Document};
use serde_json::{Value, json};

use crate::pods;
use crate::world::{World, has_sidecar};

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/together/stateful-set/policy.yaml");
const POD: &str = include_str!("../cases/together/everything/pod.yaml");
const OF_A_SET: &str = include_str!("../cases/together/stateful-set/pod.yaml");

pub(crate) fn everything(world: &World) {
    let (served, _registered) = world.served_by("everything", &["--policies", POLICIES]);
    let mut pod: Value = yaml::read(Document { text: POD, lines_before: 0 }).unwrap();
    // Its owner is not in this cluster.
    pod["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    has_everything(&served.create_pod(&pod).unwrap());
}

pub(crate) fn everything_in_a_stateful_set(world: &World) {
    let (served, _registered) = world.served_by("everything-in-a-set", &["--policies", POLICIES]);
    let pod: Value = yaml::read(Document { text: OF_A_SET, lines_before: 0 }).unwrap();
    let mut spec = pod["spec"].clone();
    // The controller's own.
    spec.as_object_mut().unwrap().retain(|field, _| field == "containers");
    let template = json!({
        "metadata": {"labels": {"app": "redis"}, "annotations": pod["metadata"]["annotations"]}, "spec": spec,
    });
    let set = json!({
        "metadata": {"name": "redis", "annotations": {"ipam.podwright.dev/addresses": "10.20.9.10-10.20.9.12"}},
        "spec": {
            "serviceName": "redis", "replicas": 3, "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": "redis"}}, "template": template,
        },
    });
    served.create("apps/v1", "statefulsets", &set).unwrap();
    let second = |pod: &Value| (pod["metadata"]["name"] == "redis-1").then(|| pod.clone());
    let created = served.wait_for("pods", "the second Pod", second);
    has_everything(&created);
    assert_eq!(created["metadata"]["annotations"]["cni.projectcalico.org/ipAddrs"], r#"["10.20.9.11"]"#);
}

fn has_everything(created: &Value) {
    assert!(has_sidecar(created), "{created:#}");
    pods::named(&created["spec"]["initContainers"], "podwright-faketime");
    pods::named(&created["spec"]["containers"], "agent");
    pods::named(&created["spec"]["volumes"], "podwright-lxcfs-meminfo");
}
