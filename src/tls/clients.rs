//! Whose requests are answered: clients with a certificate that an authority of a file has signed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::files::{self, Error};
use crate::input::watch::{Fingerprint, Source};
use crate::telemetry::Reloads;

/// Asks every client for a certificate of the authorities in force, exchangeable while serving.
pub struct RotatingClients(ArcSwap<Arc<dyn ClientCertVerifier>>);

/// The file of the authorities, what asks by them, and what counts its changes.
#[derive(Debug)]
pub struct ClientAuthorities {
    /// The authorities, PEM.
    pub path: PathBuf,
    /// What asks. While the file is broken or gone, this is by the last good authorities.
    pub clients: Arc<RotatingClients>,
    /// What counts the changes.
    pub reloads: Reloads,
}

/// What the file held at one moment.
pub struct Found {
    authorities: Result<Arc<dyn ClientCertVerifier>, Error>,
    fingerprint: Fingerprint,
}

impl Found {
    /// Reads the file.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let chain = files::chain(path);
        let fingerprint = match &chain {
            Ok(chain) => Fingerprint::of(chain),
            Err(error) => Fingerprint::of([error.to_string()]),
        };
        Self { authorities: chain.and_then(|chain| verifier(path, &chain)), fingerprint }
    }

    /// What tells it from what else may be found.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What asks by the first authorities.
    ///
    /// # Errors
    /// When the file holds none.
    pub fn first(self) -> Result<RotatingClients, Error> {
        Ok(RotatingClients(ArcSwap::from_pointee(self.authorities?)))
    }
}

impl Source for ClientAuthorities {
    type Contents = Found;

    fn read(&self) -> Found {
        Found::read(&self.path)
    }

    fn fingerprint(contents: &Found) -> Fingerprint {
        contents.fingerprint
    }

    fn take(&self, contents: Found) {
        match contents.authorities {
            Ok(authorities) => {
                self.clients.0.store(Arc::new(authorities));
                self.reloads.succeeded();
                tracing::info!("authorities of clients reloaded");
            }
            Err(error) => {
                self.reloads.failed();
                tracing::error!(%error, "the authorities of clients do not load; the last good ones stay in force");
            }
        }
    }
}

fn verifier(
    path: &Path,
    authorities: &[CertificateDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let failed = |reason: String| Error::Authority { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| failed(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(super::provider()))
        .build()
        .map_err(|error| failed(error.to_string()))
}

impl ClientCertVerifier for RotatingClients {
    // Without a hint a client sends the certificate that it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.0.load().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.load().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.load().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.load().supported_verify_schemes()
    }
}

impl fmt::Debug for RotatingClients {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RotatingClients").finish_non_exhaustive()
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Found").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}
