//! The objects of a running cluster.

use std::collections::HashSet;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kube::Client;
use tokio::runtime::{Builder, Runtime};

use super::fold::Fold;
use crate::cli::exit::BadInput;
use crate::cli::objects::Object;
use crate::cli::offline::{Known, OfflineArgs};
use crate::cluster;
use crate::cluster::list::{Page, Pages};
use crate::pod::{Pod, Workload};

/// What tells of the cluster.
const TELLING: &[&str] = &[
    "/api/v1/namespaces",
    "/api/v1/persistentvolumes",
    "/apis/apps/v1/statefulsets",
    "/apis/apps.kruise.io/v1beta1/statefulsets",
];
/// The Pods that live, before the workloads that may have none.
const PODS: &str = "/api/v1/pods";
const LIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";
const WORKLOADS: &[&str] = &[
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/cronjobs",
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
            self.each(path, "", &mut |page| offline.learn(&page.list, &mut known))?;
        }
        Ok(known)
    }

    /// Adds what runs, or would.
    pub(super) fn fold(&self, fold: &mut Fold<'_>) -> Result<(), BadInput> {
        let progress = progress();
        let (mut seen, mut workloads) = (HashSet::new(), HashSet::new());
        self.each(PODS, LIVE, &mut |page| {
            let objects = Object::all(&page.list);
            progress.set_length(progress.position() + objects.len() as u64 + page.remaining);
            for object in &objects {
                let Ok(pod) = Pod::from_value(object.value.clone()) else { continue };
                let namespace = object.metadata("namespace").unwrap_or_default().to_owned();
                let workload = Workload::of(&pod);
                workloads.insert((namespace, workload.kind, workload.name));
                if copied_by(&pod).is_none_or(|controller| seen.insert(controller)) {
                    fold.object(object, || None);
                }
            }
            progress.inc(objects.len() as u64);
        })?;
        for path in WORKLOADS {
            self.each(path, "", &mut |page| {
                for object in Object::all(&page.list) {
                    let namespace = object.metadata("namespace").unwrap_or_default().to_owned();
                    if !workloads.contains(&(namespace, object.kind.to_owned(), object.name())) {
                        fold.object(&object, || None);
                    }
                }
            })?;
        }
        progress.finish_and_clear();
        Ok(())
    }

    fn each(
        &self,
        path: &'static str,
        selector: &'static str,
        visit: &mut dyn FnMut(Page),
    ) -> Result<(), BadInput> {
        let mut pages = Pages::of(self.client.clone(), path, selector);
        let mut next =
            || self.runtime.block_on(pages.next()).map_err(|error| BadInput::from(error.to_string()));
        while let Some(page) = next()? {
            visit(page);
        }
        Ok(())
    }
}

/// The uid of a controller whose Pods are all alike. Those of a StatefulSet have addresses of their own.
fn copied_by(pod: &Pod) -> Option<String> {
    let controller = pod.controller()?;
    let text = |field: &str| controller.get(field)?.as_str();
    let is_alike = matches!(text("kind")?, "ReplicaSet" | "DaemonSet" | "Job");
    is_alike.then(|| text("uid").map(str::to_owned)).flatten()
}

/// On a terminal only.
fn progress() -> ProgressBar {
    let target =
        if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} Pods, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(0), target);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
