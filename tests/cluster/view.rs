//! What Podwright knows of a cluster: the cluster view, as the watches fill it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use podwright::cluster::{self, Metrics, Watch};
use podwright::view::{Version, View};
use tokio::time::timeout;

use crate::api::{Api, SOON};
use crate::control_plane::node;
use crate::outage::AFTER_AN_OUTAGE;
use crate::process::within;
use crate::world::World;

pub(crate) fn follows_the_cluster(world: &World) {
    let (api, (major, minor)) = (world.api(), world.control_plane().version());
    let version = Version { major, minor };
    let older = (major, minor - 1);
    let before = api.namespace(&["before"]);

    let followed = Followed::start(api);
    let view = followed.store.load_full();
    assert_eq!((view.api_server, view.oldest_kubelet), (Some(version), Some(version)));
    assert!(has_label(&view, before.name(), "before"));

    let after = api.namespace(&["after"]);
    followed.until("a new namespace's labels", |view| has_label(view, after.name(), "after"));
    api.create("/api/v1/nodes", &node("older", older)).unwrap();
    let is_older = |view: &View| view.oldest_kubelet.is_some_and(|oldest| oldest < version);
    followed.until("an older kubelet", is_older);

    let before = followed.store.load_full();
    world.control_plane().restart_api_server().unwrap();
    assert_eq!(followed.store.load().oldest_kubelet, before.oldest_kubelet);
    api.delete("/api/v1/nodes/older").unwrap();
    let later = api.namespace(&["later"]);
    followed.until("a node that has gone", |view| view.oldest_kubelet == Some(version));
    followed.until("a namespace after the restart", |view| has_label(view, later.name(), "later"));
    assert!(has_label(&followed.store.load(), after.name(), "after"));
}

/// A view of the trial's own, kept up to date.
struct Followed {
    store: Arc<ArcSwap<View>>,
    _watch: Watch,
}

impl Followed {
    /// Starts the watches and waits until they know the cluster.
    fn start(api: &Api) -> Self {
        let store = Arc::new(ArcSwap::default());
        let _within_runtime = api.runtime().enter();
        let watch = cluster::watch(api.client(), Arc::clone(&store), Metrics::default());
        api.runtime().block_on(async { timeout(SOON, watch.synced()).await }).unwrap();
        assert!(watch.is_synced());
        Self { store, _watch: watch }
    }

    fn until(&self, what: &str, holds: impl Fn(&View) -> bool) {
        within(AFTER_AN_OUTAGE, what, || holds(&self.store.load()).then_some(())).unwrap();
    }
}

fn has_label(view: &View, namespace: &str, label: &str) -> bool {
    view.namespaces.get(namespace).and_then(|labels| labels.get(label)).is_some_and(|value| value == "on")
}
