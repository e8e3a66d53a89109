//! What only one replica should do at a time: whoever holds a Lease does it.
//!
//! As client-go elects leaders: a Lease is taken over when nothing was written to it for as long as it says. That time is
//! measured here, from when a change was seen; the clock of whoever wrote it may be wrong. Of two who write at once the
//! API server lets one, by `resourceVersion`. Source: `tools/leaderelection/leaderelection.go` of client-go.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Chain;

/// How long a Lease lasts that nobody renews.
const LASTS_SECONDS: i32 = 15;
/// When a holder that could not renew it holds it no more: a try and a pause before others may take it.
const GIVE_UP: Duration = Duration::from_secs(10);
/// How often it is renewed, or looked at.
const EVERY: Duration = Duration::from_secs(5);
/// How soon after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long the API server may take.
const WITHIN: Duration = Duration::from_secs(2);

/// A candidate for a Lease.
pub struct Lease {
    api: Api<Object>,
    name: &'static str,
    election: Election,
    held: watch::Sender<bool>,
    /// The Lease as this one last wrote it, and when it began to.
    written: Option<(Object, Instant)>,
    complaint: Option<String>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Lease").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Lease {
    /// A candidate for the Lease of this name in the namespace of the client; `who` is told as its holder, behind which
    /// comes what no other process has.
    #[must_use]
    pub fn new(client: Client, name: &'static str, who: &str) -> Self {
        let identity = format!("{who}_{:016x}", RandomState::new().build_hasher().finish());
        Self {
            api: Api::default_namespaced(client),
            name,
            election: Election { identity, seen: None },
            held: watch::Sender::new(false),
            written: None,
            complaint: None,
        }
    }

    /// Whether it is held. Whoever acts on it must stop when it is not.
    #[must_use]
    pub fn held(&self) -> watch::Receiver<bool> {
        self.held.subscribe()
    }

    /// Takes it and keeps it, as far as others let, until `stop`; then it is let go.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = tokio::select! {
                () = stop.cancelled() => break,
                pause = self.turn() => pause,
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(pause) => {}
            }
        }
        self.release().await;
    }

    /// Tries once; returns how long to wait until the next time.
    async fn turn(&mut self) -> Duration {
        let started = Instant::now();
        let tried = timeout(WITHIN, self.attempt(started)).await;
        let failure = match tried {
            Ok(Ok(is_held)) => {
                self.complaint = None;
                self.tell(is_held);
                return EVERY;
            }
            Ok(Err(error)) => Chain(&error).to_string(),
            Err(_elapsed) => format!("no answer within {WITHIN:?}"),
        };
        if self.written.as_ref().is_none_or(|(_, at)| at.elapsed() >= GIVE_UP) {
            self.tell(false);
        }
        // The same is told once.
        if self.complaint.as_ref() != Some(&failure) {
            tracing::warn!(
                lease = self.name,
                error = failure,
                "the Lease was not taken or renewed; trying again"
            );
            self.complaint = Some(failure);
        }
        RETRY
    }

    async fn attempt(&mut self, started: Instant) -> kube::Result<bool> {
        let found = self.api.get_opt(self.name).await?;
        let spec = match self.election.step(found.as_ref(), started) {
            Step::Write(spec) => Some(*spec),
            Step::Wait => return Ok(false),
        };
        let written = match found {
            Some(found) => {
                let object = Object { spec, ..found };
                self.api.replace(self.name, &PostParams::default(), &object).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(self.name.to_owned()), ..ObjectMeta::default() };
                self.api.create(&PostParams::default(), &Object { metadata, spec }).await
            }
        };
        match written {
            Ok(object) => {
                self.written = Some((object, started));
                Ok(true)
            }
            // Another was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn tell(&mut self, is_held: bool) {
        if !is_held {
            self.written = None;
        }
        if self.held.send_replace(is_held) != is_held {
            tracing::info!(lease = self.name, held = is_held, "leading or not has changed");
        }
    }

    /// Lets others have it at once.
    async fn release(mut self) {
        let written = self.written.take();
        self.tell(false);
        let Some((mut object, _)) = written else { return };
        object.spec = object.spec.map(|spec| released(spec, Timestamp::now()));
        let _ = timeout(WITHIN, self.api.replace(self.name, &PostParams::default(), &object)).await;
    }
}

