//! Puts the cluster's policies in force, a burst of changes at once.

use std::collections::BTreeMap;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::super::Metrics;
use super::index::{Heard, Index, Key, Known};
use super::status::{self, Status};
use super::writer::{Wish, Wishes};
use crate::input::watch::Fingerprint;
use crate::policy_set::single::{Verdict, compile};
use crate::policy_set::{LoadErrors, PolicySet};
use crate::telemetry::Reloads;

/// How long nothing must change before a change is put in force: `kubectl apply -f` sends one policy after the other.
const QUIET: Duration = Duration::from_millis(500);
/// How long a change waits at most.
const LATEST: Duration = Duration::from_secs(5);

/// What keeps the policies in force up to date.
pub(super) struct Keeper {
    index: Index,
    /// What was compiled last, and what became of it.
    compiled: Option<Fingerprint>,
    /// Whether any policies are in force, and be it none.
    is_in_force: bool,
    verdicts: BTreeMap<Key, Verdict>,
    store: Arc<ArcSwap<PolicySet>>,
    reloads: Reloads,
    metrics: Metrics,
    wishes: watch::Sender<Wishes>,
}

impl Keeper {
    pub(super) fn new(
        store: Arc<ArcSwap<PolicySet>>,
        reloads: Reloads,
        metrics: Metrics,
        wishes: watch::Sender<Wishes>,
    ) -> Self {
        let (index, compiled, verdicts) = (Index::default(), None, BTreeMap::new());
        Self { index, compiled, is_in_force: false, verdicts, store, reloads, metrics, wishes }
    }

    /// Takes what is heard until nobody speaks any more; tells `loaded` when the first policies are in force.
    pub(super) async fn keep(mut self, mut heard: mpsc::Receiver<Heard>, loaded: watch::Sender<bool>) {
        let (mut due, mut latest) = (None, Instant::now());
        loop {
            let at = due.unwrap_or_else(Instant::now);
            tokio::select! {
                told = heard.recv() => {
                    let Some(told) = told else { return };
                    self.index.take(told);
                    let now = Instant::now();
                    if due.is_none() {
                        latest = now + LATEST;
                    }
                    let is_first = !*loaded.borrow();
                    due = Some(if is_first { now } else { latest.min(now + QUIET) });
                }
                // All kinds first: the rest of the policies may be the one that lets a Pod pass.
                () = sleep_until(at), if due.is_some() && self.index.is_complete() => {
                    due = None;
                    // Reviews must not wait for it.
                    let Ok(keeper) = spawn_blocking(move || self.renewed()).await else { return };
                    self = keeper;
                    if self.is_in_force {
                        loaded.send_replace(true);
                    }
                }
            }
        }
    }

