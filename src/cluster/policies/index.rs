//! What the watches have told of the cluster's policies.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::Value;

use super::status::Status;
use super::{Told, kinds};
use crate::input::watch::Fingerprint;
use crate::policy_set::single::{LONGEST_POLICY, Revision, Single};

/// The kind, and what is told of one of its policies.
pub(super) type Heard = (&'static str, Told);

/// What names a policy.
pub(super) type Key = (&'static str, String);

/// The cluster's policies, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Index {
    policies: BTreeMap<Key, Known>,
    /// What a list that is still coming in has told of, by kind.
    listing: BTreeMap<&'static str, BTreeSet<String>>,
    listed: BTreeSet<&'static str>,
}

/// One policy.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) uid: String,
    created: Option<Timestamp>,
    pub(super) now: Revision,
    /// What it said when it was last accepted here.
    pub(super) accepted: Option<Revision>,
    pub(super) status: Status,
}

impl Index {
    /// Whether all kinds have been listed. Once they have, it stays so.
    pub(super) fn is_complete(&self) -> bool {
        self.listed.len() == kinds().count()
    }

    pub(super) fn take(&mut self, (kind, event): Heard) {
        match event {
            Event::Init => {
                self.listing.insert(kind, BTreeSet::new());
            }
            Event::InitApply(object) => {
                let listing = self.listing.entry(kind).or_default();
                listing.extend(object.metadata.name.clone());
                self.set(kind, object);
            }
            Event::InitDone => {
                let listing = self.listing.remove(kind).unwrap_or_default();
                self.policies.retain(|(other, name), _| *other != kind || listing.contains(name));
                self.listed.insert(kind);
            }
            Event::Apply(object) => self.set(kind, object),
            Event::Delete(object) => {
                self.policies.remove(&(kind, object.metadata.name.unwrap_or_default()));
            }
        }
    }

    fn set(&mut self, kind: &'static str, object: DynamicObject) {
        let DynamicObject { metadata, data, .. } = object;
        let name = metadata.name.unwrap_or_default();
        let uid = metadata.uid.unwrap_or_default();
        let mut now = Revision::of_resource(kind, &name, metadata.generation.unwrap_or_default(), &data);
        // It is refused for its length, and need not be kept for that.
        now.document.truncate(now.document.floor_char_boundary(LONGEST_POLICY + 1));
        let key = (kind, name);
        // One that was made anew under its name is another.
        let before = self.policies.remove(&key).filter(|before| before.uid == uid);
        let known = Known {
            uid,
            created: metadata.creation_timestamp.map(|time| time.0),
            now,
            accepted: before.and_then(|before| before.accepted),
            status: Status::read(data.get("status").unwrap_or(&Value::Null)),
        };
        self.policies.insert(key, known);
    }

    /// Changes when a policy does, not with its status.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let parts = self.policies.iter().flat_map(|((kind, name), known)| {
            [kind.as_bytes(), name.as_bytes(), known.uid.as_bytes(), known.now.document.as_bytes()]
        });
        Fingerprint::of(parts)
    }

    /// The policies, those first that have been there longest: a new one does not push an old one out.
    pub(super) fn singles(&self) -> Vec<Single<'_>> {
        let mut all: Vec<_> = self.policies.iter().collect();
        all.sort_by_key(|(key, known)| (known.created, *key));
        all.into_iter().map(|((kind, name), known)| single(kind, name, known)).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Known)> {
        self.policies.iter()
    }

    /// What each says now is what stands in for it, should it be wrong later.
    pub(super) fn accept(&mut self, key: &Key) {
        if let Some(known) = self.policies.get_mut(key) {
            known.accepted = Some(known.now.clone());
        }
    }
}

impl Known {
    /// What it said when it was accepted, the newest first: as this replica has seen it, and as its status says.
    pub(super) fn before(&self) -> Vec<&Revision> {
        let mut before: Vec<_> = self.accepted.iter().chain(&self.status.last_accepted).collect();
        before.sort_by_key(|revision| std::cmp::Reverse(revision.generation));
        before
    }
}

fn single<'a>(kind: &'static str, name: &'a str, known: &'a Known) -> Single<'a> {
    Single { kind, name, now: &known.now, before: known.before() }
}
