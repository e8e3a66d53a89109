//! The certificate that is served, exchangeable while serving.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificate that every new handshake is given. Without one, handshakes fail.
#[derive(Debug, Default)]
pub struct RotatingCertificate(ArcSwapOption<CertifiedKey>);

impl RotatingCertificate {
    /// Serves `certificate` until it is replaced.
    #[must_use]
    pub fn new(certificate: CertifiedKey) -> Self {
        Self(ArcSwapOption::from_pointee(certificate))
    }

    /// The certificate that is served now, if there is one yet.
    #[must_use]
    pub fn current(&self) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }

    /// Serves `certificate` from the next handshake on; open connections stay as they are.
    pub fn replace(&self, certificate: impl Into<Arc<CertifiedKey>>) {
        self.0.store(Some(certificate.into()));
    }
}

impl ResolvesServerCert for RotatingCertificate {
    // Whatever name is asked for: the API server asks for `<service>.<namespace>.svc`, probes for an address.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current()
    }
}
