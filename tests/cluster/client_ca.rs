//! Only who shows the API server's certificate is answered.

use crate::api::SOON;
use crate::pods;
use crate::process::within;
use crate::webhook::Registering;
use crate::world::{World, has_sidecar};

pub(crate) fn only_the_api_server(world: &World) {
    let authority = world.control_plane().client_authority().display().to_string();
    let webhook = world.webhook(&["--client-ca", &authority]).unwrap();
    let registering = Registering {
        name: "client-ca",
        label: "client-ca",
        endpoint: webhook.endpoint(),
        failure_policy: "Fail",
        reinvocation_policy: "Never",
    };
    let _registration = registering.register(world.api(), &pods::logging(), has_sidecar).unwrap();
    let pod = world.api().namespace(&["client-ca"]).create_pod(&pods::logging()).unwrap();
    assert!(has_sidecar(&pod), "{pod:#}");

    let root = reqwest::Certificate::from_pem(webhook.endpoint().authority.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
    let asked = world.api().runtime().block_on(client.post(&webhook.endpoint().url).body("{}").send());
    let refusal = format!("{:?}", asked.unwrap_err());
    assert!(refusal.to_lowercase().contains("certificate"), "{refusal}");
    within(SOON, "the refusal to be counted", || {
        webhook.metric(world.api(), REFUSED).filter(|count| *count == 1.0)
    })
    .unwrap();
}

const REFUSED: &str = "podwright_tls_handshake_failures_total{reason=\"client_not_trusted\"}";
