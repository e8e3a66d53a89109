//! One etcd, kube-apiserver and kube-controller-manager on loopback, any Kubernetes from 1.20 on.
//!
//! There is no scheduler and no kubelet: Pods stay Pending, which is all that admission needs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::api::Api;
use crate::pki::Authority;
use crate::ports::free_ports;
use crate::process::Process;

/// How the binaries are had; what one reads when they are not there.
pub(crate) const HOW_TO_GET_IT: &str = "run tests/cluster/build-control-plane (Debian 12), \
    or export KUBEBUILDER_ASSETS=$(setup-envtest use -p path)";

const READY_WITHIN: Duration = Duration::from_secs(60);

/// The folder with the binaries: `KUBEBUILDER_ASSETS`, or what `build-control-plane` has cached.
pub(crate) fn binaries() -> Option<PathBuf> {
    let dir = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || {
        let cache = || dir("XDG_CACHE_HOME").or_else(|| Some(dir("HOME")?.join(".cache")));
        let ours = dir("PODWRIGHT_CACHE").or_else(|| Some(cache()?.join("podwright")))?;
        Some(ours.join("control-plane-1.20.2"))
    };
    let found = dir("KUBEBUILDER_ASSETS").or_else(cache)?;
    ["etcd", "kube-apiserver"].iter().all(|name| found.join(name).is_file()).then_some(found)
}

/// The running control plane. Everything stops when it is dropped.
pub(crate) struct ControlPlane {
    // In the order in which they stop.
    controller_manager: Option<Process>,
    api_server: Mutex<Process>,
    _etcd: Process,
    api_server_start: Start,
    api: Api,
    version: (u32, u32),
    _runtime: Runtime,
    dir: TempDir,
}

impl ControlPlane {
    pub(crate) fn start(binaries: &Path) -> Result<Self, String> {
        // In the target folder, so that tests killed in the middle leave nothing outside of it.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|err| err.to_string())?;
        let path = |name: &str| dir.path().join(name).display().to_string();
        let version = version_of(&binaries.join("kube-apiserver"))?;
        let [etcd_port, peer_port, api_port, manager_port] = free_ports();
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        write_credentials(dir.path(), api_port)?;

        let start = |name: &str, args: &[String]| Start {
            program: binaries.join(name),
            args: args.to_vec(),
            log: dir.path().join(format!("{name}.log")),
        };
        let etcd = start(
            "etcd",
            &[
                "--name=test".to_owned(),
                format!("--data-dir={}", path("etcd")),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls={peer_url}"),
                format!("--initial-advertise-peer-urls={peer_url}"),
                format!("--initial-cluster=test={peer_url}"),
            ],
        );
        let mut api_server_start = start(
            "kube-apiserver",
            &[
                format!("--etcd-servers={etcd_url}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={api_port}"),
                format!("--cert-dir={}", path("")),
                format!("--tls-cert-file={}", path("api.crt")),
                format!("--tls-private-key-file={}", path("api.key")),
                format!("--token-auth-file={}", path("tokens.csv")),
                // Shows a certificate to webhooks that ask for one.
                format!("--admission-control-config-file={}", path("admission")),
                "--authorization-mode=RBAC".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", path("service-account.pub")),
                format!("--service-account-signing-key-file={}", path("service-account.key")),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                // Or each Pod would wait for its namespace's default service account.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
                "--allow-privileged=true".to_owned(),
            ],
        );
        if version < (1, 23) {
            // Of age only then; `kubectl debug` needs them, and so do those who would use them for worse.
            api_server_start.args.push("--feature-gates=EphemeralContainers=true".to_owned());
        }
        let mut controller_manager = start(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={}", path("kubeconfig")),
                format!("--authentication-kubeconfig={}", path("kubeconfig")),
                format!("--authorization-kubeconfig={}", path("kubeconfig")),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={manager_port}"),
                format!("--cert-dir={}", path("")),
                "--leader-elect=false".to_owned(),
                format!("--service-account-private-key-file={}", path("service-account.key")),
                // The makers of Pods, and what ends a namespace; the rest is work that the tests would wait for.
                "--controllers=deployment,replicaset,statefulset,daemonset,job,cronjob,namespace".to_owned(),
            ],
        );
        if version < (1, 24) {
            controller_manager.args.push("--port=0".to_owned()); // the plain port, whose default is taken or open
        }

        let runtime = Runtime::new().map_err(|err| err.to_string())?;
        let kubeconfig = fs::read_to_string(dir.path().join("kubeconfig")).map_err(|err| err.to_string())?;
        let api = Api::new(&kubeconfig, runtime.handle().clone())?;

