//! What became of files and policies that changed while they were in force; the metrics are named as Prometheus names its own.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// The metrics of one thing that is loaded at start and reloaded while serving. A clone counts into the same metrics.
#[derive(Debug, Clone, Default)]
pub struct Reloads {
    reloads: Family<OutcomeLabels, Counter>,
    successful: Gauge,
    succeeded_at: Gauge<f64, AtomicU64>,
}

impl Reloads {
    /// For the policies.
    #[must_use]
    pub fn of_policies(registry: &mut Registry) -> Self {
        let changes = "Changes of the policies; after a failure the last good ones stay in force";
        let successful = "Whether the policies, as they were last found, are in force";
        let metrics = [
            ("podwright_policy_reloads", changes),
            ("podwright_policy_last_reload_successful", successful),
            ("podwright_policy_last_reload_success_timestamp", "When the policies in force were loaded"),
        ];
        Self::register(registry, metrics)
    }

    /// For the serving certificate.
    #[must_use]
    pub fn of_certificates(registry: &mut Registry) -> Self {
        let changes =
            "Changes of the certificate's files; after a failure the last good certificate is served";
        let successful = "Whether the certificate's files, as they were last found, are served";
        let since = "When the certificate that is served was loaded";
        let metrics = [
            ("podwright_certificate_reloads", changes),
            ("podwright_certificate_last_reload_successful", successful),
            ("podwright_certificate_last_reload_success_timestamp", since),
        ];
        Self::register(registry, metrics)
    }

    /// For the authorities of clients.
    #[must_use]
    pub fn of_client_authorities(registry: &mut Registry) -> Self {
        let changes =
            "Changes of the file of clients' authorities; after a failure the last good ones stay in force";
        let successful = "Whether the authorities of clients, as they were last found, are in force";
        let metrics = [
            ("podwright_client_ca_reloads", changes),
            ("podwright_client_ca_last_reload_successful", successful),
            ("podwright_client_ca_last_reload_success_timestamp", "When those in force were loaded"),
        ];
        Self::register(registry, metrics)
    }

    /// Registers each under its name, with what it tells.
    fn register(registry: &mut Registry, metrics: [(&'static str, &'static str); 3]) -> Self {
        let reloads = Self::default();
        let [changes, successful, since] = metrics;
        registry.register(changes.0, changes.1, reloads.reloads.clone());
        registry.register(successful.0, successful.1, reloads.successful.clone());
        registry.register_with_unit(since.0, since.1, Unit::Seconds, reloads.succeeded_at.clone());
        for outcome in [&SUCCESS, &FAILURE] {
            reloads.reloads.get_or_create_owned(outcome);
        }
        reloads.in_force();
        reloads
    }

    /// Something new is in force.
    pub fn succeeded(&self) {
        self.reloads.get_or_create(&SUCCESS).inc();
        self.in_force();
    }

    /// What was in force stays so.
    pub fn failed(&self) {
        self.reloads.get_or_create(&FAILURE).inc();
        self.successful.set(0);
    }

    fn in_force(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.successful.set(1);
        self.succeeded_at.set(now.as_secs_f64());
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

const SUCCESS: OutcomeLabels = OutcomeLabels { outcome: "success" };
const FAILURE: OutcomeLabels = OutcomeLabels { outcome: "failure" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_until_the_next_success() {
        let mut registry = Registry::default();
        let (policies, certificates) =
            (Reloads::of_policies(&mut registry), Reloads::of_certificates(&mut registry));
        let is_told = |line: &str| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        };
        is_told(r#"podwright_policy_reloads_total{outcome="success"} 0"#);
        is_told(r#"podwright_policy_reloads_total{outcome="failure"} 0"#);
        is_told("podwright_policy_last_reload_successful 1");
        policies.failed();
        is_told(r#"podwright_policy_reloads_total{outcome="failure"} 1"#);
        is_told("podwright_policy_last_reload_successful 0");
        is_told("podwright_certificate_last_reload_successful 1");
        policies.succeeded();
        is_told(r#"podwright_policy_reloads_total{outcome="success"} 1"#);
        is_told("podwright_policy_last_reload_successful 1");
        certificates.failed();
        is_told("podwright_certificate_last_reload_successful 0");
        is_told(r#"podwright_certificate_reloads_total{outcome="failure"} 1"#);
    }
}
