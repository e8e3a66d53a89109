//! The metrics of the serving certificate, and of an authority of our own.

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rustls::sign::CertifiedKey;

use super::Validity;
use crate::telemetry::Reloads;

/// The metrics of the serving certificate. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What became of changes of its source.
    pub reloads: Reloads,
    expiry: Gauge,
}

impl Metrics {
    /// Makes the metrics and registers each under its name. `certificate` is the one that is served first, if it is
    /// had already.
    #[must_use]
    pub fn register(registry: &mut Registry, certificate: Option<&CertifiedKey>) -> Self {
        let metrics = Self { reloads: Reloads::of_certificates(registry), expiry: Gauge::default() };
        registry.register_with_unit(
            "podwright_certificate_expiry_timestamp",
            "When the certificate that is served ends",
            Unit::Seconds,
            metrics.expiry.clone(),
        );
        if let Some(certificate) = certificate {
            metrics.serves(certificate);
        }
        metrics
    }

    /// This certificate is served from here on.
    pub fn serves(&self, certificate: &CertifiedKey) {
        if let Some(validity) = Validity::of(certificate) {
            self.expiry.set(validity.ends.as_second());
        }
    }
}

/// The metrics of an authority of our own. A clone counts into the same metrics.
#[derive(Debug, Clone, Default)]
pub struct AuthorityMetrics {
    expiry: Gauge,
    failures: Family<ObjectLabels, Counter>,
}

impl AuthorityMetrics {
    /// Makes the metrics and registers each under its name.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register_with_unit(
            "podwright_certificate_authority_expiry_timestamp",
            "When the authority that signs the certificate ends",
            Unit::Seconds,
            metrics.expiry.clone(),
        );
        registry.register(
            "podwright_certificate_write_failures",
            "Changes of the Secret and of the caBundle that the API server did not take",
            metrics.failures.clone(),
        );
        for object in ["secret", "ca_bundle"] {
            metrics.failures.get_or_create_owned(&ObjectLabels { object });
        }
        metrics
    }

    /// The authority ends then.
    pub fn ends(&self, at: Timestamp) {
        self.expiry.set(at.as_second());
    }

    /// A change of the `secret` or of a `ca_bundle` was not taken.
    pub fn write_failed(&self, object: &'static str) {
        self.failures.get_or_create(&ObjectLabels { object }).inc();
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    object: &'static str,
}
