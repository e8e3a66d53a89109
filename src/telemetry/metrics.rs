//! Every metric of the process, in one struct, registered where the caller says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// From the 25 µs of a review that no policy selects to the 10 s that the API server waits by default.
const DURATION_BUCKETS: [f64; 17] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 10.0,
];

/// Every metric of the process. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// `podwright_reviews_total`: reviews answered.
    /// `podwright_review_duration_seconds`: from the review's last byte to the finished answer.
    endpoints: [Reviews; 2],
    /// `podwright_edits_total`: changes made to Pods.
    edits: Family<EditLabels, Counter>,
    /// `podwright_violations_total`: what the validators found.
    violations: Family<ViolationLabels, Counter>,
    /// `podwright_tls_handshake_failures_total`: connections that never came to a request.
    tls_handshake_failures: Family<ReasonLabels, Counter>,
    /// `podwright_http_errors_total`: answers with an HTTP status of 400 and above.
    http_errors: Family<CodeLabels, Counter>,
    /// `podwright_stateful_set_reads_total`: StatefulSets read because the watch had not told of them yet.
    stateful_set_reads: Family<ReadLabels, Counter>,
    /// `podwright_in_flight_reviews`: reviews whose answer is being made.
    pub in_flight_reviews: Gauge,
    /// `podwright_connections`: connections open to the webhook's port.
    pub connections: Gauge,
    /// `podwright_connections_refused_total`: connections closed unread, because too many were open.
    pub connections_refused: Counter,
    /// `podwright_panics_total`: decisions that panicked. Each is a bug of ours.
    pub panics: Counter,
    /// `podwright_verification_failures_total`: edits dropped because their result did not verify. Each is a
    /// bug of ours.
    pub verification_failures: Counter,
}

/// How a review came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Allowed as it came.
    Allowed,
    /// Allowed with a patch.
    Patched,
    /// Refused by a rule.
    Denied,
    /// Not decided: the review makes no sense, came too late, or met a bug of ours.
    Error,
}

impl Outcome {
    /// The value of the label `outcome`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Patched => "patched",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

impl Metrics {
    /// Makes the metrics and registers each under its name.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            endpoints: Reviews::register(registry),
            edits: Family::default(),
            violations: Family::default(),
            tls_handshake_failures: Family::default(),
            http_errors: Family::default(),
            stateful_set_reads: Family::default(),
            in_flight_reviews: Gauge::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            panics: Counter::default(),
            verification_failures: Counter::default(),
        };
        metrics.start_at_zero();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("podwright_build", "What is running", build);
        metrics.register_reviews(registry);
        metrics.register_connections(registry);
        metrics
    }

    /// Counts one answered review.
    pub fn review(&self, endpoint: &'static str, outcome: Outcome, took: Duration) {
        if let Some(reviews) = self.endpoints.iter().find(|reviews| reviews.endpoint == endpoint) {
            reviews.outcome(outcome).inc();
            reviews.duration.observe(took.as_secs_f64());
        }
    }

    /// Counts one mutator's change to one Pod.
    pub fn edit(&self, kind: &'static str, policy: &str) {
        self.edits.get_or_create(&EditLabels { kind, policy: policy.to_owned() }).inc();
    }

    /// Counts one violation; `action` is what its policy does about it.
    pub fn violation(&self, kind: &'static str, policy: &str, action: &'static str) {
        self.violations.get_or_create(&ViolationLabels { kind, policy: policy.to_owned(), action }).inc();
    }

    /// Counts one connection that never came to a request.
    pub fn tls_handshake_failure(&self, reason: &'static str) {
        self.tls_handshake_failures.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts one answer with the HTTP status `code` of 400 and above.
    pub fn http_error(&self, code: u16) {
        self.http_errors.get_or_create(&CodeLabels { code }).inc();
    }

    /// Counts one StatefulSet that was read: `found`, `absent` or `failed`.
    pub fn stateful_set_read(&self, outcome: &'static str) {
        self.stateful_set_reads.get_or_create(&ReadLabels { outcome }).inc();
    }

    /// A rate needs a first value, and an alert on what never happened yet needs a series.
    fn start_at_zero(&self) {
        for reason in ["client_certificate_check", "timeout"] {
            self.tls_handshake_failures.get_or_create_owned(&ReasonLabels { reason });
        }
    }

    fn register_reviews(&self, registry: &mut Registry) {
        registry.register("podwright_edits", "Changes made to Pods", self.edits.clone());
        registry.register("podwright_violations", "What the validators found", self.violations.clone());
        registry.register(
            "podwright_in_flight_reviews",
            "Reviews whose answer is being made",
            self.in_flight_reviews.clone(),
        );
        registry.register(
            "podwright_panics",
            "Decisions that panicked; each is a bug of Podwright's",
            self.panics.clone(),
        );
        registry.register(
            "podwright_verification_failures",
            "Edits dropped because their result did not verify; each is a bug of Podwright's",
            self.verification_failures.clone(),
        );
    }

    fn register_connections(&self, registry: &mut Registry) {
        registry.register(
            "podwright_connections",
            "Connections open to the webhook's port",
            self.connections.clone(),
        );
        registry.register(
            "podwright_connections_refused",
            "Connections closed unread, because too many were open",
            self.connections_refused.clone(),
        );
        registry.register(
            "podwright_tls_handshake_failures",
            "Connections that never came to a request; client_certificate_check is what a stale caBundle looks like",
            self.tls_handshake_failures.clone(),
        );
        registry.register(
            "podwright_http_errors",
            "Answers with an HTTP status of 400 and above",
            self.http_errors.clone(),
        );
        registry.register(
            "podwright_stateful_set_reads",
            "StatefulSets read because the watch had not told of them yet",
            self.stateful_set_reads.clone(),
        );
    }
}

