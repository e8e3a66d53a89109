//! Objects that Podwright keeps as they should be: written where they differ, deleted where they are no longer wanted.
//!
//! Ours are those that say `app.kubernetes.io/managed-by: podwright`. Others are never touched, whatever their name.

use std::collections::HashMap;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::Status;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::Chain;
use super::list::{self, Pages};

/// Who writes, for server-side apply.
const MANAGER: &str = "podwright";
const LABEL: &str = "app.kubernetes.io/managed-by";
const OURS: &str = "app.kubernetes.io/managed-by=podwright";
/// How long the API server may take for one object.
const WITHIN: Duration = Duration::from_secs(10);
/// How many objects are held in memory while what is there is looked at.
const PER_PAGE: u32 = 50;

/// A kind whose objects are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The API group.
    pub group: &'static str,
    /// The API version.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// Its name in URLs.
    pub plural: &'static str,
    /// Where all of them are listed.
    pub path: &'static str,
    /// Whether its objects are in namespaces.
    pub is_namespaced: bool,
}

/// Why they could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// They could not be listed.
    #[error(transparent)]
    List(#[from] list::Error),
    /// One request failed.
    #[error("{doing} {what}: {reason}")]
    Request {
        /// What was being done.
        doing: &'static str,
        /// To which object or group.
        what: String,
        /// Why not.
        reason: String,
    },
}

/// What became of an object that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It was as it should be.
    Unchanged,
    /// It was written.
    Written,
    /// Somebody else has one of this name.
    Foreign,
    /// Its namespace has gone, or is about to.
    Gone,
}

/// The objects of one kind.
pub struct Keeper {
    client: Client,
    kind: Kind,
    /// Ours that are there and were not asked for yet, by namespace and name.
    present: HashMap<(String, String), Present>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Keeper").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Present {
    uid: String,
    contents: [u8; 32],
}

/// Whether the cluster has this kind now.
///
/// # Errors
/// When the API server does not tell.
pub async fn is_served(client: &Client, kind: Kind) -> Result<bool, Error> {
    let group = format!("{}/{}", kind.group, kind.version);
    let failed = |reason| Error::Request { doing: "asking for", what: group.clone(), reason };
    match timeout(WITHIN, client.list_api_group_resources(&group)).await {
        Ok(Ok(kinds)) => Ok(kinds.resources.iter().any(|served| served.name == kind.plural)),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(false),
        Ok(Err(error)) => Err(failed(reason(&error))),
        Err(_elapsed) => Err(failed(format!("no answer within {WITHIN:?}"))),
    }
}

impl Keeper {
    /// Looks at what is there.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub async fn look(client: Client, kind: Kind) -> Result<Self, Error> {
        let mut present = HashMap::new();
        let mut pages = Pages::of(client.clone(), kind.path).with_labels(OURS).per_page(PER_PAGE);
        while let Some(page) = pages.next().await? {
            for object in page.objects() {
                let text =
                    |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let uid = text("/metadata/uid").to_owned();
                present.insert(key(&object), Present { uid, contents: contents(&object) });
            }
        }
        Ok(Self { client, kind, present })
    }

    /// Sees to it that an object is there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn keep(&mut self, object: &Value) -> Result<Kept, Error> {
        let (namespace, name) = key(object);
        let present = self.present.remove(&(namespace.clone(), name.clone()));
        if present.as_ref().is_some_and(|present| present.contents == contents(object)) {
            return Ok(Kept::Unchanged);
        }
        let api = self.api(&namespace);
        let write = async {
            let is_free = || async { Ok::<_, kube::Error>(api.get_metadata_opt(&name).await?.is_none()) };
            if present.is_none() && !is_free().await? {
                return Ok(Kept::Foreign);
            }
            let params = PatchParams::apply(MANAGER).force();
            api.patch(&name, &params, &Patch::Apply(object)).await.map(|_| Kept::Written)
        };
        match timeout(WITHIN, write).await {
            Ok(Ok(kept)) => Ok(kept),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 || is_terminating(&status) => {
                Ok(Kept::Gone)
            }
            Ok(Err(error)) => Err(self.failed("writing", &namespace, &name, reason(&error))),
            Err(_elapsed) => {
                Err(self.failed("writing", &namespace, &name, format!("no answer within {WITHIN:?}")))
            }
        }
    }

    /// Deletes ours that were not asked for; returns how many there were.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub async fn delete_others(mut self) -> Result<u64, Error> {
        let mut deleted = 0;
        for ((namespace, name), present) in std::mem::take(&mut self.present) {
            let preconditions = Preconditions { uid: Some(present.uid), resource_version: None };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            let reason = match timeout(WITHIN, self.api(&namespace).delete(&name, &params)).await {
                Ok(Ok(_)) => {
                    deleted += 1;
                    continue;
                }
                // Gone, or made anew by somebody.
                Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => continue,
                Ok(Err(error)) => reason(&error),
                Err(_elapsed) => format!("no answer within {WITHIN:?}"),
            };
            return Err(self.failed("deleting", &namespace, &name, reason));
        }
        Ok(deleted)
    }

    fn api(&self, namespace: &str) -> Api<DynamicObject> {
        let Kind { group, version, kind, plural, is_namespaced, .. } = self.kind;
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: format!("{group}/{version}"),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        if is_namespaced {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }

    fn failed(&self, doing: &'static str, namespace: &str, name: &str, reason: String) -> Error {
        let what = format!("{} {namespace}/{name}", self.kind.kind);
        Error::Request { doing, what, reason }
    }
}

/// What the API server says, without all that stands around it.
fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => Chain(error).to_string(),
    }
}

/// The API server takes nothing new in a namespace that is being deleted.
fn is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

fn key(object: &Value) -> (String, String) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/metadata/namespace"), text("/metadata/name"))
}

/// What an object says, without when it was found and what the API server adds; in whatever order.
fn contents(object: &Value) -> [u8; 32] {
    let field = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    let mut results = field("/results");
    for result in results.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        result.shift_remove("timestamp");
    }
    let mut said = json!({
        "annotations": object.pointer("/metadata/annotations/podwright.dev~1generation"),
        "label": field("/metadata/labels").get(LABEL),
        "results": results,
        "source": field("/source"),
        "summary": field("/summary"),
    });
    said.sort_all_objects();
    Sha256::digest(said.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_counts_and_when_and_how_does_not() {
        let report = json!({
            "metadata": {"name": "podwright", "labels": {LABEL: "podwright"}},
            "summary": {"fail": 1, "pass": 2},
            "results": [{"policy": "a", "message": "b", "timestamp": {"seconds": 1}}],
        });
        let mut later = json!({
            "summary": {"pass": 2, "fail": 1},
            "results": [{"timestamp": {"seconds": 2}, "message": "b", "policy": "a"}],
            "metadata": {"uid": "u", "managedFields": [], "name": "podwright", "labels": {LABEL: "podwright"}},
        });
        assert_eq!(contents(&report), contents(&later));
        later["results"][0]["message"] = "c".into();
        assert_ne!(contents(&report), contents(&later));
        for (field, value) in [("results", json!([])), ("summary", json!({})), ("metadata", json!({}))] {
            let mut other = report.clone();
            other[field] = value;
            assert_ne!(contents(&report), contents(&other), "{field}");
        }
    }
}
