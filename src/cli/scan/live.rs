//! The objects of a running cluster.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kube::Client;
use tokio::runtime::{Builder, Runtime};

use crate::audit::scan::{Fold, Progress, Survey};
use crate::cli::exit::BadInput;
use crate::cli::offline::{Known, OfflineArgs};
use crate::cluster;
use crate::cluster::list::Pages;

/// What tells of the cluster.
const TELLING: &[&str] = &[
    "/api/v1/namespaces",
    "/api/v1/persistentvolumes",
    "/apis/apps/v1/statefulsets",
    "/apis/apps.kruise.io/v1beta1/statefulsets",
];

/// Which cluster is scanned.
#[derive(Debug, clap::Args)]
pub(super) struct LiveArgs {
    /// Scan a running cluster instead of manifests: its live Pods, one for each ReplicaSet, DaemonSet or Job, and the
    /// workloads that have none now
    #[arg(long, conflicts_with = "InputArgs", required_unless_present = "InputArgs")]
    live: bool,

    /// The cluster, as this file names it [default: the one that kubectl uses; in a Pod that of the Pod]
    #[arg(long, value_name = "FILE", requires = "live")]
    kubeconfig: Option<PathBuf>,
}

/// A running cluster.
pub(super) struct Live {
    runtime: Runtime,
    client: Client,
}

impl LiveArgs {
    /// The cluster, if one is to be scanned.
    pub(super) fn connect(&self) -> Result<Option<Live>, BadInput> {
        if !self.live {
            return Ok(None);
        }
        Live::connect(self.kubeconfig.as_deref()).map(Some)
    }
}

impl Live {
    fn connect(kubeconfig: Option<&Path>) -> Result<Self, BadInput> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| BadInput::from(format!("starting the runtime: {error}")))?;
        let client = runtime.block_on(cluster::connect_as_kubectl(kubeconfig));
        let client = client.map_err(|error| BadInput::from(error.to_string()))?;
        Ok(Self { runtime, client })
    }

    /// What the cluster tells of itself.
    pub(super) fn learn(&self, offline: &OfflineArgs) -> Result<Known, BadInput> {
        let version = self.runtime.block_on(self.client.apiserver_version());
        let version = version.map_err(|error| BadInput::from(format!("asking for the version: {error}")))?;
        let version = format!("v{}.{}", version.major, version.minor).parse().ok();
        let mut known = Known::of(version);
        for path in TELLING {
            let mut pages = Pages::of(self.client.clone(), path);
            let mut next =
                || self.runtime.block_on(pages.next()).map_err(|error| BadInput::from(error.to_string()));
            while let Some(page) = next()? {
                page.objects().for_each(|object| offline.learn(&object, &mut known));
            }
        }
        Ok(known)
    }

    /// Adds what runs, or would.
    pub(super) fn fold(&self, fold: &mut Fold<'_>) -> Result<(), BadInput> {
        let bar = bar();
        let mut tell = |progress| match progress {
            Progress::Found { here, remaining } => bar.set_length(bar.position() + here + remaining),
            Progress::Done { here } => bar.inc(here),
        };
        let survey = Survey::of(self.client.clone());
        let done = self.runtime.block_on(survey.fold(fold, &mut tell));
        bar.finish_and_clear();
        done.map_err(|error| BadInput::from(error.to_string()))
    }
}

/// On a terminal only.
fn bar() -> ProgressBar {
    let target =
        if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} Pods, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(0), target);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