        let etcd = etcd.run()?;
        let mut api_server = api_server_start.run()?; // it waits for etcd by itself
        api_server.wait_until(READY_WITHIN, || api.text("/readyz").is_ok())?;
        // setup-envtest has none.
        let controller_manager =
            controller_manager.program.is_file().then(|| controller_manager.run()).transpose()?;
        api.create("/api/v1/nodes", &node("node", version))?;
        Ok(Self {
            controller_manager,
            api_server: Mutex::new(api_server),
            _etcd: etcd,
            api_server_start,
            api,
            version,
            _runtime: runtime,
            dir,
        })
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// Major and minor, such as `(1, 20)`.
    pub(crate) fn version(&self) -> (u32, u32) {
        self.version
    }

    /// Whether Deployments and Jobs get their Pods.
    pub(crate) fn has_controllers(&self) -> bool {
        self.controller_manager.is_some()
    }

    /// An administrator's access, as a file.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    /// The authority of the certificate that the API server shows to webhooks, as a file.
    pub(crate) fn client_authority(&self) -> PathBuf {
        self.dir.path().join("client-ca.crt")
    }

    /// Stops the API server as a crash does, and starts it again at the same address with the same data.
    pub(crate) fn restart_api_server(&self) -> Result<(), String> {
        let mut api_server = self.api_server.lock().unwrap();
        api_server.kill();
        *api_server = self.api_server_start.run()?;
        api_server.wait_until(READY_WITHIN, || self.api.text("/readyz").is_ok())
    }
}

/// What it takes to start a component, again if need be.
struct Start {
    program: PathBuf,
    args: Vec<String>,
    log: PathBuf,
}

impl Start {
    fn run(&self) -> Result<Process, String> {
        Process::start(&self.program, &self.args, &self.log)
    }
}

/// `Kubernetes v1.20.2` → `(1, 20)`.
fn version_of(program: &Path) -> Result<(u32, u32), String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|err| format!("running {} --version: {err}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.trim_start_matches(|c: char| !c.is_ascii_digit()).split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(format!("{} --version says {text:?}", program.display())),
    }
}

/// A Node with a kubelet of a version, the cluster's own as a rule: what Podwright may add to a Pod depends on the
/// oldest kubelet. Nothing runs on it.
pub(crate) fn node(name: &str, (major, minor): (u32, u32)) -> Value {
    json!({
        "metadata": {"name": name},
        "status": {"nodeInfo": {
            "kubeletVersion": format!("v{major}.{minor}.0"), "kubeProxyVersion": format!("v{major}.{minor}.0"),
            "containerRuntimeVersion": "containerd://1.7.0", "kernelVersion": "6.1.0", "osImage": "Linux",
            "operatingSystem": "linux", "architecture": "amd64", "machineID": "", "systemUUID": "", "bootID": "",
        }},
    })
}

/// The API server's certificate, the key of service accounts, and an administrator's token and kubeconfig.
fn write_credentials(dir: &Path, api_port: u16) -> Result<(), String> {
    const TOKEN: &str = "administrator"; // no secret: loopback, for the time of the tests
    let authority = Authority::new("control plane");
    let (certificate, key) = authority.issue();
    let service_account = rcgen::KeyPair::generate().map_err(|err| err.to_string())?;
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{api_port}"),
            "certificate-authority": dir.join("ca.crt"),
        }}],
    });
    let client_authority = Authority::new("clients");
    let (client_certificate, client_key) = client_authority.issue_for_client();
    let webhooks = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "users": [{"name": "*", "user": {
            "client-certificate": dir.join("client.crt"), "client-key": dir.join("client.key"),
        }}],
    });
    let plugin = |name: &str| {
        json!({"name": name, "configuration": {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": dir.join("webhooks"),
        }})
    };
    let admission = json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [plugin("MutatingAdmissionWebhook"), plugin("ValidatingAdmissionWebhook")],
    });
    let files = [
        ("client-ca.crt", client_authority.pem()),
        ("client.crt", client_certificate),
        ("client.key", client_key),
        ("webhooks", webhooks.to_string()),
        ("admission", admission.to_string()),
        ("ca.crt", authority.pem()),
        ("api.crt", certificate),
        ("api.key", key),
        ("service-account.key", service_account.serialize_pem()),
        ("service-account.pub", service_account.public_key_pem()),
        ("tokens.csv", format!("{TOKEN},admin,admin,system:masters\n")),
        ("kubeconfig", kubeconfig.to_string()),
    ];
    for (name, contents) in files {
        fs::write(dir.join(name), contents).map_err(|err| format!("writing {name}: {err}"))?;
    }
    Ok(())
}
