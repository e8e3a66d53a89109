//! A `podwright serve --self-managed`, with the rights that `certs/self-managed/rbac.yaml` gives and no more.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use podwright::tls::self_managed::authorities;
use podwright::yaml;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

use crate::api::{Api, SOON};
use crate::ports::free_ports;
use crate::process::Process;
use crate::world::World;

pub(crate) const NAMESPACE: &str = "podwright-system";
pub(crate) const SECRET: &str = "/api/v1/namespaces/podwright-system/secrets/podwright-certificates";

/// A process, until it is dropped.
pub(crate) struct Instance {
    pub(crate) process: Process,
    pub(crate) port: u16,
    admin_port: u16,
}

/// What every instance is started with.
pub(crate) struct Setup {
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
}

impl Setup {
    /// Makes the namespace, the service account and its rights.
    pub(crate) fn new(world: &World) -> Self {
        world.uninstalled();
        let api = world.api();
        api.create("/api/v1/namespaces", &json!({"metadata": {"name": NAMESPACE}})).unwrap();
        let accounts = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
        api.create(&accounts, &json!({"metadata": {"name": "podwright"}})).unwrap();
        let rights = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/certs/self-managed/rbac.yaml"));
        for document in yaml::documents(&rights.unwrap()) {
            grant(api, &yaml::read(document).unwrap());
        }
        read_all(api);
        let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
        let answer = api.create(&format!("{accounts}/podwright/token"), &asked).unwrap();

        let administrator = fs::read_to_string(world.control_plane().kubeconfig()).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&administrator).unwrap();
        kubeconfig["users"][0]["user"] = json!({"token": answer["status"]["token"]});
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        let path = folder.path().join("kubeconfig");
        fs::write(&path, kubeconfig.to_string()).unwrap();
        Self { folder, kubeconfig: path }
    }

    /// Puts this policy in the place of the one before, at once.
    pub(crate) fn policy(&self, text: &str) {
        let fresh = self.folder.path().join("fresh");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, self.folder.path().join("policies/filebeat.yaml")).unwrap();
    }

    /// Starts one at these ports.
    pub(crate) fn start(&self, [port, admin_port]: [u16; 2]) -> Instance {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let args = [
            "serve",
            "--self-managed",
            "--tls-name=127.0.0.1",
            "--drain-delay=1s",
            "--reload-interval=20ms",
            &format!("--namespace={NAMESPACE}"),
            &format!("--kubeconfig={}", self.kubeconfig.display()),
            &format!("--policies={}", path("policies")),
            &format!("--listen=127.0.0.1:{port}"),
            &format!("--admin-listen=127.0.0.1:{admin_port}"),
        ]
        .map(str::to_owned);
        let log = self.folder.path().join(format!("log-{port}"));
        let process = Process::start(Path::new(env!("CARGO_BIN_EXE_podwright")), &args, &log).unwrap();
        Instance { process, port, admin_port }
    }

    /// Two ports for each of two instances.
    pub(crate) fn ports() -> [[u16; 2]; 2] {
        let [a, b, c, d] = free_ports();
        [[a, b], [c, d]]
    }
}

impl Instance {
    pub(crate) fn ports(&self) -> [u16; 2] {
        [self.port, self.admin_port]
    }

    /// Waits until it says that it is ready.
    pub(crate) fn ready(&mut self) {
        let admin_port = self.admin_port;
        let is_ready =
            || admin(admin_port, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
        self.process.wait_until(SOON, is_ready).unwrap();
    }

    /// The value of one series.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let page = admin(self.admin_port, "/metrics").unwrap();
        page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap_or(0)
    }

    pub(crate) fn terminate(self) {
        self.process.terminate(Duration::from_secs(30)).unwrap();
    }
}

/// A client as an API server is one: trusts these authorities, and asks for 127.0.0.1. Gives the certificate that it is
/// shown; `None` where nobody listens.
pub(crate) fn shake_hands(port: u16, ca_pem: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Ok(mut tcp) = TcpStream::connect(("127.0.0.1", port)) else { return Ok(None) };
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(ca_pem).map(Result::unwrap));
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).map_err(|err| err.to_string())?;
    }
    Ok(Some(tls.peer_certificates().unwrap()[0].to_vec()))
}

/// One part of the Secret, as it is now.
pub(crate) fn part(api: &Api, name: &str) -> Vec<u8> {
    let secret = api.get(SECRET).unwrap();
    BASE64.decode(secret["data"][name].as_str().unwrap()).unwrap()
}

/// The serving certificate in the Secret.
pub(crate) fn certificate(api: &Api) -> Vec<u8> {
    CertificateDer::from_pem_slice(&part(api, "tls.crt")).unwrap().to_vec()
}

/// How many authorities this PEM holds.
pub(crate) fn count(ca_pem: &[u8]) -> usize {
    authorities(ca_pem, jiff::Timestamp::now()).len()
}

fn admin(port: u16, path: &str) -> Option<String> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).ok()?;
    tcp.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn grant(api: &Api, object: &Value) {
    let collection = match object["kind"].as_str().unwrap() {
        "Role" => format!("namespaces/{NAMESPACE}/roles"),
        "RoleBinding" => format!("namespaces/{NAMESPACE}/rolebindings"),
        "ClusterRole" => "clusterroles".to_owned(),
        "ClusterRoleBinding" => "clusterrolebindings".to_owned(),
        kind => panic!("{kind} is no right"),
    };
    api.create(&format!("/apis/rbac.authorization.k8s.io/v1/{collection}"), object).unwrap();
}

/// What it reads for its decisions.
fn read_all(api: &Api) {
    let resources = ["nodes", "namespaces", "pods", "persistentvolumes", "statefulsets"];
    grant(
        api,
        &json!({
            "kind": "ClusterRole", "metadata": {"name": "podwright"},
            "rules": [{"apiGroups": ["", "apps"], "resources": resources, "verbs": ["get", "list", "watch"]}],
        }),
    );
    grant(
        api,
        &json!({
            "kind": "ClusterRoleBinding", "metadata": {"name": "podwright"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "podwright"},
            "subjects": [{"kind": "ServiceAccount", "name": "podwright", "namespace": NAMESPACE}],
        }),
    );
}
