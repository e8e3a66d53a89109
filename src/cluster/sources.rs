//! Where facts come from: watches, and the API server asked now and then for its version and for the kinds that not
//! every cluster has.

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::index::{Change, Fact};
use super::kinds::Kind;
use super::slim::Slim;
use super::{Chain, Metrics};
use crate::view::Version;

/// How often the version is asked for while all is well.
const VERSION_EVERY: Duration = Duration::from_secs(180);
/// How often it is asked whether a kind has come or gone.
const SERVED_EVERY: Duration = Duration::from_secs(30);
/// How soon something is asked for again without an answer.
const RETRY: Duration = Duration::from_secs(10);
/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

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
    /// Watches the objects of a kind that every cluster has.
    pub(super) async fn watch<K: Kind>(self) {
        let config = watcher::Config { field_selector: fields::<K>(), ..watcher::Config::default() };
        let api = Api::<Slim<K>>::all(self.client.clone());
        let mut events = pin!(watcher(api, config.page_size(K::PAGE)).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    self.metrics.heard();
                    if matches!(event, Event::Init) {
                        self.restarted.notify_one();
                    }
                    if self.facts.send(K::fact(change(event))).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    self.failed(K::PLURAL, &Chain(&error));
                    self.restarted.notify_one();
                }
            }
        }
    }

    /// Watches the objects of a kind that a cluster may have or not, and may come to have.
    pub(super) async fn watch_if_served<K: Kind>(self) {
        let mut is_served = None;
        // It ends by itself when the kind goes, which is rare: a watch of what is not there only fails.
        let mut watching = JoinSet::new();
        loop {
            let pause = match self.serves::<K>().await {
                Ok(now) if is_served == Some(now) => SERVED_EVERY,
                Ok(now) => {
                    is_served = Some(now);
                    watching.shutdown().await;
                    if now {
                        watching.spawn(self.clone().watch::<K>());
                    } else if self.facts.send(K::fact(Change::Absent)).await.is_err() {
                        return;
                    }
                    SERVED_EVERY
                }
                Err(error) => {
                    self.failed(K::PLURAL, &error);
                    RETRY
                }
            };
            sleep(pause).await;
        }
    }

    /// Whether the API server has this kind.
    async fn serves<K: Kind>(&self) -> Result<bool, String> {
        let group = format!("{}/{}", K::GROUP, K::VERSION);
        let answer = timeout(WITHIN, self.client.list_api_group_resources(&group)).await;
        match answer.map_err(|_elapsed| format!("no answer within {WITHIN:?}"))? {
            Ok(kinds) => Ok(kinds.resources.iter().any(|kind| kind.name == K::PLURAL)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(Chain(&error).to_string()),
        }
    }

    fn failed(&self, source: &'static str, error: &dyn Display) {
        self.metrics.failed(source);
        tracing::warn!(source, %error, "watching the cluster failed; trying again");
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
                    self.failed("version", &error);
                    RETRY
                }
            };
            // Its end says only that it is time to ask.
            let _ = timeout(pause, self.restarted.notified()).await;
        }
    }

    async fn version(&self) -> Result<Version, String> {
        let answer = timeout(WITHIN, self.client.apiserver_version()).await;
        let info = answer
            .map_err(|_elapsed| format!("no answer within {WITHIN:?}"))?
            .map_err(|error| Chain(&error).to_string())?;
        format!("v{}.{}", info.major, info.minor).parse().map_err(|error| Chain(&error).to_string())
    }
}

/// The objects that are watched; all where there is none.
fn fields<K: Kind>() -> Option<String> {
    (!K::FIELDS.is_empty()).then(|| K::FIELDS.to_owned())
}

fn change<K: Kind>(event: Event<Slim<K>>) -> Change<K::Key, K::Value> {
    let listed = |(key, value)| Change::Listed(key, value);
    let set = |(key, value)| Change::Set(key, value);
    match event {
        Event::Init => Change::Restart,
        Event::InitApply(object) => listed(K::entry(object)),
        Event::InitDone => Change::Complete,
        Event::Apply(object) => set(K::entry(object)),
        Event::Delete(object) => Change::Remove(K::entry(object).0),
    }
}
