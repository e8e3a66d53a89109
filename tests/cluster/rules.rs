//! Rules on ports and namespaces of nodes, as the API server hands Pods and workloads on.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::Request;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::api::{Api, Namespace, SOON};
use crate::pods;
use crate::process::within;
use crate::webhook::Endpoint;
use crate::world::World;

/// The API server writes `hostPort` into a Pod in the node's network before it asks.
pub(crate) fn ports_in_the_host_network(world: &World) {
    let file = policies(&["kind: HostPort\nmetadata: {name: ports}\nspec: {allowed: [{ports: 9100}]}\n"]);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/filebeat.yaml");
    let flags = ["--policies", shipped.to_str().unwrap(), "--policies", file.path().to_str().unwrap()];
    let (namespace, _podwright) = world.served_by("host-ports", &flags);

    let mut pod = pods::plain();
    pod["spec"]["hostNetwork"] = json!(true);
    pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 9100}, {"containerPort": 9101}]);
    let message = namespace.create_pod(&pod).unwrap_err();
    assert!(message.contains("spec.containers[0].ports[1].hostPort: 9101/TCP"), "{message}");
    assert!(message.contains("hostNetwork: true"), "{message}");
    assert_eq!(message.matches("of container").count(), 1, "{message}");
    pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 9100}]);
    let created = namespace.create_pod(&pod).unwrap();
    assert_eq!(created["spec"]["containers"][0]["ports"][0]["hostPort"], 9100, "{created:#}");
}

/// Installing Podwright stops no node agent.
pub(crate) fn shipped_policies_refuse_no_agent(world: &World) {
    let mut pod = pods::plain();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        pod["spec"][field] = json!(true);
    }
    let container = &mut pod["spec"]["containers"][0];
    container["ports"] = json!([{"containerPort": 80}]);
    container["securityContext"] = json!({"privileged": true});
    container["livenessProbe"] = json!({"exec": {"command": ["true"]}, "timeoutSeconds": 60});
    container.as_object_mut().unwrap().remove("readinessProbe");
    world.served().create_pod(&pod).unwrap();
}

/// `kubectl` prints what stands in the `Warning` headers of an answer.
pub(crate) fn workloads_by_their_templates(world: &World) {
    let file = policies(&[
        "kind: HostNamespaces\nmetadata: {name: pods}\nspec: {allowed: [hostNetwork]}\n",
        "kind: HostNamespaces\nmetadata: {name: workloads}\nspec: {denyTemplates: true, allowed: [hostPID]}\n",
    ]);
    let webhook = world.webhook(&["--policies", file.path().to_str().unwrap()]).unwrap();
    let _registration = Validation::register(world.api(), webhook.endpoint());
    let namespace = world.api().namespace(&[Validation::NAME]);
    let warned = |name: &str, field: &str| created(world.api(), &namespace, &deployment(name, field));

    // The API server takes a moment until it asks a new webhook.
    let mut attempts = 0;
    let warnings = within(SOON, "a warning", || {
        attempts += 1;
        Some(warned(&format!("attempt-{attempts}"), "hostPID").unwrap())
            .filter(|warnings| !warnings.is_empty())
    });
    let warnings = warnings.unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("Pods refused: spec.template.spec.hostPID: "), "{warnings:?}");
    let message = warned("refused", "hostNetwork").unwrap_err();
    assert!(message.contains("spec.template.spec.hostNetwork: true"), "{message}");
    assert!(warned("fine", "shareProcessNamespace").unwrap().is_empty());
}

/// A file of policies that lack their `apiVersion`.
fn policies(policies: &[&str]) -> NamedTempFile {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let policies = policies.iter().map(|policy| format!("apiVersion: podwright.dev/v1alpha1\n{policy}"));
    std::fs::write(file.path(), policies.collect::<Vec<_>>().join("---\n")).unwrap();
    file
}

fn deployment(name: &str, field: &str) -> Value {
    let mut pod = pods::plain();
    pod["metadata"] = json!({"labels": {"app": name}});
    pod["spec"][field] = json!(true);
    json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}}, "template": pod}})
}

/// Creates a Deployment, and tells the warnings that come with the answer.
fn created(api: &Api, namespace: &Namespace, deployment: &Value) -> Result<Vec<String>, String> {
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", namespace.name());
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(kube::client::Body::from(deployment.to_string().into_bytes())).unwrap();
    let client = api.client();
    api.runtime().block_on(async {
        let response = client.send(request).await.map_err(|err| err.to_string())?;
        let (parts, body) = response.into_parts();
        let text = http_body_util::BodyExt::collect(body).await.map_err(|err| err.to_string())?.to_bytes();
        let warnings =
            parts.headers.get_all("warning").iter().map(|value| value.to_str().unwrap().to_owned());
        match parts.status.is_success() {
            true => Ok(warnings.collect()),
            false => Err(String::from_utf8_lossy(&text).into_owned()),
        }
    })
}

/// A `ValidatingWebhookConfiguration` for Deployments, in force until it is dropped.
struct Validation(Api);

impl Validation {
    const NAME: &'static str = "templates";
    const COLLECTION: &'static str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

    fn register(api: &Api, endpoint: &Endpoint) -> Self {
        let configuration = json!({
            "metadata": {"name": Self::NAME},
            "webhooks": [{
                "name": "templates.podwright.dev",
                "clientConfig": {
                    "url": endpoint.url.replace("/mutate", "/validate"),
                    "caBundle": BASE64.encode(&endpoint.authority),
                },
                "rules": [{
                    "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
                    "operations": ["CREATE", "UPDATE"],
                }],
                "namespaceSelector": {"matchLabels": {Self::NAME: "on"}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
            }],
        });
        api.create(Self::COLLECTION, &configuration).unwrap();
        Self(api.clone())
    }
}

impl Drop for Validation {
    fn drop(&mut self) {
        let _ = self.0.delete(&format!("{}/{}", Self::COLLECTION, Self::NAME));
    }
}
