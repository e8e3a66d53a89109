//! The scan beside serving, on a thread of its own: it reads whole lists, and reviews must not wait for that.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::audit::scan::{Background, Metrics};
use crate::cli::values::duration;
use crate::cluster::{self, lease::Lease};
use crate::server::{PolicyStore, ViewStore};

/// What says which replica scans.
const LEASE: &str = "podwright-scan";
/// Shorter than that the API server would be busy with nothing else.
const SHORTEST: Duration = Duration::from_secs(10);
/// How long the end waits for the Lease to be let go, which begins with the signal.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Scanning")]
pub(super) struct Scanning {
    /// How often the whole cluster is scanned in the background, by one replica at a time, for metrics and for policy
    /// reports where the cluster has their definitions; 10s at least [default: never]
    #[arg(long, value_name = "DURATION", env = "PODWRIGHT_SCAN_INTERVAL", value_parser = interval,
          conflicts_with = "no_cluster")]
    scan_interval: Option<Duration>,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval < SHORTEST {
        return Err(format!("expected {} s or more", SHORTEST.as_secs()));
    }
    Ok(interval)
}

/// The scanner before it starts. It must be dropped outside of every runtime.
pub(super) struct Scanner {
    runtime: Runtime,
    every: Duration,
    metrics: Metrics,
}

impl Scanning {
    /// A scanner, if the cluster is to be scanned.
    pub(super) fn prepare(&self, registry: &mut Registry) -> anyhow::Result<Option<Scanner>> {
        let Some(every) = self.scan_interval else { return Ok(None) };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("podwright-scan")
            .enable_all()
            .build()
            .context("starting the thread that scans")?;
        Ok(Some(Scanner { runtime, every, metrics: Metrics::register(registry) }))
    }
}

impl Scanner {
    /// Scans, once the cluster is known, until `stop`.
    pub(super) fn start(
        &self,
        (kubeconfig, namespace): (Option<PathBuf>, Option<String>),
        synced: impl Future<Output = ()> + Send + 'static,
        (policies, views): (PolicyStore, ViewStore),
        stop: CancellationToken,
    ) -> JoinHandle<()> {
        let (every, metrics) = (self.every, self.metrics.clone());
        self.runtime.spawn(async move {
            // A client works on the threads that it was made on.
            let client = match cluster::connect(kubeconfig.as_deref(), namespace.as_deref()).await {
                Ok(client) => client,
                Err(error) => {
                    tracing::error!(%error, "the cluster is not scanned");
                    return;
                }
            };
            tokio::select! {
                () = synced => {}
                () = stop.cancelled() => return,
            }
            let host = env::var("HOSTNAME").unwrap_or_else(|_| "podwright".to_owned());
            let lease = Lease::new(client.clone(), LEASE, &host);
            let background = Background { client, policies, views, every, metrics };
            let is_leader = lease.held();
            tokio::join!(lease.run(stop), background.run(is_leader));
        })
    }

    /// Ends with the process.
    pub(super) fn end(self) {
        self.runtime.shutdown_background();
    }
}

/// Waits until the Lease is let go, which began with the signal; not for long.
pub(super) async fn ended(scanning: Option<JoinHandle<()>>) {
    if let Some(scanning) = scanning {
        let _ = timeout(ENDS_WITHIN, scanning).await;
    }
}
