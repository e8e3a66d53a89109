//! The cluster, watched: its API server's version, its Nodes, Namespaces, Pods, StatefulSets and PersistentVolumes, and
//! Calico's pools fill the cluster view.
//!
//! Facts come in from one source for each, are put in order by a pure index, and leave as a new [`View`] at most every
//! 100 ms. A decision only ever loads the view that is in force; while the API server is away that is the last one.
//!
//! Needs the right to `list` and `watch` `nodes`, `namespaces`, `pods` and `persistentvolumes`, `statefulsets` of `apps` and of
//! `apps.kruise.io` and `ippools` of `crd.projectcalico.org`, to `get` `statefulsets`, and to `get` `/version` and
//! `/apis/*`, which every authenticated user may unless the cluster says otherwise; and to `create` `events` of `events.k8s.io`.

pub mod events;
mod index;
pub mod kept;
mod kinds;
pub mod lease;
pub mod list;
mod metrics;
pub mod own;
pub mod policies;
mod publish;
pub mod read;
pub mod secret;
mod slim;
mod sources;
pub mod webhooks;

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use kube::Client;
use kube::config::{
    Config, InClusterError, InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

pub use metrics::Metrics;

use crate::view::View;

/// Longer than a watch lasts on the server (290 s), so that it only ever ends a connection whose peer is gone.
const SILENCE: Duration = Duration::from_secs(300);
/// Facts on their way to the index. A full channel makes the watches wait, which they can.
const UNDER_WAY: usize = 1024;

/// Why there is no access to the cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be used.
    #[error("reading the kubeconfig {path:?}: {source}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KubeconfigError,
    },
    /// There is no kubeconfig, and this is no Pod with a service account.
    #[error("finding the API server from within a Pod: {0}; outside of one a kubeconfig is needed")]
    InCluster(#[from] InClusterError),
    /// There is no kubeconfig where one is looked for, and this is no Pod either.
    #[error("finding a cluster: {0}; name a kubeconfig by --kubeconfig")]
    Nowhere(#[from] InferConfigError),
    /// The configuration gives no client.
    #[error("making a client for the API server {url}: {source}")]
    Client {
        /// The API server.
        url: String,
        /// Why.
        source: Box<kube::Error>,
    },
}

/// A client for the cluster that a kubeconfig names, or for the one that this Pod runs in; `namespace` is that of
/// Podwright's own objects, unless it is the kubeconfig's or the Pod's. Nothing is sent yet.
///
/// # Errors
/// When the kubeconfig or the service account cannot be read, or gives no client.
pub async fn connect(kubeconfig: Option<&Path>, namespace: Option<&str>) -> Result<Client, Error> {
    let mut config = match kubeconfig {
        None => Config::incluster()?,
        Some(path) => {
            let failed = |source| Error::Kubeconfig { path: path.to_owned(), source };
            let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(failed)?
        }
    };
    if let Some(namespace) = namespace {
        namespace.clone_into(&mut config.default_namespace);
    }
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    let url = config.cluster_url.to_string();
    Client::try_from(config).map_err(|source| Error::Client { url, source: Box::new(source) })
}

/// A client for the cluster that `kubectl` would use: of a kubeconfig, given or at its usual place, or of this Pod.
///
/// # Errors
/// When there is none, or it gives no client.
pub async fn connect_as_kubectl(kubeconfig: Option<&Path>) -> Result<Client, Error> {
    if kubeconfig.is_some() {
        return connect(kubeconfig, None).await;
    }
    let config = Config::infer().await?;
    let url = config.cluster_url.to_string();
    Client::try_from(config).map_err(|source| Error::Client { url, source: Box::new(source) })
}

/// Watches the cluster and keeps the view in `store` up to date for as long as the result lives.
///
/// Must be called within a tokio runtime.
#[must_use]
pub fn watch(client: Client, store: Arc<ArcSwap<View>>, metrics: Metrics) -> Watch {
    // What is not known yet may come to be.
    store.store(Arc::new(View { is_watched: true, ..View::default() }));
    let (facts, received) = mpsc::channel(UNDER_WAY);
    let (synced, is_synced) = watch::channel(false);
    let sources =
        sources::Sources { client, facts, restarted: Arc::new(Notify::new()), metrics: metrics.clone() };
    let mut tasks = JoinSet::new();
    tasks.spawn(sources.clone().watch::<kinds::Node>());
    tasks.spawn(sources.clone().watch::<kinds::Namespace>());
    tasks.spawn(sources.clone().watch::<kinds::Pod>());
    tasks.spawn(sources.clone().watch::<kinds::KubernetesSet>());
    tasks.spawn(sources.clone().watch::<kinds::PersistentVolume>());
    tasks.spawn(sources.clone().watch_if_served::<kinds::KruiseSet>());
    tasks.spawn(sources.clone().watch_if_served::<kinds::IpPool>());
    tasks.spawn(sources.versions());
    tasks.spawn(publish::publish(received, store, synced, metrics));
    Watch { is_synced, _tasks: tasks }
}

/// The running watches. They end when this is dropped.
#[derive(Debug)]
pub struct Watch {
    is_synced: watch::Receiver<bool>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Whether the whole cluster view is known. Once it is, it stays so.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        *self.is_synced.borrow()
    }

    /// Done once the whole cluster view is known; never, if the watches are dropped before.
    pub fn synced(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut is_synced = self.is_synced.clone();
        async move {
            if is_synced.wait_for(|synced| *synced).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// An error with what is behind it: kube's own say little more than "service error".
struct Chain<'a>(&'a dyn StdError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        out.write_str(&said)?;
        let causes = std::iter::successors(self.0.source(), |&error| error.source());
        for cause in causes.map(ToString::to_string) {
            // Many an error already says what is behind it.
            if !said.contains(&cause) {
                write!(out, ": {cause}")?;
                said = cause;
            }
        }
        Ok(())
    }
}
