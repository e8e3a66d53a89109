//! Brings to each policy's status what became of it.
//!
//! Every replica does, and says the same: then the API server changes nothing. Replicas of two versions may differ about
//! a policy. So that they do not write over each other for ever, each says a thing once, and again only over an older
//! version: the newest has the last word, until it is gone and another one starts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::{Chain, Metrics};
use super::index::Key;
use super::resources;
use super::status::Status;
use crate::policy::API_VERSION;

const FIELD_MANAGER: &str = "podwright";
/// How long the API server may take.
const WITHIN: Duration = Duration::from_secs(10);
/// How soon what failed is tried again, and how late when it fails time and again.
const RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// What the status of a policy should be, and is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) key: Key,
    pub(super) uid: String,
    pub(super) wanted: Status,
    pub(super) found: Status,
}

/// What is to be written, always the newest.
pub(super) type Wishes = Arc<Vec<Wish>>;

/// Writes for ever, one after the other.
pub(super) async fn write(client: Client, mut wished: watch::Receiver<Wishes>, metrics: Metrics) {
    let mut said = Said::default();
    let mut pause = RETRY;
    while wished.changed().await.is_ok() {
        loop {
            let wishes = wished.borrow_and_update().clone();
            said.hear(&wishes);
            let mut has_failed = false;
            for wish in wishes.iter().filter(|wish| said.is_due(wish)).collect::<Vec<_>>() {
                let written = timeout(WITHIN, apply(&client, wish)).await;
                let error = match written {
                    Ok(Ok(())) => {
                        said.remember(wish);
                        continue;
                    }
                    // Its message is for people, the rest of it is not.
                    Ok(Err(kube::Error::Api(status))) => status.message,
                    Ok(Err(error)) => Chain(&error).to_string(),
                    Err(_elapsed) => format!("no answer within {WITHIN:?}"),
                };
                metrics.policy_status_failed();
                let (kind, name) = &wish.key;
                tracing::warn!(kind, name, error, "the status of a policy was not written; trying again");
                has_failed = true;
            }
            if !has_failed {
                pause = RETRY;
                break;
            }
            // Its end says only that it is time.
            let _ = timeout(pause, wished.changed()).await;
            pause = (pause * 2).min(LONGEST_RETRY);
        }
    }
}

async fn apply(client: &Client, wish: &Wish) -> kube::Result<()> {
    let Wish { key: (kind, name), uid, wanted, .. } = wish;
    let status = json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        // One that was made anew under its name is another.
        "metadata": {"name": name, "uid": uid},
        "status": wanted,
    });
    let (api, _) = resources(client.clone(), kind);
    let ours = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(name, &ours, &Patch::Apply(status)).await {
        Ok(_) => Ok(()),
        // It has gone, or is another: the watch will tell.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What this replica has said of each policy.
#[derive(Debug, Default)]
struct Said(HashMap<Key, (String, Status)>);

impl Said {
    fn is_due(&self, wish: &Wish) -> bool {
        let Wish { key, uid, wanted, found } = wish;
        let is_said = self.0.get(key).is_some_and(|(of, status)| of == uid && status.says_as(wanted));
        let may_stay = is_said && found.stands(wanted.observed_generation);
        !may_stay && !wanted.says_as(found)
    }

    fn remember(&mut self, wish: &Wish) {
        self.0.insert(wish.key.clone(), (wish.uid.clone(), wish.wanted.clone()));
    }

    /// What another replica has said for this one counts as said; what is said of policies that are gone is forgotten.
    fn hear(&mut self, wishes: &[Wish]) {
        let keys: HashSet<_> = wishes.iter().map(|wish| &wish.key).collect();
        self.0.retain(|key, _| keys.contains(key));
        wishes.iter().filter(|wish| wish.wanted.says_as(&wish.found)).for_each(|wish| self.remember(wish));
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::policy_set::single::{Revision, Verdict};

    fn status(verdict: &Verdict, generation: i64, version: &str) -> Status {
        let now = Revision { generation, document: "{}".to_owned() };
        let status = Status::of(verdict, &now, "abc", &Status::default(), Timestamp::UNIX_EPOCH);
        Status { version: version.to_owned(), ..status }
    }

    #[test]
    fn each_says_a_thing_once_and_the_newest_version_has_the_last_word() {
        let refused = Verdict::Refused { error: "no".to_owned(), in_force: None };
        let ours = env!("CARGO_PKG_VERSION");
        let wanted = status(&Verdict::Accepted, 2, ours);
        let wish = |found: Status| Wish {
            key: ("HostPath", "a".to_owned()),
            uid: "u".to_owned(),
            wanted: wanted.clone(),
            found,
        };
        let (older, newer) = (status(&refused, 2, "0.0.1"), status(&refused, 2, "999.0.0"));
        let mut said = Said::default();
        assert!(!said.is_due(&wish(wanted.clone())), "it stands there already");
        assert!(said.is_due(&wish(Status::default())), "nothing stands there");
        assert!(said.is_due(&wish(newer.clone())), "the newer version may be gone");
        said.remember(&wish(newer.clone()));
        assert!(!said.is_due(&wish(newer)), "the newer version contradicts");
        assert!(said.is_due(&wish(older)), "the older version contradicts");
        assert!(said.is_due(&wish(status(&refused, 1, "999.0.0"))), "that was said of another generation");
        assert!(said.is_due(&wish(Status::default())), "somebody removed it");
        let anew = Wish { uid: "v".to_owned(), ..wish(status(&refused, 2, "999.0.0")) };
        assert!(said.is_due(&anew), "it was made anew");
        said.hear(&[]);
        assert!(said.0.is_empty());
        // Another replica of this version said the same, and is a moment ahead with the next set.
        said.hear(&[wish(wanted.clone())]);
        let ahead = Status { policy_set_generation: "abd".to_owned(), ..wanted.clone() };
        assert!(!said.is_due(&wish(ahead)), "what it says next is not taken back");
    }
}
