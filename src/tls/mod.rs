//! Serving over TLS: where certificates come from, and the one configuration that serves them.

pub mod clients;
pub mod files;
mod issue;
pub mod local;
mod metrics;
pub mod reload;
mod resolver;
pub mod self_managed;
mod trust;
mod validity;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub use metrics::{AuthorityMetrics, Metrics};
pub use resolver::RotatingCertificate;
pub use validity::{Phase, Validity};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// Installs the one cryptography provider, which every TLS client and server of the process then uses.
///
/// Called first in `main`; a second call changes nothing.
pub fn install_provider() {
    // An error only says that one is installed already.
    let _ = provider().install_default();
}

/// The configuration that serves `certificate`, whatever it is rotated to: TLS 1.2 and 1.3, HTTP/1.1.
///
/// # Errors
/// Never in practice: the provider supports both versions.
pub fn server_config(certificate: Arc<RotatingCertificate>) -> Result<ServerConfig, rustls::Error> {
    server_config_for(certificate, Arc::new(NoClientAuth))
}

/// The same, for clients that `clients` accepts.
///
/// # Errors
/// Never in practice: the provider supports both versions.
pub fn server_config_for(
    certificate: Arc<RotatingCertificate>,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&VERSIONS)?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(certificate);
    // An API server would negotiate HTTP/2 with a webhook on a loopback host.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // The API server keeps no TLS sessions: a ticket is work for nothing.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Joins a certificate chain, leaf first, with its private key.
///
/// # Errors
/// When the chain is empty, a part does not parse, or the key is not the leaf's.
pub fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    CertifiedKey::from_der(chain, key, &provider())
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}
