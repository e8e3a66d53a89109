//! What the trials share: one control plane, and one Podwright with the policies that it ships with.

use std::sync::OnceLock;

use serde_json::Value;

use crate::api::{Api, Namespace, SOON};
use crate::control_plane::ControlPlane;
use crate::pods;
use crate::process::within;
use crate::webhook::{Registering, Registration, Webhook};

pub(crate) struct World {
    // Before the control plane, so that it is dropped before it.
    podwright: OnceLock<Result<Registered, String>>,
    control_plane: ControlPlane,
}

impl World {
    pub(crate) fn new(control_plane: ControlPlane) -> Self {
        Self { podwright: OnceLock::new(), control_plane }
    }

    pub(crate) fn api(&self) -> &Api {
        self.control_plane.api()
    }

    pub(crate) fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// A new namespace whose Pods no webhook sees.
    pub(crate) fn unserved(&self) -> Namespace {
        self.api().namespace(&[])
    }

    /// A new namespace whose Pods the shared Podwright sees.
    pub(crate) fn served(&self) -> Namespace {
        // The first trial that needs it starts it; when it does not come up, no other trial waits for it again.
        if let Err(err) = self.podwright.get_or_init(|| self.register(SHARED, &[])) {
            panic!("{err}");
        }
        self.api().namespace(&[SHARED])
    }

    /// A Podwright of a trial's own, which knows this cluster.
    pub(crate) fn webhook(&self, flags: &[&str]) -> Result<Webhook, String> {
        let kubeconfig = self.control_plane.kubeconfig().display().to_string();
        Webhook::start(self.api(), &[&["--kubeconfig", &kubeconfig], flags].concat())
    }

    /// A namespace served by a Podwright of a trial's own; `name` names the registration and must not recur.
    pub(crate) fn served_by(&self, name: &str, flags: &[&str]) -> (Namespace, Registered) {
        let registered = self.register(name, flags).unwrap();
        (self.api().namespace(&[name]), registered)
    }

    /// Takes away what a trial before left of an installation, its namespace last.
    pub(crate) fn uninstalled(&self) {
        let rights = ["podwright", "podwright-certificates", "podwright-policies", "podwright-scan"];
        let rights = rights.iter().flat_map(|name| {
            ["clusterrolebindings", "clusterroles"]
                .map(|kind| format!("/apis/rbac.authorization.k8s.io/v1/{kind}/{name}"))
        });
        let webhooks = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]
            .map(|kind| format!("/apis/admissionregistration.k8s.io/v1/{kind}/podwright"));
        let namespace = "/api/v1/namespaces/podwright-system".to_owned();
        for path in webhooks.into_iter().chain(rights).chain([namespace]) {
            within(SOON, &format!("the end of {path}"), || {
                matches!(self.api().delete(&path), Err(error) if error.contains("not found")).then_some(())
            })
            .unwrap();
        }
    }

    fn register(&self, name: &str, flags: &[&str]) -> Result<Registered, String> {
        let webhook = self.webhook(flags)?;
        let registration = registering(name, &webhook).register(self.api(), &pods::logging(), has_sidecar)?;
        Ok(Registered { _registration: registration, name: name.to_owned(), webhook })
    }
}

fn registering<'a>(name: &'a str, webhook: &'a Webhook) -> Registering<'a> {
    Registering {
        name,
        label: name,
        endpoint: webhook.endpoint(),
        failure_policy: "Fail",
        reinvocation_policy: "Never",
    }
}

/// A Podwright that serves, until it is dropped.
pub(crate) struct Registered {
    // Unregistered first: nobody calls a webhook that has gone.
    _registration: Registration,
    name: String,
    webhook: Webhook,
}

impl Registered {
    /// The value of one of its metrics.
    pub(crate) fn metric(&self, api: &Api, name: &str) -> Option<f64> {
        self.webhook.metric(api, name)
    }

    pub(crate) fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// Has it judge workloads and final Pods too, once it refuses `probe`, an object of `resource`.
    pub(crate) fn validate(&self, api: &Api, resource: &str, probe: &Value) -> Result<Registration, String> {
        registering(&self.name, &self.webhook).register_validation(api, resource, probe)
    }
}

/// Whether a Pod went through Podwright.
pub(crate) fn has_sidecar(pod: &Value) -> bool {
    pods::sidecars(pod).len() == 1
}

const SHARED: &str = "podwright-shared";
