//! The certificate that is served, where it comes from, and how to trust it where that is our own doing.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use rustls::server::NoClientAuth;
use rustls::server::danger::ClientCertVerifier;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::self_managed::{NO_CERTIFICATE, SelfManaged};
use crate::cli::values::tls_name;
use crate::cluster;
use crate::cluster::secret::Place;
use crate::cluster::webhooks::Ours;
use crate::input::watch::{Watch, watch};
use crate::server::Health;
use crate::telemetry::Reloads;
use crate::tls::clients::{self, ClientAuthorities};
use crate::tls::local::{self, Local};
use crate::tls::reload::{CertificateFiles, Found};
use crate::tls::{AuthorityMetrics, Metrics, RotatingCertificate};

/// Where `--local` keeps its certificate.
const LOCAL_CERTIFICATES: &str = "certs/local";
/// How long connections wait for the first certificate from the cluster. After that they fail, and with them what their
/// API server would wait for in vain.
const FIRST: Duration = Duration::from_secs(3);
/// What `--local` offers to try.
const SAMPLE_REVIEW: &str = include_str!("sample-review.json");

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Certificates")]
pub(super) struct Certificates {
    /// The serving certificate and what it is signed by, PEM
    #[arg(long, value_name = "FILE", env = "PODWRIGHT_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The serving certificate's private key, PEM
    #[arg(long, value_name = "FILE", env = "PODWRIGHT_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Try Podwright on this machine: serve on 127.0.0.1 with a certificate made in certs/local, and print how
    /// to ask
    #[arg(long, env = "PODWRIGHT_LOCAL", conflicts_with_all = ["tls_cert", "tls_key"])]
    pub(super) local: bool,
    /// Make an authority and a certificate, keep them in a Secret, renew them, and set the caBundle of the webhook
    /// configurations
    #[arg(long, env = "PODWRIGHT_SELF_MANAGED", conflicts_with_all = ["tls_cert", "tls_key", "local", "no_cluster"])]
    self_managed: bool,
    /// The Secret of --self-managed, in Podwright's namespace
    #[arg(long, value_name = "NAME", env = "PODWRIGHT_SECRET", default_value = "podwright-certificates")]
    secret: String,
    /// The Service in Podwright's namespace by which API servers call it; the certificate of --self-managed is for its
    /// names
    #[arg(long, value_name = "NAME", env = "PODWRIGHT_SERVICE", value_parser = tls_name, default_value = "podwright")]
    service: String,
    /// The name of the webhook configurations whose caBundle --self-managed sets
    #[arg(long, value_name = "NAME", env = "PODWRIGHT_WEBHOOKS", default_value = "podwright")]
    webhooks: String,
    /// A further DNS name or address that the certificate of --self-managed is for; may be given again
    #[arg(long, value_name = "NAME", env = "PODWRIGHT_TLS_NAME", value_parser = tls_name, value_delimiter = ',')]
    tls_name: Vec<String>,
    /// Answer only clients whose certificate one of these authorities has signed, PEM [default: everybody]
    #[arg(long, value_name = "FILE", env = "PODWRIGHT_CLIENT_CA")]
    client_ca: Option<PathBuf>,
}

/// The certificate that is served.
pub(super) struct Serving {
    pub(super) certificate: Arc<RotatingCertificate>,
    /// How to trust one of our own.
    pub(super) local: Option<LocalTrust>,
    /// What keeps it in the cluster, not started yet.
    pub(super) self_managed: Option<Unstarted>,
    /// What looks at its files; nothing does for one of our own.
    _watch: Option<Watch>,
}

/// What keeps the certificate in the cluster, before there is a cluster.
pub(super) struct Unstarted {
    served: Arc<RotatingCertificate>,
    metrics: Metrics,
    authority_metrics: AuthorityMetrics,
}

/// How to trust a local certificate.
pub(super) struct LocalTrust {
    ca_pem: String,
    ca_path: PathBuf,
}

