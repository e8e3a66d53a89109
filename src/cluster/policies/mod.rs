//! Policies from custom resources: watched, put in force together, and told what became of them.
//!
//! A watch for each kind tells of its resources; the keeper puts a burst of changes in force at once; the writer brings
//! to each resource's status what became of it. A decision only ever loads the policies that are in force: while the API
//! server is away those are the last ones.
//!
//! Needs the right to `list` and `watch` the kinds of `podwright.dev`, and to `patch` their `status`.

mod index;
mod keeper;
mod status;
mod writer;

use std::pin::pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::StreamExt as _;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{Chain, Metrics, UNDER_WAY};
use crate::mutators::MUTATORS;
use crate::policy::{GROUP, VERSION, plural};
use crate::policy_set::PolicySet;
use crate::telemetry::Reloads;
use crate::validators::VALIDATORS;

/// How many policies come in one answer, which is held in memory as a whole.
const PAGE: u32 = 50;
/// What the metrics call these watches.
const SOURCE: &str = "policies";

/// Watches the policies of a cluster and keeps those in `store` up to date for as long as the result lives.
///
/// Must be called within a tokio runtime.
#[must_use]
pub fn watch(client: Client, store: Arc<ArcSwap<PolicySet>>, reloads: Reloads, metrics: Metrics) -> Watch {
    let (heard, received) = mpsc::channel(UNDER_WAY);
    let (loaded, is_loaded) = watch::channel(false);
    let (wishes, wished) = watch::channel(Arc::default());
    let mut tasks = JoinSet::new();
    for kind in kinds() {
        tasks.spawn(listen(kind, client.clone(), heard.clone(), metrics.clone()));
    }
    tasks.spawn(writer::write(client, wished, metrics.clone()));
    let keeper = keeper::Keeper::new(store, reloads, metrics, wishes);
    tasks.spawn(keeper.keep(received, loaded));
    Watch { is_loaded, _tasks: tasks }
}

/// The running watches. They end when this is dropped.
#[derive(Debug)]
pub struct Watch {
    is_loaded: watch::Receiver<bool>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Done once all policies of the cluster are known and in force; never, if the watches are dropped before.
    pub fn loaded(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut is_loaded = self.is_loaded.clone();
        async move {
            if is_loaded.wait_for(|loaded| *loaded).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

fn kinds() -> impl Iterator<Item = &'static str> {
    MUTATORS.iter().map(|kind| kind.name).chain(VALIDATORS.iter().map(|kind| kind.name))
}

/// The resources of a kind.
fn resources(client: Client, kind: &str) -> (Api<DynamicObject>, ApiResource) {
    let kind = GroupVersionKind::gvk(GROUP, VERSION, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, &plural(&kind.kind));
    (Api::all_with(client, &resource), resource)
}

/// Passes on what the API server tells of a kind.
async fn listen(kind: &'static str, client: Client, heard: mpsc::Sender<index::Heard>, metrics: Metrics) {
    let (api, resource) = resources(client, kind);
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                metrics.heard();
                if heard.send((kind, event)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                metrics.failed(SOURCE);
                if is_undefined(&error) {
                    let definition = format!("{}.{GROUP}", resource.plural);
                    tracing::error!(
                        definition,
                        "the cluster has no policies of kind {kind}, for want of their definition; apply what \
                         `podwright schema --crd` prints; trying again"
                    );
                } else {
                    tracing::warn!(kind, error = %Chain(&error), "watching policies failed; trying again");
                }
            }
        }
    }
}

/// Whether the API server knows no such kind.
fn is_undefined(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    let (InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

type Told = Event<DynamicObject>;
