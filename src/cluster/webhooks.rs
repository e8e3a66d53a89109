//! The webhook configurations of Podwright, and the `caBundle` in them.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::Metrics;
use super::own::{Error, Written, follow, written};
use super::secret::MANAGER;

/// Which of the two configurations of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The one whose webhooks may change what they see.
    Mutating,
    /// The one whose webhooks only judge.
    Validating,
}

/// What makes a webhook Podwright's own.
#[derive(Debug, Clone)]
pub struct Ours {
    /// The Service that it is called by.
    pub service: String,
    /// The namespace of that.
    pub namespace: String,
    /// Or the hosts of its URL: DNS names and addresses.
    pub hosts: Vec<String>,
}

/// A configuration as it was seen.
#[derive(Debug, Clone)]
pub struct Configuration {
    kind: Kind,
    object: DynamicObject,
}

impl Kind {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Mutating, Self::Validating];

    /// The configuration of this kind and name as it is from now on, `None` while there is none.
    pub fn follow(
        self,
        client: Client,
        name: &str,
        metrics: Metrics,
    ) -> impl Stream<Item = Option<Configuration>> + Send + use<> {
        let seen = follow(self.api(client), name, self.plural(), metrics);
        seen.map(move |found| found.map(|object| Configuration { kind: self, object }))
    }

    /// As a person names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mutating => "MutatingWebhookConfiguration",
            Self::Validating => "ValidatingWebhookConfiguration",
        }
    }

    const fn plural(self) -> &'static str {
        match self {
            Self::Mutating => "mutatingwebhookconfigurations",
            Self::Validating => "validatingwebhookconfigurations",
        }
    }

    fn api(self, client: Client) -> Api<DynamicObject> {
        let resource = match self {
            Self::Mutating => ApiResource::erase::<MutatingWebhookConfiguration>(&()),
            Self::Validating => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
        };
        Api::all_with(client, &resource)
    }
}

impl Configuration {
    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The `caBundle` of each webhook of ours; what is no base64 counts as empty.
    #[must_use]
    pub fn bundles(&self, ours: &Ours) -> Vec<Vec<u8>> {
        let bundle = |webhook: &Value| BASE64.decode(bundle_of(webhook)).unwrap_or_default();
        self.webhooks().filter(|webhook| ours.has(webhook)).map(bundle).collect()
    }

    /// The change that gives each webhook of ours this `caBundle`; `None` where they have it.
    fn change(&self, ours: &Ours, bundle: &str) -> Option<Value> {
        let encoded = BASE64.encode(bundle);
        let others = self.webhooks().filter(|webhook| ours.has(webhook) && bundle_of(webhook) != encoded);
        let webhooks: Vec<_> = others
            .filter_map(|webhook| webhook.get("name"))
            .map(|name| json!({"name": name, "clientConfig": {"caBundle": encoded}}))
            .collect();
        let version = &self.object.metadata.resource_version;
        // By name and on this very version: whatever else somebody changes stays as they want it.
        (!webhooks.is_empty())
            .then(|| json!({"metadata": {"resourceVersion": version}, "webhooks": webhooks}))
    }

    /// Whether a webhook of ours has another `caBundle`.
    #[must_use]
    pub fn differs(&self, ours: &Ours, bundle: &str) -> bool {
        self.change(ours, bundle).is_some()
    }

    /// Gives each webhook of ours this `caBundle`, unless the configuration has changed since it was seen.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn publish(&self, client: Client, ours: &Ours, bundle: &str) -> Result<Written, Error> {
        let Some(change) = self.change(ours, bundle) else { return Ok(Written::Done) };
        let name = self.object.metadata.name.as_deref().unwrap_or_default();
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Strategic(change);
        let object = format!("the caBundle of the {} {name:?}", self.kind.name());
        written(object, self.kind.api(client).patch(name, &parameters, &patch)).await
    }

    fn webhooks(&self) -> impl Iterator<Item = &Value> {
        self.object.data.get("webhooks").and_then(Value::as_array).into_iter().flatten()
    }
}

impl Ours {
    fn has(&self, webhook: &Value) -> bool {
        let text = |path: &str| webhook.pointer(path).and_then(Value::as_str);
        match text("/clientConfig/url") {
            Some(url) => host(url).is_some_and(|host| self.hosts.contains(&host)),
            None => {
                text("/clientConfig/service/name") == Some(&self.service)
                    && text("/clientConfig/service/namespace") == Some(&self.namespace)
            }
        }
    }
}

/// The host of a URL as a certificate names it.
fn host(url: &str) -> Option<String> {
    let url: hyper::Uri = url.parse().ok()?;
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
    Some(host.parse::<IpAddr>().map_or_else(|_| host.to_lowercase(), |address| address.to_string()))
}

fn bundle_of(webhook: &Value) -> &str {
    webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Ours {
        let hosts = ["127.0.0.1", "::1", "hooks.example.com"].map(str::to_owned).to_vec();
        Ours { service: "podwright".to_owned(), namespace: "podwright-system".to_owned(), hosts }
    }

    fn service(namespace: &str, name: &str) -> Value {
        json!({"service": {"namespace": namespace, "name": name, "path": "/mutate"}})
    }

    fn configuration(webhooks: &Value) -> Configuration {
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "podwright", "resourceVersion": "7"}, "webhooks": webhooks,
        });
        Configuration { kind: Kind::Mutating, object: serde_json::from_value(object).unwrap() }
    }

    #[test]
    fn what_is_called_by_our_names_is_ours() {
        for (client, is_ours) in [
            (service("podwright-system", "podwright"), true),
            (service("podwright-system", "other"), false),
            (service("other", "podwright"), false),
            (json!({"url": "https://127.0.0.1:8443/mutate"}), true),
            (json!({"url": "https://[0:0::1]:8443/mutate?x=y"}), true),
            (json!({"url": "https://Hooks.Example.com/mutate"}), true),
            (json!({"url": "https://127.0.0.2/mutate"}), false),
            (json!({"url": "https://hooks.example.com.evil.org/hooks.example.com"}), false),
            (json!({"url": "no url"}), false),
            (json!({}), false),
        ] {
            assert_eq!(ours().has(&json!({"name": "a", "clientConfig": client})), is_ours, "{client}");
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let has = |bundle: &str| {
            let mut client = service("podwright-system", "podwright");
            client["caBundle"] = json!(bundle);
            client
        };
        let configuration = configuration(&json!([
            {"name": "a", "clientConfig": has("bmV3")},
            {"name": "b", "clientConfig": has("b2xk")},
            {"name": "c", "clientConfig": service("podwright-system", "podwright")},
            {"name": "d", "clientConfig": service("other", "podwright")},
        ]));
        assert_eq!(
            configuration.change(&ours(), "new").unwrap(),
            json!({"metadata": {"resourceVersion": "7"}, "webhooks": [
                {"name": "b", "clientConfig": {"caBundle": "bmV3"}},
                {"name": "c", "clientConfig": {"caBundle": "bmV3"}},
            ]})
        );
        assert_eq!(configuration.bundles(&ours()), [b"new".to_vec(), b"old".to_vec(), Vec::new()]);
    }

    #[test]
    fn what_has_it_is_left_alone() {
        let mut client = service("podwright-system", "podwright");
        client["caBundle"] = json!("bmV3");
        for webhooks in [json!([{"name": "a", "clientConfig": client}]), json!([]), Value::Null] {
            assert!(!configuration(&webhooks).differs(&ours(), "new"));
        }
    }
}
