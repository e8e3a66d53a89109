//! The policies that decide, and their files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;

use crate::input::watch::{Watch, watch};
use crate::policy_set::reload::PolicyFiles;
use crate::policy_set::{PolicySet, Texts};
use crate::server::PolicyStore;
use crate::telemetry::{Reloads, metrics};

/// The policies in force.
pub(super) struct Policies {
    pub(super) store: PolicyStore,
    /// What looks at their files; nothing does for the policies that ship with Podwright.
    _watch: Option<Watch>,
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
    let store = Arc::new(ArcSwap::from_pointee(policies));
    let generations = Arc::clone(&store);
    metrics::register_generation(registry, move || generations.load().generation.clone());
    let reloads = Reloads::of_policies(registry);
    let files = PolicyFiles { paths: paths.to_owned(), store: Arc::clone(&store), reloads };
    let watch = found.map(|found| watch(files, found, every)).transpose().context("watching the policies")?;
    Ok(Policies { store, _watch: watch })
}
