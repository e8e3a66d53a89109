//! The real `podwright serve`, and its registration with the API server by address.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{Api, SOON};
use crate::pki::Authority;
use crate::ports::free_ports;
use crate::process::{Process, within};

/// A `podwright serve` of the trials' own, stopped when it is dropped.
pub(crate) struct Webhook {
    process: Process,
    endpoint: Endpoint,
    metrics: String,
    client: reqwest::Client,
    _dir: TempDir,
}

impl Webhook {
    /// Starts it with further flags and waits until it says that it is ready.
    pub(crate) fn start(api: &Api, flags: &[&str]) -> Result<Self, String> {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|err| err.to_string())?;
        let authority = Authority::new("podwright");
        let (certificate, key) = authority.issue();
        let file = |name: &str, contents: &str| {
            let path = dir.path().join(name);
            fs::write(&path, contents).map(|()| path.display().to_string()).map_err(|err| err.to_string())
        };
        let (certificate, key) = (file("tls.crt", &certificate)?, file("tls.key", &key)?);
        let [port, admin_port] = free_ports();
        let (listen, admin_listen) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{admin_port}"));
        let own = [
            "serve",
            "--listen",
            &listen,
            "--admin-listen",
            &admin_listen,
            "--tls-cert",
            &certificate,
            "--tls-key",
            &key,
        ];
        let args: Vec<String> = own.iter().chain(flags).map(|&arg| arg.to_owned()).collect();

        let program = Path::new(env!("CARGO_BIN_EXE_podwright"));
        let mut process = Process::start(program, &args, &dir.path().join("log"))?;
        let client = reqwest::Client::builder().no_proxy().build().map_err(|err| err.to_string())?;
        let ready = format!("http://{admin_listen}/readyz");
        let answer = || api.runtime().block_on(client.get(&ready).send());
        process.wait_until(SOON, || answer().is_ok_and(|response| response.status().is_success()))?;
        let endpoint = Endpoint { url: format!("https://{listen}/mutate"), authority: authority.pem() };
        let metrics = format!("http://{admin_listen}/metrics");
        Ok(Self { process, endpoint, metrics, client, _dir: dir })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What it counts.
    pub(crate) fn metrics(&self, api: &Api) -> String {
        let text = async { self.client.get(&self.metrics).send().await.unwrap().text().await.unwrap() };
        api.runtime().block_on(text)
    }

    /// The value of a metric without labels, or of one with these.
    pub(crate) fn metric(&self, api: &Api, name: &str) -> Option<f64> {
        let text = async { self.client.get(&self.metrics).send().await.ok()?.text().await.ok() };
        let text = api.runtime().block_on(text)?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// The first of what it has logged of what went wrong.
    pub(crate) fn warnings(&self) -> String {
        let log = self.process.log();
        let is_wrong = |line: &&str| line.contains("WARN") || line.contains("ERROR");
        log.lines().filter(is_wrong).take(5).collect::<Vec<_>>().join("\n")
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it as a rollout does.
    pub(crate) fn terminate(self) -> Result<(), String> {
        self.process.terminate(Duration::from_secs(30))
    }
}

/// Where a webhook answers and whom its caller trusts.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) authority: String,
}

/// A webhook configuration, in force until it is dropped.
pub(crate) struct Registration {
    api: Api,
    path: String,
}

/// How a webhook is registered. Webhooks are called in the order of their names.
pub(crate) struct Registering<'a> {
    pub(crate) name: &'a str,
    /// The label (set to `on`) of the namespaces whose Pods it sees, so that trials stay out of each other's way.
    pub(crate) label: &'a str,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) failure_policy: &'a str,
    pub(crate) reinvocation_policy: &'a str,
}

impl Registering<'_> {
    /// Registers it, and waits until it is in force: until `in_force` holds for a dry run of `probe`.
    pub(crate) fn register(
        &self,
        api: &Api,
        probe: &Value,
        in_force: impl Fn(&Value) -> bool,
    ) -> Result<Registration, String> {
        api.create(
            MUTATING,
            &self.configuration(&self.endpoint.url, "MutatingWebhookConfiguration", &pods()),
        )?;
        let registration = Registration { api: api.clone(), path: format!("{MUTATING}/{}", self.name) };
        let namespace = api.namespace(&[self.label]);
        let mut last = Ok(Value::Null);
        let seen = within(SOON, &format!("webhook {} to be in force", self.name), || {
            last = namespace.dry_run_pod(probe);
            last.as_ref().is_ok_and(&in_force).then_some(())
        });
        seen.map_err(|err| format!("{err}; the last answer was {last:?}"))?;
        Ok(registration)
    }

    /// Registers it for workloads and the final Pods too, and waits until that is in force: until a dry run of `probe`,
    /// an object of `resource` in `apps/v1`, is refused.
    pub(crate) fn register_validation(
        &self,
        api: &Api,
        resource: &str,
        probe: &Value,
    ) -> Result<Registration, String> {
        let mut rules = pods();
        rules[0]["operations"] = json!(["CREATE", "UPDATE"]);
        rules[0]["resources"] = json!(["pods", "pods/ephemeralcontainers"]);
        rules.push(json!({
            "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "scope": "Namespaced",
            "resources": ["deployments", "statefulsets", "statefulsets/scale"],
        }));
        let url = self.endpoint.url.replace("/mutate", "/validate");
        api.create(VALIDATING, &self.configuration(&url, "ValidatingWebhookConfiguration", &rules))?;
        let path = format!("{VALIDATING}/{}", self.name);
        let registration = Registration { api: api.clone(), path };
        let namespace = api.namespace(&[self.label]);
        let collection = format!("{}?dryRun=All", namespace.path("/apis/apps/v1", resource));
        within(SOON, &format!("webhook {} to judge {resource}", self.name), || {
            api.create(&collection, probe).err().filter(|err| err.contains("denied the request"))
        })?;
        Ok(registration)
    }

    fn configuration(&self, url: &str, kind: &str, rules: &[Value]) -> Value {
        let mut configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": self.name},
            "webhooks": [{
                "name": format!("{}.podwright.dev", self.name),
                "clientConfig": {"url": url, "caBundle": BASE64.encode(&self.endpoint.authority)},
                "rules": rules,
                "namespaceSelector": {"matchLabels": {self.label: "on"}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "NoneOnDryRun",
                "timeoutSeconds": 5,
                "failurePolicy": self.failure_policy,
            }],
        });
        if kind == "MutatingWebhookConfiguration" {
            configuration["webhooks"][0]["reinvocationPolicy"] = json!(self.reinvocation_policy);
        }
        configuration
    }
}

/// Pods when they are created.
fn pods() -> Vec<Value> {
    vec![json!({
        "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"],
        "scope": "Namespaced",
    })]
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _ = self.api.delete(&self.path);
    }
}

const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