    fn renewed(mut self) -> Self {
        // A panic has told of itself, and the next change may be sound.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            self.put_in_force();
            self.wish();
        }));
        self
    }

    fn put_in_force(&mut self) {
        let found = self.index.fingerprint();
        if self.compiled == Some(found) {
            return;
        }
        self.compiled = Some(found);
        // Nothing is said of policies that were not compiled.
        let before = mem::take(&mut self.verdicts);
        let singles = self.index.singles();
        let keys: Vec<Key> = singles.iter().map(|one| (one.kind, one.name.to_owned())).collect();
        let (policies, verdicts) = match compile(&singles) {
            Ok(compiled) => compiled,
            Err(LoadErrors(errors)) => {
                self.reloads.failed();
                for error in errors {
                    tracing::error!(%error, "the policies contradict each other; the last good policies stay in force");
                }
                return;
            }
        };
        let verdicts: BTreeMap<_, _> = keys.into_iter().zip(verdicts).collect();
        let policies = Arc::new(policies);
        self.store.store(Arc::clone(&policies));
        let count = verdicts.len();
        if count == 0 {
            tracing::warn!("the cluster has no policies: no Pod is changed, judged or refused");
        }
        let what = if self.is_in_force { "policies reloaded" } else { "policies loaded" };
        tracing::info!(generation = policies.generation, policies = count, "{what}");
        self.is_in_force = true;
        self.tell(&verdicts, &before);
        self.verdicts = verdicts;
    }

    /// Logs and counts what became of each, and keeps what was accepted.
    fn tell(&mut self, verdicts: &BTreeMap<Key, Verdict>, before: &BTreeMap<Key, Verdict>) {
        let (mut accepted, mut earlier, mut missing) = (0, 0, 0);
        for (key, verdict) in verdicts {
            let Verdict::Refused { error, in_force } = verdict else {
                accepted += 1;
                self.index.accept(key);
                continue;
            };
            *if in_force.is_some() { &mut earlier } else { &mut missing } += 1;
            if before.get(key) != Some(verdict) {
                let (kind, name) = key;
                let instead = status::what_stays(in_force.as_ref());
                tracing::error!(kind, name, error, "a policy is refused; {instead}");
            }
        }
        self.metrics.policies(accepted, earlier, missing);
        if earlier + missing == 0 {
            self.reloads.succeeded();
        } else {
            self.reloads.failed();
        }
    }

    /// Has every status written that does not say what became of its policy.
    fn wish(&self) {
        let (set, now) = (self.store.load(), Timestamp::now());
        let wish = |(key, known): (&Key, &Known)| {
            let verdict = self.verdicts.get(key)?;
            let wanted = Status::of(verdict, &known.now, &set.generation, &known.status, now);
            Some(Wish { key: key.clone(), uid: known.uid.clone(), wanted, found: known.status.clone() })
        };
        self.wishes.send_replace(Arc::new(self.index.iter().filter_map(wish).collect()));
    }
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use kube::runtime::watcher::Event;
    use prometheus_client::registry::Registry;
    use serde_json::{Value, json};
    use tokio::time::sleep;

    use super::super::kinds;
    use super::*;

    struct Rig {
        heard: mpsc::Sender<Heard>,
        store: Arc<ArcSwap<PolicySet>>,
        loaded: watch::Receiver<bool>,
        wishes: watch::Receiver<Wishes>,
    }

    impl Rig {
        fn start() -> Self {
            let (heard, received) = mpsc::channel(64);
            let (sender, loaded) = watch::channel(false);
            let (wish, wishes) = watch::channel(Wishes::default());
            let store = Arc::new(ArcSwap::default());
            let reloads = Reloads::of_policies(&mut Registry::default());
            let keeper = Keeper::new(Arc::clone(&store), reloads, Metrics::default(), wish);
            tokio::spawn(keeper.keep(received, sender));
            Self { heard, store, loaded, wishes }
        }

        async fn tell(&self, events: impl IntoIterator<Item = Heard>) {
            for event in events {
                self.heard.send(event).await.unwrap();
            }
        }

        /// Lets the clock, which only moves when told to, go on.
        async fn pass(&self, millis: u64) {
            sleep(Duration::from_millis(millis)).await;
        }

        fn actions(&self) -> Vec<String> {
            let set = self.store.load();
            set.validators()
                .iter()
                .map(|one| format!("{}: {}", one.name, one.rules.action.as_str()))
                .collect()
        }

        /// Whether the policy is accepted, and what is said of it.
        fn said(&self, name: &str) -> (String, String) {
            let wishes = self.wishes.borrow();
            let wish = wishes.iter().find(|wish| wish.key.1 == name).unwrap();
            let condition = &wish.wanted.conditions[0];
            (condition.status.clone(), condition.message.clone())
        }
    }

    fn policy(name: &str, generation: i64, spec: &Value, status: &Value) -> DynamicObject {
        let metadata = json!({"name": name, "uid": name, "generation": generation, "managedFields": []});
        let object = json!({
            "apiVersion": "podwright.dev/v1alpha1", "kind": "HostPath", "metadata": metadata, "spec": spec, "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    fn changed(name: &str, generation: i64, action: &str) -> Heard {
        ("HostPath", Event::Apply(policy(name, generation, &json!({"action": action}), &Value::Null)))
    }

    fn listed(policies: Vec<DynamicObject>) -> Vec<Heard> {
        let all = kinds().filter(|kind| *kind != "HostPath");
        let mut events: Vec<_> =
            all.flat_map(|kind| [(kind, Event::Init), (kind, Event::InitDone)]).collect();
        events.push(("HostPath", Event::Init));
        events.extend(policies.into_iter().map(|policy| ("HostPath", Event::InitApply(policy))));
        events.push(("HostPath", Event::InitDone));
        events
    }

    #[tokio::test(start_paused = true)]
    async fn policies_are_in_force_once_all_kinds_are_known() {
        let rig = Rig::start();
        let mut events = listed(vec![policy("a", 1, &json!({}), &Value::Null)]);
        let last = events.pop().unwrap();
        rig.tell(events).await;
        rig.pass(60_000).await;
        assert!(!*rig.loaded.borrow() && rig.store.load().generation.is_empty());
        rig.tell([last]).await;
        rig.pass(1).await;
        assert!(*rig.loaded.borrow());
        assert_eq!(rig.actions(), ["a: deny"]);
        assert_eq!(rig.said("a"), ("True".to_owned(), "in force".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_set_and_a_status_none() {
        let rig = Rig::start();
        rig.tell(listed(Vec::new())).await;
        rig.pass(1).await;
        let empty = rig.store.load_full();
        for number in 0..8 {
            rig.tell([changed(&format!("p{number}"), 1, "warn")]).await;
            rig.pass(100).await;
            assert!(Arc::ptr_eq(&empty, &rig.store.load_full()));
        }
        rig.pass(600).await;
        let eight = rig.store.load_full();
        assert_eq!(eight.validators().len(), 8);
        let status = json!({"observedGeneration": 1});
        rig.tell([("HostPath", Event::Apply(policy("p0", 1, &json!({"action": "warn"}), &status)))]).await;
        rig.pass(600).await;
        assert!(Arc::ptr_eq(&eight, &rig.store.load_full()));
        // Somebody who never stops does not hold up the others.
        for number in 0..70 {
            rig.tell([changed("p0", number + 2, if number % 2 == 0 { "deny" } else { "audit" })]).await;
            rig.pass(100).await;
        }
        assert!(!Arc::ptr_eq(&eight, &rig.store.load_full()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_stays_as_it_was_and_what_is_gone_goes() {
        let rig = Rig::start();
        let (a, b) = (
            policy("a", 1, &json!({"action": "warn"}), &Value::Null),
            policy("b", 1, &json!({}), &Value::Null),
        );
        rig.tell(listed(vec![a, b])).await;
        rig.pass(1).await;
        rig.tell([changed("a", 2, "denny"), changed("b", 2, "audit")]).await;
        rig.pass(600).await;
        assert_eq!(rig.actions(), ["a: warn", "b: audit"]);
        let message =
            "spec.action: \"denny\" is not known here; did you mean \"deny\"?; generation 1 stays in force";
        assert_eq!(rig.said("a"), ("False".to_owned(), message.to_owned()));
        let wanted = rig.wishes.borrow()[0].wanted.clone();
        assert_eq!(wanted.last_accepted.as_ref().map(|revision| revision.generation), Some(1));

        // A replica that starts now has it from the status.
        let other = Rig::start();
        let status = serde_json::to_value(&wanted).unwrap();
        let (a, b) = (
            policy("a", 2, &json!({"action": "denny"}), &status),
            policy("b", 2, &json!({"action": "audit"}), &Value::Null),
        );
        other.tell(listed(vec![a, b])).await;
        other.pass(1).await;
        assert!(*other.loaded.borrow());
        assert_eq!(other.store.load().generation, rig.store.load().generation);
        assert_eq!(other.said("a"), rig.said("a"));

        // A list that starts over, without the first.
        let b = policy("b", 2, &json!({"action": "audit"}), &Value::Null);
        rig.tell(listed(vec![b])).await;
        rig.pass(600).await;
        assert_eq!(rig.actions(), ["b: audit"]);
        rig.tell([("HostPath", Event::Delete(policy("b", 2, &json!({}), &Value::Null)))]).await;
        rig.pass(600).await;
        assert!(rig.actions().is_empty() && rig.wishes.borrow().is_empty());
    }
}
