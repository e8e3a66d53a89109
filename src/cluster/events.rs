//! Events on the owners of refused Pods: where a person looks who wonders why there are none.
//!
//! They are written apart from the answers, one at a time, and given up where the API server cannot keep up.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{Chain, Metrics};
use crate::telemetry::text::clip;

/// Refusals on their way. What finds no place is not told: its controller tries again.
const UNDER_WAY: usize = 256;
/// How long the same is not told again.
const ONCE_IN: Duration = Duration::from_secs(300);
/// The most that is remembered as told.
const MOST_TOLD: usize = 4096;
/// How long the API server may take.
const WITHIN: Duration = Duration::from_secs(10);
/// What a note may have, in bytes.
const LONGEST_NOTE: usize = 1000;

/// A Pod that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What controls it.
    pub owner: Owner,
    /// The Pod's name, as far as it has one.
    pub pod: String,
    /// The sentence that its author is told.
    pub message: String,
}

/// The controller of a Pod, as the Pod names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its API version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// Writes events, until it is dropped.
#[derive(Debug)]
pub struct Events {
    sender: mpsc::Sender<Refused>,
    metrics: Metrics,
    task: JoinHandle<()>,
}

impl Events {
    /// Starts the writer. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(client: Client, metrics: Metrics) -> Self {
        let (sender, refused) = mpsc::channel(UNDER_WAY);
        let task = tokio::spawn(write(client, refused, metrics.clone()));
        Self { sender, metrics, task }
    }

    /// Has an event written, some time soon.
    pub fn tell(&self, refused: Refused) {
        if self.sender.try_send(refused).is_err() {
            self.metrics.event_lost();
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write(client: Client, mut refused: mpsc::Receiver<Refused>, metrics: Metrics) {
    let mut told = Told::default();
    while let Some(refused) = refused.recv().await {
        if !told.is_new(&refused, Instant::now()) {
            continue;
        }
        match timeout(WITHIN, publish(&client, &refused)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                metrics.event_lost();
                tracing::warn!(owner = refused.owner.name, error = %Chain(&error), "an event was not written");
            }
            Err(_elapsed) => metrics.event_lost(),
        }
    }
}

async fn publish(client: &Client, refused: &Refused) -> kube::Result<()> {
    let Refused { owner, pod, message } = refused;
    let note = format!("Pod {pod}: {message}");
    let event = Event {
        type_: EventType::Warning,
        reason: "PodRefused".to_owned(),
        note: Some(clip(&note, LONGEST_NOTE).into_owned()),
        action: "Admission".to_owned(),
        secondary: None,
    };
    let reference = ObjectReference {
        api_version: Some(owner.api_version.clone()),
        kind: Some(owner.kind.clone()),
        namespace: Some(owner.namespace.clone()),
        name: Some(owner.name.clone()),
        uid: Some(owner.uid.clone()),
        ..ObjectReference::default()
    };
    let reporter = Reporter { controller: "podwright.dev/webhook".to_owned(), instance: None };
    // A recorder counts what comes again under the note of the first, which may have been another.
    Recorder::new(client.clone(), reporter).publish(&event, &reference).await
}

/// What was told of late. A controller that tries again and again would fill the cluster with the same event.
/// By their hashes: a message can be long.
#[derive(Debug, Default)]
struct Told(HashMap<u64, Instant>);

impl Told {
    fn is_new(&mut self, refused: &Refused, now: Instant) -> bool {
        let mut hasher = DefaultHasher::new();
        (&refused.owner, &refused.message).hash(&mut hasher);
        let key = hasher.finish();
        if self.0.get(&key).is_some_and(|at| now < *at + ONCE_IN) {
            return false;
        }
        self.0.retain(|_, at| now < *at + ONCE_IN);
        // Told too often rather than not at all.
        if self.0.len() < MOST_TOLD {
            self.0.insert(key, now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(owner: &str, message: &str) -> Refused {
        let owner = Owner {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            namespace: "shop".to_owned(),
            name: owner.to_owned(),
            uid: "u".to_owned(),
        };
        Refused { owner, pod: "web-1".to_owned(), message: message.to_owned() }
    }

    #[test]
    fn the_same_is_told_once_in_a_while() {
        let (start, mut told) = (Instant::now(), Told::default());
        for (seconds, owner, message, is_new) in [
            (0, "web", "no", true),
            (1, "web", "no", false),
            (2, "web", "no, and no", true),
            (3, "api", "no", true),
            (299, "web", "no", false),
            (301, "web", "no", true),
            (302, "web", "no", false),
        ] {
            let at = start + Duration::from_secs(seconds);
            assert_eq!(
                told.is_new(&refused(owner, message), at),
                is_new,
                "{owner}: {message} after {seconds} s"
            );
        }
        for number in 0..2 * MOST_TOLD {
            assert!(told.is_new(&refused("web", &number.to_string()), start + ONCE_IN));
        }
        assert!(told.0.len() <= MOST_TOLD);
    }
}
