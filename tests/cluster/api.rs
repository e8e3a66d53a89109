//! The API server as the trials use it: plain JSON, no async, and errors as a user reads them.

use std::time::Duration;

use hyper::Request;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::process::within;

/// For what takes the API server or a controller a second or two.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A client that blocks. An error is the message that `kubectl` would print.
#[derive(Clone)]
pub(crate) struct Api {
    client: kube::Client,
    runtime: Handle,
}

impl Api {
    pub(crate) fn new(kubeconfig: &str, runtime: Handle) -> Result<Self, String> {
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|err| err.to_string())?;
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            let mut config = config.map_err(|err| err.to_string())?;
            config.proxy_url = None; // the environment's; everything is on loopback
            kube::Client::try_from(config).map_err(|err| err.to_string())
        })?;
        Ok(Self { client, runtime })
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// For what takes a client of its own.
    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Creates an object of a collection, such as `/api/v1/namespaces/default/pods`.
    pub(crate) fn create(&self, collection: &str, object: &Value) -> Result<Value, String> {
        self.json(Request::post(collection), object)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<Value, String> {
        self.json(Request::delete(path), &json!({}))
    }

    /// Changes an object, or a part of it such as its `status`, by a JSON merge patch.
    pub(crate) fn patch(&self, path: &str, patch: &Value) -> Result<Value, String> {
        self.patch_by("merge-patch", path, patch)
    }

    /// Changes an object by operations of RFC 6902.
    pub(crate) fn json_patch(&self, path: &str, operations: &Value) -> Result<Value, String> {
        self.patch_by("json-patch", path, operations)
    }

    fn patch_by(&self, kind: &str, path: &str, patch: &Value) -> Result<Value, String> {
        let request = Request::patch(path).header("content-type", format!("application/{kind}+json"));
        let request = request.body(patch.to_string().into_bytes()).map_err(|err| err.to_string())?;
        self.runtime.block_on(self.client.request(request)).map_err(message)
    }

    pub(crate) fn replace(&self, path: &str, object: &Value) -> Result<Value, String> {
        self.json(Request::put(path), object)
    }

    /// Server-side apply, as a dry run or not; `None` where the API server has no such kind.
    pub(crate) fn apply(&self, object: &Value, is_dry_run: bool) -> Result<Option<Value>, String> {
        let Some(path) = self.path_of(object)? else { return Ok(None) };
        let dry_run = if is_dry_run { "&dryRun=All" } else { "" };
        let request = Request::patch(format!("{path}?fieldManager=trial&force=true{dry_run}"))
            .header("content-type", "application/apply-patch+yaml");
        let request = request.body(object.to_string().into_bytes()).map_err(|err| err.to_string())?;
        self.runtime.block_on(self.client.request(request)).map_err(message).map(Some)
    }

    /// The object of the same kind and name; `None` where there is none, or no such kind.
    pub(crate) fn get_object(&self, object: &Value) -> Result<Option<Value>, String> {
        let Some(path) = self.path_of(object)? else { return Ok(None) };
        match self.get(&path) {
            Err(error) if error.contains("not found") => Ok(None),
            found => found.map(Some),
        }
    }

    /// Where an object is, as the API server tells of its kind.
    fn path_of(&self, object: &Value) -> Result<Option<String>, String> {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let version = text("/apiVersion");
        let api = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
        let kinds = match self.get(&api) {
            Err(error) if error.contains("could not find") || error.contains("not found") => return Ok(None),
            kinds => kinds?,
        };
        let mut resources = kinds["resources"].as_array().into_iter().flatten();
        let is_it = |one: &&Value| one["kind"] == text("/kind") && !one["name"].to_string().contains('/');
        let Some(resource) = resources.find(is_it) else { return Ok(None) };
        let namespace = match resource["namespaced"].as_bool() {
            Some(true) => format!("/namespaces/{}", text("/metadata/namespace")),
            _ => String::new(),
        };
        let plural = resource["name"].as_str().unwrap_or_default();
        Ok(Some(format!("{api}{namespace}/{plural}/{}", text("/metadata/name"))))
    }

    /// Applies an object as `kubectl apply --server-side` does.
    pub(crate) fn apply_at(&self, path: &str, object: &Value) -> Result<Value, String> {
        let request = Request::patch(format!("{path}?fieldManager=kubectl&force=true"))
            .header("content-type", "application/apply-patch+yaml")
            .body(object.to_string().into_bytes())
            .map_err(|err| err.to_string())?;
        self.runtime.block_on(self.client.request(request)).map_err(message)
    }

    /// What `kubectl get` prints of a collection.
    pub(crate) fn table(&self, path: &str) -> Result<Value, String> {
        let request = Request::get(path).header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
        let request = request.body(Vec::new()).map_err(|err| err.to_string())?;
        self.runtime.block_on(self.client.request(request)).map_err(message)
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        self.json(Request::get(path), &Value::Null)
    }

    pub(crate) fn text(&self, path: &str) -> Result<String, String> {
        let request = Request::get(path).body(Vec::new()).map_err(|err| err.to_string())?;
        self.runtime.block_on(self.client.request_text(request)).map_err(message)
    }

    /// A new namespace with these labels set to `on`: the webhooks registered for one of them see its Pods.
    pub(crate) fn namespace(&self, labels: &[&str]) -> Namespace {
        let labels: Value = labels.iter().map(|label| ((*label).to_owned(), json!("on"))).collect();
        let object = json!({"metadata": {"generateName": "trial-", "labels": labels}});
        let created = self.create("/api/v1/namespaces", &object).unwrap();
        Namespace { api: self.clone(), name: created["metadata"]["name"].as_str().unwrap().to_owned() }
    }

    fn json(&self, request: hyper::http::request::Builder, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request =
            request.header("content-type", "application/json").body(body).map_err(|err| err.to_string())?;
        self.runtime.block_on(self.client.request(request)).map_err(message)
    }
}

/// One trial's own namespace. It is never deleted: the control plane is thrown away as a whole.
pub(crate) struct Namespace {
    api: Api,
    name: String,
}

impl Namespace {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn create_pod(&self, pod: &Value) -> Result<Value, String> {
        self.api.create(&self.path("/api/v1", "pods"), pod)
    }

    /// The Pod as it would be created, after all admission; nothing is stored.
    pub(crate) fn dry_run_pod(&self, pod: &Value) -> Result<Value, String> {
        self.api.create(&format!("{}?dryRun=All", self.path("/api/v1", "pods")), pod)
    }

    /// Creates an object of `group_version` (such as `apps/v1`).
    pub(crate) fn create(
        &self,
        group_version: &str,
        resource: &str,
        object: &Value,
    ) -> Result<Value, String> {
        self.api.create(&self.path(&format!("/apis/{group_version}"), resource), object)
    }

    /// All objects of a core resource here.
    pub(crate) fn list(&self, resource: &str) -> Vec<Value> {
        let mut list = self.api.get(&self.path("/api/v1", resource)).unwrap();
        serde_json::from_value(list["items"].take()).unwrap()
    }

    /// Waits for the first object of a core resource for which `wanted` has a value.
    pub(crate) fn wait_for<T>(&self, resource: &str, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        within(SOON, what, || self.list(resource).iter().find_map(&wanted)).unwrap()
    }

    /// The path of a collection here, such as `pods` of `/api/v1`.
    pub(crate) fn path(&self, api: &str, resource: &str) -> String {
        format!("{api}/namespaces/{}/{resource}", self.name)
    }
}

fn message(err: kube::Error) -> String {
    match err {
        kube::Error::Api(status) => status.message,
        other => other.to_string(),
    }
}
