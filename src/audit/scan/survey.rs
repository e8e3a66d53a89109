//! What runs in a cluster, or would.

use std::collections::HashSet;
use std::time::Duration;

use kube::Client;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::Fold;
use crate::cluster::list::{Error, Page, Pages};
use crate::pod::{Node, Object, Pod, Workload};

/// The Pods that live, before the workloads that may have none.
const PODS: &str = "/api/v1/pods";
const LIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";
const WORKLOADS: &[&str] = &[
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/cronjobs",
];
const VOLUMES: &str = "/api/v1/persistentvolumes";
/// How many objects a gentle survey holds: each may be as large as etcd takes.
const GENTLE_PAGE: u32 = 50;

/// Reads a cluster: its live Pods, one for each ReplicaSet, DaemonSet or Job, the workloads that have none now, and the
/// PersistentVolumes that are paths of nodes.
#[derive(Clone)]
pub struct Survey {
    client: Client,
    is_gentle: bool,
}

impl std::fmt::Debug for Survey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Survey").field("is_gentle", &self.is_gentle).finish_non_exhaustive()
    }
}

impl Survey {
    /// Of this cluster, as fast as it goes.
    #[must_use]
    pub fn of(client: Client) -> Self {
        Self { client, is_gentle: false }
    }

    /// The same, beside more important work: it holds little in memory, and rests as long as it has worked.
    #[must_use]
    pub fn gently(self) -> Self {
        Self { is_gentle: true, ..self }
    }

    /// Adds everything to a scan. `tell` hears of each page before and after it is looked at.
    ///
    /// # Errors
    /// When a list cannot be read: half a report would pass for a whole one.
    pub async fn fold(
        &self,
        fold: &mut Fold<'_>,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        let mut seen = Seen::default();
        let mut pods = self.pages(PODS).with_fields(LIVE);
        while let Some(page) = pods.next().await? {
            tell(Progress::Found { here: page.len() as u64, remaining: page.remaining() });
            self.each(&page, |object| {
                if seen.is_new(object) {
                    fold.object(object, || None);
                }
            })
            .await;
            tell(Progress::Done { here: page.len() as u64 });
        }
        for path in WORKLOADS {
            let mut workloads = self.pages(path);
            while let Some(page) = workloads.next().await? {
                self.each(&page, |object| {
                    if !seen.has_pods(object) {
                        fold.object(object, || None);
                    }
                })
                .await;
            }
        }
        let mut volumes = self.pages(VOLUMES);
        while let Some(page) = volumes.next().await? {
            self.each(&page, |object| fold.object(object, || None)).await;
        }
        Ok(())
    }

    fn pages(&self, path: &'static str) -> Pages {
        let pages = Pages::of(self.client.clone(), path);
        if self.is_gentle { pages.per_page(GENTLE_PAGE) } else { pages }
    }

    async fn each(&self, page: &Page, mut visit: impl FnMut(&Object<'_>)) {
        let mut worked = Duration::ZERO;
        let mut objects = page.objects();
        loop {
            let started = Instant::now();
            let Some(value) = objects.next() else { break };
            Object::all(&value).iter().for_each(&mut visit);
            worked += started.elapsed();
            yield_now().await;
        }
        if self.is_gentle {
            sleep(worked).await;
        }
    }
}

/// How far a survey of Pods is.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// There are so many in this page, and so many after it.
    Found {
        /// In this page.
        here: u64,
        /// After it.
        remaining: u64,
    },
    /// So many were looked at.
    Done {
        /// In this page.
        here: u64,
    },
}

/// What need not be looked at again.
#[derive(Debug, Default)]
struct Seen {
    /// By uid.
    controllers: HashSet<String>,
    /// Those that have Pods, by namespace, kind and name.
    workloads: HashSet<(String, String, String)>,
}

impl Seen {
    /// Whether this is the first Pod of its kind.
    fn is_new(&mut self, object: &Object<'_>) -> bool {
        let Ok(pod) = Pod::from_value(object.value) else { return false };
        let workload = Workload::of(&pod);
        self.workloads.insert((namespace(object), workload.kind, workload.name));
        copied_by(&pod).is_none_or(|controller| self.controllers.insert(controller))
    }

    fn has_pods(&self, workload: &Object<'_>) -> bool {
        self.workloads.contains(&(namespace(workload), workload.kind.to_owned(), workload.name()))
    }
}

fn namespace(object: &Object<'_>) -> String {
    object.metadata("namespace").unwrap_or_default().to_owned()
}

/// The uid of a controller whose Pods are all alike. Those of a StatefulSet have addresses of their own.
fn copied_by(pod: &Pod) -> Option<String> {
    let controller = pod.controller()?;
    let text = |field: &str| controller.get(field).and_then(Node::as_str);
    let is_alike = matches!(text("kind")?, "ReplicaSet" | "DaemonSet" | "Job");
    is_alike.then(|| text("uid").map(str::to_owned)).flatten()
}
