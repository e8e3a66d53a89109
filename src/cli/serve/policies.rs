//! The policies that decide: those of files, or those of the cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;

use crate::cluster;
use crate::input::watch::{Watch, watch};
use crate::policy_set::reload::PolicyFiles;
use crate::policy_set::{PolicySet, Texts};
use crate::server::{Health, PolicyStore};
use crate::telemetry::{Reloads, metrics};

/// Why the server is not ready while the policies of the cluster are not known.
const NOT_LOADED: &str = "the policies are not known yet";

/// The policies in force.
pub(super) struct Policies {
    pub(super) store: PolicyStore,
    reloads: Reloads,
    /// What looks at their files; nothing does for the policies that ship with Podwright.
    _watch: Option<Watch>,
}

/// The policies of the cluster, once they are known.
pub(super) struct OfCluster {
    watch: cluster::policies::Watch,
    health: Arc<Health>,
}

/// Loads the policies of these files and folders, and looks at them every so often; without any, those that ship with
/// Podwright.
pub(super) fn load(paths: &[PathBuf], every: Duration, registry: &mut Registry) -> anyhow::Result<Policies> {
    let (policies, found) = if paths.is_empty() {
        (PolicySet::embedded()?, None)
    } else {
        let texts = Texts::read(paths);
        let found = texts.fingerprint();
        (texts.compile()?, Some(found))
    };
    tracing::info!(generation = policies.generation, "policies loaded");
    let policies = Policies::new(policies, registry);
    let Policies { store, reloads, .. } = &policies;
    let files = PolicyFiles { paths: paths.to_owned(), store: Arc::clone(store), reloads: reloads.clone() };
    let watch = found.map(|found| watch(files, found, every)).transpose().context("watching the policies")?;
    Ok(Policies { _watch: watch, ..policies })
}

impl Policies {
    /// None, for those of the cluster to come.
    pub(super) fn none(registry: &mut Registry) -> Self {
        Self::new(PolicySet::default(), registry)
    }

    fn new(policies: PolicySet, registry: &mut Registry) -> Self {
        let store = Arc::new(ArcSwap::from_pointee(policies));
        let generations = Arc::clone(&store);
        metrics::register_generation(registry, move || generations.load().generation.clone());
        Self { store, reloads: Reloads::of_policies(registry), _watch: None }
    }

    /// Watches those of the cluster. Until they are known the server is not ready.
    pub(super) fn watch(
        &self,
        client: kube::Client,
        health: &Arc<Health>,
        metrics: cluster::Metrics,
    ) -> OfCluster {
        health.block(NOT_LOADED);
        let watch = cluster::policies::watch(client, Arc::clone(&self.store), self.reloads.clone(), metrics);
        OfCluster { watch, health: Arc::clone(health) }
    }
}

/// Done once the policies of the cluster, if those decide, are in force: before that no review may be answered, as none
/// of them would count.
pub(super) async fn known(policies: Option<&OfCluster>) {
    if let Some(OfCluster { watch, health }) = policies {
        watch.loaded().await;
        health.clear(NOT_LOADED);
    }
}

/// The same for others who decide by them.
pub(super) fn loaded(policies: Option<&OfCluster>) -> impl Future<Output = ()> + Send + use<> {
    let loaded = policies.map(|policies| policies.watch.loaded());
    async move {
        if let Some(loaded) = loaded {
            loaded.await;
        }
    }
}
