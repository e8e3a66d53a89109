//! From facts to the view in force, a burst of them at once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Metrics;
use super::index::{Fact, Index};
use crate::view::View;

/// The shortest time between two views.
const INTERVAL: Duration = Duration::from_millis(100);

/// Puts a new view in force whenever facts have changed it; the first of a burst at once, the rest of it together.
pub(super) async fn publish(
    mut facts: mpsc::Receiver<Fact>,
    store: Arc<ArcSwap<View>>,
    synced: watch::Sender<bool>,
    metrics: Metrics,
) {
    let mut index = Index::default();
    let mut not_before = Instant::now();
    let mut is_due = false;
    loop {
        tokio::select! {
            fact = facts.recv() => match fact {
                Some(fact) => is_due |= index.take(fact),
                None => return,
            },
            () = sleep_until(not_before), if is_due => {
                put_in_force(&mut index, &store, &metrics);
                if index.is_complete() && !synced.send_replace(true) {
                    tracing::info!("the cluster view is complete");
                }
                is_due = false;
                not_before = Instant::now() + INTERVAL;
            }
        }
    }
}

fn put_in_force(index: &mut Index, store: &ArcSwap<View>, metrics: &Metrics) {
    let view = index.view();
    let before = store.load();
    let sizes = index.sizes();
    if (view.api_server, view.oldest_kubelet) != (before.api_server, before.oldest_kubelet) {
        let text =
            |version: Option<_>| version.map_or_else(|| "unknown".to_owned(), |version| format!("{version}"));
        tracing::info!(
            api_server = text(view.api_server),
            oldest_kubelet = text(view.oldest_kubelet),
            unreadable_kubelet_of_node = index.unreadable(),
            nodes = sizes.nodes,
            namespaces = sizes.namespaces,
            "the cluster's versions",
        );
    }
    store.store(Arc::new(view));
    metrics.known(sizes, index.is_complete());
}

#[cfg(test)]
mod tests {
    use super::super::index::{Change, Kubelet, Labels};
    use super::*;
    use crate::view::Version;

    struct Rig {
        facts: mpsc::Sender<Fact>,
        store: Arc<ArcSwap<View>>,
        synced: watch::Receiver<bool>,
    }

    impl Rig {
        fn start() -> Self {
            let (facts, received) = mpsc::channel(1024);
            let (sender, synced) = watch::channel(false);
            let store = Arc::new(ArcSwap::default());
            tokio::spawn(publish(received, Arc::clone(&store), sender, Metrics::default()));
            Self { facts, store, synced }
        }

        async fn tell(&self, facts: impl IntoIterator<Item = Fact>) {
            for fact in facts {
                self.facts.send(fact).await.unwrap();
            }
        }

        /// Lets the clock, which only moves when told to, go on.
        async fn pass(&self, millis: u64) {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    fn namespace(name: &str) -> Fact {
        Fact::Namespace(Change::Set(name.to_owned(), Labels::default()))
    }

    fn whole() -> [Fact; 14] {
        [
            Fact::PersistentVolume(Change::Restart),
            Fact::PersistentVolume(Change::Complete),
            Fact::Pod(Change::Restart),
            Fact::Pod(Change::Complete),
            Fact::StatefulSet(Change::Restart),
            Fact::StatefulSet(Change::Complete),
            Fact::KruiseSet(Change::Absent),
            Fact::IpPool(Change::Absent),
            Fact::Namespace(Change::Restart),
            Fact::Namespace(Change::Complete),
            Fact::Node(Change::Restart),
            Fact::Node(Change::Listed("a".to_owned(), Kubelet::Known(Version::v1(30)))),
            Fact::Node(Change::Complete),
            Fact::ApiServer(Version::v1(31)),
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_synced_once_every_part_is_in_force() {
        let rig = Rig::start();
        for fact in whole() {
            assert!(!*rig.synced.borrow());
            rig.tell([fact]).await;
            rig.pass(200).await;
        }
        assert!(*rig.synced.borrow());
        assert!(rig.store.load().all_at_least(Version::v1(30)));
        // A list that starts over does not take it back.
        rig.tell([Fact::Node(Change::Restart)]).await;
        rig.pass(200).await;
        assert!(*rig.synced.borrow());
        assert_eq!(rig.store.load().oldest_kubelet, Some(Version::v1(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_view() {
        let rig = Rig::start();
        rig.tell(whole()).await;
        rig.pass(500).await;
        rig.tell([namespace("first")]).await;
        rig.pass(1).await;
        let first = rig.store.load_full();
        assert!(first.namespaces.contains_key("first"), "a single change does not wait");
        for number in 0..80 {
            rig.tell([namespace(&format!("n{number}"))]).await;
            rig.pass(1).await;
            assert!(Arc::ptr_eq(&first, &rig.store.load_full()));
        }
        rig.pass(100).await;
        assert_eq!(rig.store.load().namespaces.len(), 81);
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_nothing_makes_no_view() {
        let rig = Rig::start();
        rig.tell(whole()).await;
        rig.pass(500).await;
        let before = rig.store.load_full();
        rig.tell([Fact::Node(Change::Set("a".to_owned(), Kubelet::Known(Version::v1(30))))]).await;
        rig.tell(whole()).await;
        rig.pass(500).await;
        assert!(Arc::ptr_eq(&before, &rig.store.load_full()));
    }
}
