//! What a client checks of a serving certificate.

use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Whether a client that trusts these authorities accepts the certificate at that time, by its signature and dates.
pub(super) fn is_signed_by(
    certificate: &CertificateDer<'_>,
    authorities: &[CertificateDer<'_>],
    at: SystemTime,
) -> bool {
    let check = || {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority.clone().into_owned()).ok()?;
        }
        let at = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).ok()?);
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let algorithms = super::provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], at, algorithms).ok()
    };
    check().is_some()
}

/// Whether the certificate is for this name, a DNS name or an address.
pub(super) fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let check = || {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        verify_server_name(&parsed, &ServerName::try_from(name).ok()?).ok()
    };
    check().is_some()
}
