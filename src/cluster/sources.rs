//! Where facts come from: two watches, and the API server asked for its version now and then.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::index::{Change, Fact};
use super::slim::Slim;
use super::{Chain, Metrics};
use crate::view::Version;

/// Nodes are some 20 kB each, and a page is held in memory as a whole.
const NODES_PER_PAGE: u32 = 100;
const NAMESPACES_PER_PAGE: u32 = 500;
/// How often the version is asked for while all is well.
const VERSION_EVERY: Duration = Duration::from_secs(180);
/// How soon it is asked for again without an answer.
const VERSION_RETRY: Duration = Duration::from_secs(10);
const VERSION_WITHIN: Duration = Duration::from_secs(10);

/// What every source has.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) client: Client,
    pub(super) facts: mpsc::Sender<Fact>,
    /// Told when a watch breaks or starts over: the API server may have been replaced by a newer one.
    pub(super) restarted: Arc<Notify>,
    pub(super) metrics: Metrics,
}

impl Sources {
    /// Watches the Nodes.
    pub(super) async fn nodes(self) {
        let change = |event| Fact::Node(change(event, |node: Slim<v1::Node>| node.kubelet()));
        self.watch::<v1::Node>("nodes", NODES_PER_PAGE, change).await;
    }

    /// Watches the Namespaces.
    pub(super) async fn namespaces(self) {
        let change = |event| Fact::Namespace(change(event, Slim::<v1::Namespace>::into_labels));
        self.watch::<v1::Namespace>("namespaces", NAMESPACES_PER_PAGE, change).await;
    }

    async fn watch<K>(self, source: &'static str, page: u32, fact: impl Fn(Event<Slim<K>>) -> Fact)
    where
        K: Resource<DynamicType = ()> + Clone + Debug + 'static,
        Slim<K>: Resource<DynamicType = ()>,
    {
        let config = watcher::Config::default().page_size(page);
        let mut events = pin!(watcher(Api::<Slim<K>>::all(self.client), config).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    self.metrics.heard();
                    if matches!(event, Event::Init) {
                        self.restarted.notify_one();
                    }
                    if self.facts.send(fact(event)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    self.metrics.failed(source);
                    tracing::warn!(source, error = %Chain(&error), "watching the cluster failed; trying again");
                    self.restarted.notify_one();
                }
            }
        }
    }

    /// Asks for the API server's version. Of several API servers that are being replaced one after the other, any
    /// may answer; the version skew policy has them all replaced before the first kubelet.
    pub(super) async fn versions(self) {
        loop {
            let pause = match self.version().await {
                Ok(version) => {
                    self.metrics.heard();
                    if self.facts.send(Fact::ApiServer(version)).await.is_err() {
                        return;
                    }
                    VERSION_EVERY
                }
                Err(error) => {
                    self.metrics.failed("version");
                    tracing::warn!(
                        source = "version",
                        error,
                        "asking for the API server's version failed; trying again"
                    );
                    VERSION_RETRY
                }
            };
            // Its end says only that it is time to ask.
            let _ = timeout(pause, self.restarted.notified()).await;
        }
    }

    async fn version(&self) -> Result<Version, String> {
        let answer = timeout(VERSION_WITHIN, self.client.apiserver_version()).await;
        let info = answer
            .map_err(|_elapsed| format!("no answer within {VERSION_WITHIN:?}"))?
            .map_err(|error| Chain(&error).to_string())?;
        format!("v{}.{}", info.major, info.minor).parse().map_err(|error| Chain(&error).to_string())
    }
}

fn change<K, T>(event: Event<Slim<K>>, value: impl Fn(Slim<K>) -> T) -> Change<T> {
    match event {
        Event::Init => Change::Restart,
        Event::InitApply(object) => Change::Listed(object.name(), value(object)),
        Event::InitDone => Change::Complete,
        Event::Apply(object) => Change::Set(object.name(), value(object)),
        Event::Delete(object) => Change::Remove(object.name()),
    }
}
