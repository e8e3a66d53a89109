//! Which clients are answered where certificates are asked for.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::harness::{PATIENCE, admin, post, review, shake_hands};
use crate::process::Process;

const REFUSED: &str = "podwright_tls_handshake_failures_total{reason=\"client_not_trusted\"}";
const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A client with a certificate for this use; with none, one without a certificate.
    fn client(
        &self,
        version: &'static SupportedProtocolVersion,
        roots: Arc<RootCertStore>,
        usage: Option<ExtendedKeyUsagePurpose>,
    ) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let config = config.with_root_certificates(roots);
        let Some(usage) = usage else { return Arc::new(config.with_no_client_auth()) };
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.0).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Arc::new(config.with_client_auth_cert(vec![certificate], key).unwrap())
    }
}

/// Whether a client is answered; why not, as it is told.
async fn answered(process: &Process, client: Arc<ClientConfig>) -> Result<(), String> {
    let tcp = TcpStream::connect(process.listen).await.unwrap();
    let mut connection = shake_hands(tcp, client).await.map_err(|error| error.to_string())?;
    // In TLS 1.3 a client takes the handshake for done before the server has looked at its certificate.
    let _ = connection.try_send(post("/mutate", review("u").to_string())).await;
    let answer = connection.try_answer().await.map_err(|error| error.to_string())?;
    assert_eq!(answer.unwrap().status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_clients_of_the_authorities_in_force_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.crt");
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    fs::write(&file, ours.0.pem()).unwrap();
    let process = Process::local_in(folder, &["--client-ca=clients.crt", "--reload-interval=5ms"]);
    let (client, server) = (ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth);
    let mut refused = 0;
    for version in VERSIONS {
        for (authority, usage, alert) in [
            (&ours, Some(client.clone()), None),
            (&ours, None, Some("CertificateRequired")),
            (&ours, Some(server.clone()), Some("Certificate")),
            (&other, Some(client.clone()), Some("UnknownCA")),
        ] {
            let config = authority.client(version, process.roots.clone(), usage.clone());
            let told = answered(&process, config).await;
            match alert {
                None => assert_eq!(told, Ok(())),
                Some(alert) => {
                    refused += 1;
                    let told = told.unwrap_err();
                    assert!(told.contains("alert") && told.contains(alert), "{version:?} {usage:?}: {told}");
                }
            }
        }
    }
    let page = admin(process.admin, "GET", "/metrics").await.text();
    assert!(page.lines().any(|line| line == format!("{REFUSED} {refused}")), "{page}");

    let is_answered = async |authority: &Authority| {
        let config = authority.client(VERSIONS[1], process.roots.clone(), Some(client.clone()));
        answered(&process, config).await.is_ok()
    };
    fs::write(&file, "no PEM").unwrap();
    process.log("the authorities of clients do not load; the last good ones stay in force");
    assert!(is_answered(&ours).await && !is_answered(&other).await);
    fs::write(&file, other.0.pem()).unwrap();
    process.log("authorities of clients reloaded");
    let deadline = Instant::now() + PATIENCE;
    while is_answered(&ours).await || !is_answered(&other).await {
        assert!(Instant::now() < deadline, "the new authorities are not in force");
        sleep(Duration::from_millis(5)).await;
    }
}