/// What a candidate knows.
#[derive(Debug)]
struct Election {
    identity: String,
    /// The version of the Lease that was last seen, and since when.
    seen: Option<(String, Instant)>,
}

/// What a candidate does next.
#[derive(Debug, PartialEq)]
enum Step {
    /// Writes the Lease.
    Write(Box<LeaseSpec>),
    /// Waits: another holds it.
    Wait,
}

impl Election {
    fn step(&mut self, found: Option<&Object>, now: Instant) -> Step {
        let spec = found.and_then(|found| found.spec.clone()).unwrap_or_default();
        let since = self.since(found, now);
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let lasts = u64::try_from(spec.lease_duration_seconds.unwrap_or(LASTS_SECONDS)).unwrap_or_default();
        let is_ours = holder == self.identity;
        if !is_ours && !holder.is_empty() && now < since + Duration::from_secs(lasts) {
            return Step::Wait;
        }
        let time = MicroTime(Timestamp::now());
        let changes = i32::from(!is_ours && found.is_some());
        Step::Write(Box::new(LeaseSpec {
            acquire_time: spec.acquire_time.clone().filter(|_| is_ours).or_else(|| Some(time.clone())),
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(LASTS_SECONDS),
            lease_transitions: Some(spec.lease_transitions.unwrap_or(0).saturating_add(changes)),
            renew_time: Some(time),
            ..spec
        }))
    }

    /// Since when the Lease has been as it is, as far as was seen from here.
    fn since(&mut self, found: Option<&Object>, now: Instant) -> Instant {
        let version = found.and_then(Object::resource_version).unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        }
    }
}

/// Held by nobody, and for no time.
fn released(spec: LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        renew_time: Some(MicroTime(now)),
        ..spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(version: u32, holder: &str, lasts: i32, transitions: i32) -> Object {
        Object {
            metadata: ObjectMeta { resource_version: Some(version.to_string()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(lasts),
                lease_transitions: Some(transitions),
                // A clock that is wrong.
                renew_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
                acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
                ..LeaseSpec::default()
            }),
        }
    }

    /// The number of transitions in what is written; `None` for waiting.
    fn transitions(step: Step) -> Option<i32> {
        match step {
            Step::Write(spec) => {
                assert_eq!(spec.holder_identity.as_deref(), Some("me"));
                spec.lease_transitions
            }
            Step::Wait => None,
        }
    }

    #[test]
    fn it_is_taken_when_nobody_renews_it() {
        let start = Instant::now();
        let mut election = Election { identity: "me".to_owned(), seen: None };
        for (seconds, found, expected) in [
            (0, None, Some(0)),
            (0, Some(lease(1, "other", 15, 4)), None),
            (14, Some(lease(1, "other", 15, 4)), None),
            // Renewed: the time begins anew.
            (15, Some(lease(2, "other", 15, 4)), None),
            (29, Some(lease(2, "other", 15, 4)), None),
            (30, Some(lease(2, "other", 15, 4)), Some(5)),
            // Ours, however old.
            (90, Some(lease(3, "me", 15, 5)), Some(5)),
            // Let go.
            (91, Some(lease(4, "", 1, 5)), Some(6)),
        ] {
            let step = election.step(found.as_ref(), start + Duration::from_secs(seconds));
            assert_eq!(transitions(step), expected, "after {seconds} s");
        }
    }

    #[test]
    fn renewing_keeps_when_it_was_taken() {
        let mut election = Election { identity: "me".to_owned(), seen: None };
        let mut acquired = |holder| match election.step(Some(&lease(1, holder, 15, 0)), Instant::now()) {
            Step::Write(spec) => spec.acquire_time.map(|time| time.0 == Timestamp::UNIX_EPOCH),
            Step::Wait => None,
        };
        assert_eq!(acquired("me"), Some(true));
        assert_eq!(acquired(""), Some(false));
    }
}
