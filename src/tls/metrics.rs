//! The metrics of the serving certificate.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rustls::sign::CertifiedKey;

use super::Validity;
use crate::telemetry::Reloads;

/// The metrics of the serving certificate. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What became of changes of its files.
    pub(super) reloads: Reloads,
    expiry: Gauge,
}

impl Metrics {
    /// Makes the metrics and registers each under its name. `certificate` is the one that is served first.
    #[must_use]
    pub fn register(registry: &mut Registry, certificate: &CertifiedKey) -> Self {
        let metrics = Self { reloads: Reloads::of_certificates(registry), expiry: Gauge::default() };
        registry.register_with_unit(
            "podwright_certificate_expiry_timestamp",
            "When the certificate that is served ends",
            Unit::Seconds,
            metrics.expiry.clone(),
        );
        metrics.serves(certificate);
        metrics
    }

    /// This certificate is served from here on.
    pub(super) fn serves(&self, certificate: &CertifiedKey) {
        if let Some(validity) = Validity::of(certificate) {
            self.expiry.set(validity.ends.as_second());
        }
    }
}