/// What keeps the certificate in the cluster, until it is dropped.
pub(super) struct Kept {
    had: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Kept {
    /// Done once there is a certificate, or when none is to be expected soon: until then connections wait for it rather
    /// than fail.
    pub(super) async fn first(&self) {
        let _ = timeout(FIRST, self.had.cancelled()).await;
    }
}

impl Certificates {
    /// Loads the certificate, and looks at its files every so often. One that is kept in the cluster comes later.
    pub(super) fn load(&self, every: Duration, registry: &mut Registry) -> anyhow::Result<Serving> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => load_files(certificate, key, every, registry),
            _ if self.local => {
                let Local { certified, ca_pem, ca_path } = local::certificate(Path::new(LOCAL_CERTIFICATES))?;
                let _ = Metrics::register(registry, Some(&certified));
                let trust = LocalTrust { ca_pem, ca_path };
                let certificate = RotatingCertificate::new(certified);
                Ok(Serving { local: Some(trust), ..Serving::of(certificate) })
            }
            _ if self.self_managed => {
                let serving = Serving::of(RotatingCertificate::default());
                let unstarted = Unstarted {
                    served: Arc::clone(&serving.certificate),
                    metrics: Metrics::register(registry, None),
                    authority_metrics: AuthorityMetrics::register(registry),
                };
                Ok(Serving { self_managed: Some(unstarted), ..serving })
            }
            _ => anyhow::bail!(
                "choosing a serving certificate: none is given; give --tls-cert and --tls-key, --self-managed to keep \
                 one in the cluster, or --local to try Podwright on this machine"
            ),
        }
    }

    /// What asks clients for a certificate by the authorities of a file, which is looked at every so often for as long as
    /// the second result lives.
    pub(super) fn clients(
        &self,
        every: Duration,
        registry: &mut Registry,
    ) -> anyhow::Result<(Arc<dyn ClientCertVerifier>, Option<Watch>)> {
        let Some(path) = &self.client_ca else { return Ok((Arc::new(NoClientAuth), None)) };
        let found = clients::Found::read(path);
        let fingerprint = found.fingerprint();
        let clients = Arc::new(found.first()?);
        let reloads = Reloads::of_client_authorities(registry);
        let file = ClientAuthorities { path: path.clone(), clients: Arc::clone(&clients), reloads };
        let watch = watch(file, fingerprint, every).context("watching the authorities of clients")?;
        Ok((clients, Some(watch)))
    }

    /// Keeps the certificate in the cluster for as long as the result lives. The server is not ready before there is
    /// one.
    pub(super) fn keep(
        &self,
        unstarted: Unstarted,
        client: &kube::Client,
        health: &Arc<Health>,
        cluster_metrics: cluster::Metrics,
    ) -> Kept {
        health.block(NO_CERTIFICATE);
        let Unstarted { served, metrics, authority_metrics } = unstarted;
        let (service, namespace) = (self.service.clone(), client.default_namespace().to_owned());
        let names = ["", ".NS", ".NS.svc", ".NS.svc.cluster.local"]
            .map(|domain| format!("{service}{}", domain.replace("NS", &namespace)));
        let had = CancellationToken::new();
        let keeper = SelfManaged {
            client: client.clone(),
            secret: Place { namespace: namespace.clone(), name: self.secret.clone() },
            webhooks: self.webhooks.clone(),
            ours: Ours { service, namespace, hosts: [&names, self.tls_name.as_slice()].concat() },
            names: [&names, self.tls_name.as_slice()].concat(),
            served,
            had: had.clone(),
            health: Arc::clone(health),
            metrics,
            authority_metrics,
            cluster_metrics,
        };
        Kept { had, _task: AbortOnDropHandle::new(tokio::spawn(keeper.run())) }
    }
}

fn load_files(
    certificate: &Path,
    key: &Path,
    every: Duration,
    registry: &mut Registry,
) -> anyhow::Result<Serving> {
    let found = Found::read(certificate, key, Timestamp::now());
    let fingerprint = found.fingerprint();
    let first = found.first()?;
    let metrics = Metrics::register(registry, Some(&first));
    let serving = Serving::of(RotatingCertificate::new(first));
    let files = CertificateFiles {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        served: Arc::clone(&serving.certificate),
        metrics,
    };
    let watch = watch(files, fingerprint, every).context("watching the certificate")?;
    Ok(Serving { _watch: Some(watch), ..serving })
}

impl Serving {
    fn of(certificate: RotatingCertificate) -> Self {
        Self { certificate: Arc::new(certificate), local: None, self_managed: None, _watch: None }
    }
}

impl LocalTrust {
    /// Prints how to ask for a review at this address, and how to register it.
    pub(super) fn introduce(&self, listen: SocketAddr) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let host = if listen.ip().is_unspecified() {
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port())
        } else {
            listen
        };
        writeln!(out, "# Ask for a review:")?;
        writeln!(
            out,
            "curl --cacert {} -H 'Content-Type: application/json' -d '{}' https://{host}/mutate",
            self.ca_path.display(),
            SAMPLE_REVIEW.trim(),
        )?;
        writeln!(out, "# In a webhook configuration, below clientConfig:")?;
        writeln!(out, "caBundle: {}", BASE64.encode(&self.ca_pem))?;
        out.flush()
    }
}
