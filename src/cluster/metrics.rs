//! The metrics of the watches.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::index::Sizes;

/// The metrics of the watches. A clone counts into the same metrics.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    failures: Family<SourceLabels, Counter>,
    events_lost: Counter,
    heard: Gauge<f64, AtomicU64>,
    synced: Gauge,
    nodes: Gauge,
    namespaces: Gauge,
    stateful_sets: Gauge,
    addresses: Gauge,
    policies: Family<StateLabels, Gauge>,
    policy_status_failures: Counter,
}

impl Metrics {
    /// Makes the metrics and registers each under its name.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "podwright_cluster_watch_failures",
            "Answers that the API server failed to give to the watches",
            metrics.failures.clone(),
        );
        registry.register(
            "podwright_events_lost",
            "Events about refused Pods that could not be written",
            metrics.events_lost.clone(),
        );
        registry.register_with_unit(
            "podwright_cluster_last_answer_timestamp",
            "When the API server last answered the watches; it is asked every 3 minutes at least",
            Unit::Seconds,
            metrics.heard.clone(),
        );
        registry.register(
            "podwright_cluster_synced",
            "Whether the whole cluster view is known",
            metrics.synced.clone(),
        );
        registry.register("podwright_cluster_nodes", "Nodes in the cluster view", metrics.nodes.clone());
        registry.register(
            "podwright_cluster_namespaces",
            "Namespaces in the cluster view",
            metrics.namespaces.clone(),
        );
        registry.register(
            "podwright_cluster_stateful_sets",
            "StatefulSets in the cluster view",
            metrics.stateful_sets.clone(),
        );
        registry.register(
            "podwright_cluster_pod_addresses",
            "Addresses of live Pods in the cluster view",
            metrics.addresses.clone(),
        );
        registry.register(
            "podwright_policy_resources",
            "Policies that are custom resources, by what became of them",
            metrics.policies.clone(),
        );
        registry.register(
            "podwright_policy_status_failures",
            "Statuses of policies that could not be written",
            metrics.policy_status_failures.clone(),
        );
        metrics
    }

    /// The API server answered just now.
    pub(super) fn heard(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.heard.set(now.as_secs_f64());
    }

    /// The API server gave no answer to this source.
    pub(super) fn failed(&self, source: &'static str) {
        self.failures.get_or_create(&SourceLabels { source }).inc();
    }

    /// An event could not be written.
    pub(super) fn event_lost(&self) {
        self.events_lost.inc();
    }

    /// This many policies of the cluster are in force as they are, as they were, and not at all.
    pub(super) fn policies(&self, accepted: i64, earlier: i64, missing: i64) {
        for (state, count) in [("accepted", accepted), ("earlier", earlier), ("missing", missing)] {
            self.policies.get_or_create(&StateLabels { state }).set(count);
        }
    }

    /// The status of a policy could not be written.
    pub(super) fn policy_status_failed(&self) {
        self.policy_status_failures.inc();
    }

    /// This much is in the view.
    pub(super) fn known(&self, sizes: Sizes, synced: bool) {
        let Sizes { nodes, namespaces, stateful_sets, addresses } = sizes;
        for (gauge, size) in [
            (&self.nodes, nodes),
            (&self.namespaces, namespaces),
            (&self.stateful_sets, stateful_sets),
            (&self.addresses, addresses),
        ] {
            gauge.set(i64::try_from(size).unwrap_or(i64::MAX));
        }
        self.synced.set(i64::from(synced));
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_units_are_the_conventional_ones() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.heard();
        metrics.failed("nodes");
        metrics.policies(9, 2, 1);
        metrics.policy_status_failed();
        metrics.known(Sizes { nodes: 3, namespaces: 40, stateful_sets: 7, addresses: 90 }, true);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"podwright_cluster_watch_failures_total{source="nodes"} 1"#,
            r#"podwright_policy_resources{state="accepted"} 9"#,
            r#"podwright_policy_resources{state="missing"} 1"#,
            "podwright_policy_status_failures_total 1",
            "podwright_cluster_synced 1",
            "podwright_cluster_nodes 3",
            "podwright_cluster_namespaces 40",
            "podwright_cluster_stateful_sets 7",
            "podwright_cluster_pod_addresses 90",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains("podwright_cluster_last_answer_timestamp_seconds 1"), "{text}");
    }
}
