//! What is counted of the audit records.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What is counted of the audit records. A clone counts into the same metrics.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// `podwright_audit_records_total`: records written.
    pub(super) written: Counter,
    /// `podwright_audit_records_lost_total`: records that never will be.
    lost: Family<ReasonLabels, Counter>,
}

/// Why a record was lost.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loss {
    /// More waited to be written than may.
    QueueFull,
    /// It could not be written.
    WriteFailed,
}

impl Metrics {
    /// Makes the metrics and registers each under its name.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // An alert on what never happened yet needs a series.
        for loss in [Loss::QueueFull, Loss::WriteFailed] {
            metrics.lost.get_or_create_owned(&loss.labels());
        }
        registry.register("podwright_audit_records", "Audit records written", metrics.written.clone());
        registry.register(
            "podwright_audit_records_lost",
            "Audit records that were lost, because too many waited or writing failed",
            metrics.lost.clone(),
        );
        metrics
    }

    pub(super) fn lost(&self, loss: Loss) {
        self.lost.get_or_create(&loss.labels()).inc();
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

impl Loss {
    const fn labels(self) -> ReasonLabels {
        let reason = match self {
            Self::QueueFull => "queue_full",
            Self::WriteFailed => "write_failed",
        };
        ReasonLabels { reason }
    }
}
