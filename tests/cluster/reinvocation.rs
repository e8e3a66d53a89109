//! Podwright next to other webhooks.

use crate::pods::{self, items, named};
use crate::second_webhook::{ADDED, SecondWebhook};
use crate::webhook::Registering;
use crate::world::{World, has_sidecar};

pub(crate) fn a_second_webhook(world: &World) {
    const LABEL: &str = "two-webhooks";
    let webhook = world.webhook(&[]).unwrap();
    let second = SecondWebhook::start(world.api().runtime());
    // The second comes after ours by its name, so that ours sees what it did only when it is invoked again.
    let ours = Registering {
        name: "two-webhooks-1",
        label: LABEL,
        endpoint: webhook.endpoint(),
        failure_policy: "Fail",
        reinvocation_policy: "IfNeeded",
    };
    let theirs = Registering {
        name: "two-webhooks-2",
        endpoint: second.endpoint(),
        reinvocation_policy: "Never",
        ..ours
    };
    let _ours = ours.register(world.api(), &pods::logging(), has_sidecar).unwrap();
    let added = |pod: &_| metadata(pod, "labels") == "was-here";
    let _theirs = theirs.register(world.api(), &pods::logging(), added).unwrap();

    let pod = world.api().namespace(&[LABEL]).create_pod(&pods::logging()).unwrap();
    assert_eq!(pods::sidecars(&pod).len(), 1, "{pod:#}");
    assert_eq!(metadata(&pod, "labels"), "was-here");
    assert_eq!(metadata(&pod, "annotations"), "was-here");
    let containers = &pod["spec"]["containers"];
    assert_eq!(items(containers).len() + items(&pod["spec"]["initContainers"]).len(), 3, "{pod:#}");
    named(containers, "app");
    named(containers, ADDED);
}

fn metadata<'a>(pod: &'a serde_json::Value, field: &str) -> &'a serde_json::Value {
    &pod["metadata"][field][ADDED]
}
