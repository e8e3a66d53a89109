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

use crate::input::watch::{Watch, watch};
use crate::tls::local::{self, Local};
use crate::tls::reload::{CertificateFiles, Found};
use crate::tls::{Metrics, RotatingCertificate};

/// Where `--local` keeps its certificate.
const LOCAL_CERTIFICATES: &str = "certs/local";
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
}

/// The certificate that is served.
pub(super) struct Serving {
    pub(super) certificate: Arc<RotatingCertificate>,
    /// How to trust one of our own.
    pub(super) local: Option<LocalTrust>,
    /// What looks at its files; nothing does for one of our own.
    _watch: Option<Watch>,
}

/// How to trust a local certificate.
pub(super) struct LocalTrust {
    ca_pem: String,
    ca_path: PathBuf,
}

impl Certificates {
    /// Loads the certificate, and looks at its files every so often.
    pub(super) fn load(&self, every: Duration, registry: &mut Registry) -> anyhow::Result<Serving> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let found = Found::read(certificate, key, Timestamp::now());
                let fingerprint = found.fingerprint();
                let first = found.first()?;
                let metrics = Metrics::register(registry, &first);
                let served = Arc::new(RotatingCertificate::new(first));
                let files = CertificateFiles {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    served: Arc::clone(&served),
                    metrics,
                };
                let watch = watch(files, fingerprint, every).context("watching the certificate")?;
                Ok(Serving { certificate: served, local: None, _watch: Some(watch) })
            }
            _ if self.local => {
                let Local { certified, ca_pem, ca_path } = local::certificate(Path::new(LOCAL_CERTIFICATES))?;
                let _ = Metrics::register(registry, &certified);
                let certificate = Arc::new(RotatingCertificate::new(certified));
                Ok(Serving { certificate, local: Some(LocalTrust { ca_pem, ca_path }), _watch: None })
            }
            _ => anyhow::bail!(
                "choosing a serving certificate: none is given; give --tls-cert and --tls-key, or --local to try \
                 Podwright on this machine"
            ),
        }
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
