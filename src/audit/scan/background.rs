//! The scan beside serving: on an interval, by one replica at a time.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::publish::publish;
use super::{Fold, Metrics, Survey};
use crate::audit::{Bounds, GroupBy, Report, Settings};
use crate::cluster::kept::Error;
use crate::engine::Offline;
use crate::policy_set::PolicySet;
use crate::view::{Holders, View};

/// What the reports in a cluster hold: etcd is everybody's.
const BOUNDS: Bounds = Bounds { in_namespace: 500, in_all: 20_000 };
/// When an exemption is about to expire, as on the command line.
const EXPIRING_WITHIN_DAYS: i32 = 30;
/// A scan that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(3600);

/// Scans a cluster again and again. It belongs on threads of its own: what it reads is large.
pub struct Background {
    /// The cluster.
    pub client: Client,
    /// The policies; those in force when a scan begins are its own.
    pub policies: Arc<ArcSwap<PolicySet>>,
    /// What is known of the cluster.
    pub views: Arc<ArcSwap<View>>,
    /// From the begin of one scan to that of the next.
    pub every: Duration,
    /// What counts it.
    pub metrics: Metrics,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Background").field("every", &self.every).finish_non_exhaustive()
    }
}

impl Background {
    /// Scans for as long as `is_leader` says so. Ends when nobody says anything any more.
    pub async fn run(self, mut is_leader: watch::Receiver<bool>) {
        while is_leader.wait_for(|is_leader| *is_leader).await.is_ok() {
            self.metrics.leads(true);
            tokio::select! {
                () = self.scans() => {}
                _ = is_leader.wait_for(|is_leader| !is_leader) => {}
            }
            self.metrics.leads(false);
        }
    }

    async fn scans(&self) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.scan().await;
        }
    }

    /// A scan that fails is told, and nothing else comes of it.
    async fn scan(&self) {
        let started = Instant::now();
        let failed = |error: &dyn Display| {
            self.metrics.failed();
            tracing::warn!(%error, "the scan failed; it is tried again at the next interval");
        };
        match timeout(LONGEST, self.report()).await {
            Ok(Ok(report)) => {
                let summary = &report.summary;
                let (objects, affected) = (summary.objects, summary.affected);
                self.metrics.succeeded(started.elapsed());
                tracing::info!(objects, affected, took = ?started.elapsed(), "scanned the cluster");
            }
            Ok(Err(error)) => failed(&error),
            Err(_elapsed) => failed(&format!("it was not done within {LONGEST:?}")),
        }
    }

    async fn report(&self) -> Result<Report, Error> {
        let offline = Offline {
            policies: self.policies.load_full(),
            view: apart(&self.views.load()),
            now: Timestamp::now(),
            namespace: String::new(),
        };
        let settings = Settings {
            now: offline.now,
            group_by: GroupBy::Namespace,
            expiring_within_days: EXPIRING_WITHIN_DAYS,
            bounds: Some(BOUNDS),
        };
        let mut fold = Fold::new(&offline, settings);
        Survey::of(self.client.clone()).gently().fold(&mut fold, &mut |_| {}).await?;
        if let Some(fault) = fold.faults.first() {
            let count = fold.faults.len();
            tracing::error!(count, fault, "scanning met bugs of Podwright's; please report the first");
        }
        let report = fold.report(None);
        self.metrics.found(&report);
        publish(&self.client, &report, &self.metrics).await?;
        Ok(report)
    }
}

/// The view for Pods that are there already: none of them is in the way of itself, and what is not known stays so.
fn apart(view: &View) -> View {
    View { is_watched: false, holders: Holders::default(), ..view.clone() }
}