/// What the reviews of one endpoint are counted in. Found by labels once: that takes longer than to count.
#[derive(Debug, Clone)]
struct Reviews {
    endpoint: &'static str,
    allowed: Counter,
    patched: Counter,
    denied: Counter,
    error: Counter,
    duration: Histogram,
}

impl Reviews {
    fn register(registry: &mut Registry) -> [Self; 2] {
        let outcomes = Family::<ReviewLabels, Counter>::default();
        let new_histogram: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        let durations = Family::<EndpointLabels, Histogram, _>::new_with_constructor(new_histogram);
        registry.register("podwright_reviews", "Reviews answered", outcomes.clone());
        registry.register_with_unit(
            "podwright_review_duration",
            "From the review's last byte to the finished answer",
            Unit::Seconds,
            durations.clone(),
        );
        ["mutate", "validate"].map(|endpoint| {
            let counter = |outcome: Outcome| {
                outcomes.get_or_create_owned(&ReviewLabels { endpoint, outcome: outcome.as_str() })
            };
            Self {
                endpoint,
                allowed: counter(Outcome::Allowed),
                patched: counter(Outcome::Patched),
                denied: counter(Outcome::Denied),
                error: counter(Outcome::Error),
                duration: durations.get_or_create_owned(&EndpointLabels { endpoint }),
            }
        })
    }

    const fn outcome(&self, outcome: Outcome) -> &Counter {
        match outcome {
            Outcome::Allowed => &self.allowed,
            Outcome::Patched => &self.patched,
            Outcome::Denied => &self.denied,
            Outcome::Error => &self.error,
        }
    }
}

/// Registers `podwright_policy_generation_info`, read from `generation` at every scrape, so that it always
/// names the policies in force.
pub fn register_generation<F>(registry: &mut Registry, generation: F)
where
    F: Fn() -> String + Send + Sync + 'static,
{
    registry.register_collector(Box::new(Generation(Arc::new(generation))));
}

/// Counts one up in a gauge for as long as it lives, whatever way that ends.
#[derive(Debug)]
#[must_use]
pub struct Held<'a>(&'a Gauge);

impl<'a> Held<'a> {
    /// Counts one up, until it is dropped.
    pub fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

struct Generation(Arc<dyn Fn() -> String + Send + Sync>);

impl fmt::Debug for Generation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Generation").finish_non_exhaustive()
    }
}

impl Collector for Generation {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let info = Info::new([("generation", (self.0)())]);
        let help = "The policies in force; equal sets have equal generations";
        info.encode(encoder.encode_descriptor(
            "podwright_policy_generation",
            help,
            None,
            info.metric_type(),
        )?)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    endpoint: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EditLabels {
    kind: &'static str,
    policy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViolationLabels {
    kind: &'static str,
    policy: String,
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn names_and_units_are_the_conventional_ones() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        register_generation(&mut registry, || "abc".to_owned());
        metrics.review("mutate", Outcome::Patched, Duration::from_micros(30));
        metrics.edit("LXCFS", "lxcfs");
        metrics.violation("HostPath", "host-path", "deny");
        metrics.tls_handshake_failure("timeout");
        metrics.http_error(413);
        metrics.stateful_set_read("found");
        let text = text(&registry);
        for line in [
            r#"podwright_reviews_total{endpoint="mutate",outcome="patched"} 1"#,
            r#"podwright_edits_total{kind="LXCFS",policy="lxcfs"} 1"#,
            r#"podwright_violations_total{kind="HostPath",policy="host-path",action="deny"} 1"#,
            r#"podwright_tls_handshake_failures_total{reason="timeout"} 1"#,
            r#"podwright_http_errors_total{code="413"} 1"#,
            r#"podwright_stateful_set_reads_total{outcome="found"} 1"#,
            "podwright_in_flight_reviews 0",
            "podwright_connections 0",
            "podwright_connections_refused_total 0",
            "podwright_panics_total 0",
            "podwright_verification_failures_total 0",
            r#"podwright_policy_generation_info{generation="abc"} 1"#,
            concat!(r#"podwright_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        // 25 and 50 microseconds, however the number is written.
        let buckets = text.lines().filter_map(|line| {
            let (le, rest) =
                line.strip_prefix("podwright_review_duration_seconds_bucket{le=\"")?.split_once('"')?;
            let count = rest.strip_prefix(",endpoint=\"mutate\"} ")?.parse().ok()?;
            Some((le.parse().ok()?, count))
        });
        let buckets: Vec<(f64, u64)> = buckets.collect();
        assert_eq!(buckets.get(..2), Some([(2.5e-5, 0), (5e-5, 1)].as_slice()), "{text}");
    }

    #[test]
    fn what_is_held_is_let_go() {
        let gauge: Gauge = Gauge::default();
        let held = Held::new(&gauge);
        assert_eq!(gauge.get(), 1);
        drop(held);
        assert_eq!(gauge.get(), 0);
    }
}
