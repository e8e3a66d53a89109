//! What a cluster does while Podwright, or the API server, is away.

use std::time::Duration;

use crate::pods;
use crate::webhook::Registering;
use crate::world::{World, has_sidecar};

/// A watch that met a dead API server pauses, longer each time, before it tries again.
pub(crate) const AFTER_AN_OUTAGE: Duration = Duration::from_secs(60);

pub(crate) fn failure_policies(world: &World) {
    let webhook = world.webhook(&[]).unwrap();
    let _registrations = ["Fail", "Ignore"].map(|failure_policy| {
        let label = format!("on-outage-{}", failure_policy.to_lowercase());
        let registering = Registering {
            name: &label,
            label: &label,
            endpoint: webhook.endpoint(),
            failure_policy,
            reinvocation_policy: "Never",
        };
        registering.register(world.api(), &pods::logging(), has_sidecar).unwrap()
    });
    webhook.terminate().unwrap();

    let create = |label: &str| world.api().namespace(&[label]).create_pod(&pods::logging());
    let message = create("on-outage-fail").unwrap_err();
    assert!(message.contains("failed calling webhook"), "{message}");
    let pod = create("on-outage-ignore").unwrap();
    assert!(!has_sidecar(&pod), "{pod:#}");
}

pub(crate) fn api_server_restart(world: &World) {
    let namespace = world.served();
    world.control_plane().restart_api_server().unwrap();
    let pod = namespace.create_pod(&pods::logging()).unwrap();
    assert!(has_sidecar(&pod), "{pod:#}");
}
