//! The metrics of the background scan.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::audit::Report;
use crate::audit::report::Counts;
use crate::policy::Action;

/// The metrics of the background scan. A clone counts into the same metrics.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    leader: Gauge,
    violations: Family<ViolationLabels, Gauge>,
    objects: Gauge,
    left_out: Gauge,
    succeeded_at: Gauge<f64, AtomicU64>,
    duration: Gauge<f64, AtomicU64>,
    failures: Counter,
    written: Counter,
    deleted: Counter,
}

impl Metrics {
    /// Makes the metrics and registers each under its name.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let leader = "Whether this replica scans the cluster";
        registry.register("podwright_scan_leader", leader, metrics.leader.clone());
        let violations = "What the last scan of this replica found and no exemption excuses";
        registry.register("podwright_scan_violations", violations, metrics.violations.clone());
        let objects = "Workloads that the last scan of this replica looked at";
        registry.register("podwright_scan_objects", objects, metrics.objects.clone());
        let left_out = "Findings of that scan that its reports have no room for";
        registry.register("podwright_scan_findings_left_out", left_out, metrics.left_out.clone());
        let at = "When a scan of this replica last succeeded";
        let name = "podwright_scan_last_success_timestamp";
        registry.register_with_unit(name, at, Unit::Seconds, metrics.succeeded_at.clone());
        let took = "How long that scan took";
        registry.register_with_unit(
            "podwright_scan_last_duration",
            took,
            Unit::Seconds,
            metrics.duration.clone(),
        );
        let failures = "Scans that could not read the cluster or write all reports";
        registry.register("podwright_scan_failures", failures, metrics.failures.clone());
        let written = "Policy reports that were written because they had changed";
        registry.register("podwright_scan_reports_written", written, metrics.written.clone());
        let deleted = "Policy reports that were deleted because what they were for has gone";
        registry.register("podwright_scan_reports_deleted", deleted, metrics.deleted.clone());
        metrics
    }

    /// This replica scans, or no longer does: what it found is then another's to tell.
    pub(super) fn leads(&self, is_leader: bool) {
        self.leader.set(i64::from(is_leader));
        if !is_leader {
            self.violations.clear();
            self.objects.set(0);
            self.left_out.set(0);
        }
    }

    /// This is what a scan found.
    pub(super) fn found(&self, report: &Report) {
        self.violations.clear();
        for rule in &report.rules {
            let Counts { deny, warn, audit, .. } = rule.findings;
            for (action, count) in [(Action::Deny, deny), (Action::Warn, warn), (Action::Audit, audit)] {
                // A rule that found nothing has a series too: of what its policy does.
                if count > 0 || action == rule.action {
                    let (kind, policy) = (rule.name.kind.clone(), rule.name.policy.clone());
                    let labels = ViolationLabels { kind, policy, action: action.as_str() };
                    self.violations.get_or_create(&labels).set(clamp(count));
                }
            }
        }
        self.objects.set(clamp(report.summary.objects));
        self.left_out.set(clamp(report.namespaces.iter().map(|namespace| namespace.left_out).sum()));
    }

    /// A scan is done, all of it.
    pub(super) fn succeeded(&self, took: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.succeeded_at.set(now.as_secs_f64());
        self.duration.set(took.as_secs_f64());
    }

    /// A scan is not done, or not all of it.
    pub(super) fn failed(&self) {
        self.failures.inc();
    }

    pub(super) fn written(&self) {
        self.written.inc();
    }

    pub(super) fn deleted(&self, count: u64) {
        self.deleted.inc_by(count);
    }
}

fn clamp(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViolationLabels {
    kind: String,
    policy: String,
    action: &'static str,
}
