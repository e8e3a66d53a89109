//! `Faketime`: gives the containers of a Pod another date, with libfaketime.
//!
//! The library reaches the Pod in a volume, is preloaded through `LD_PRELOAD`, and reads the time from `FAKETIME`. No
//! text of a user is part of a command; the time is only taken where libfaketime reads it the way it looks.

mod delivery;
mod environment;
mod library;
mod spelling;
mod value;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::delivery::Delivery;
use self::library::{Directory, Libc, Library};
use self::wishes::Wish;
use super::{Ask, FailurePolicy, Mutator, Rejection, Rules, Spec};
use crate::pod::{Draft, Group, Node, Pod};
use crate::policy::{Glob, LabelSelector, Match, NonEmpty, Subject};

/// The domain of the annotations that steer it.
const DOMAIN: &str = "faketime.podwright.dev";
/// The init container that copies the library.
const CONTAINER: &str = "podwright-faketime";
/// The volume that holds the library.
const VOLUME: &str = "podwright-faketime";
/// The label that the API server gives every Namespace, so that it is known without a look at the Namespace.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The spec of a `Faketime` policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Faketime {
    /// The Pods that may use it; all where it is left out.
    #[serde(default, rename = "match")]
    matching: Match,
    /// What becomes of a Pod for which Podwright's own result does not verify.
    #[serde(default)]
    failure_policy: FailurePolicy,
    /// Where no Pod may have another time, whatever it asks for.
    #[serde(default)]
    forbidden: Forbidden,
    /// How the library reaches the Pod: exactly one of `initContainer` and `imageVolume`.
    delivery: Delivery,
    /// Where the library appears in the containers.
    #[serde(default)]
    mount_path: Directory,
    /// The library's files by C library, below `mountPath`.
    #[serde(default = "library::usual")]
    libraries: BTreeMap<Libc, Library>,
    /// The C library of images whose Pods do not say.
    #[serde(default)]
    libc: Libc,
    /// Whether the library for several threads is preloaded where a Pod does not say.
    #[serde(default = "yes")]
    threads: bool,
    /// Whether the monotonic clock is another too where a Pod does not say. Java and others then hang.
    #[serde(default)]
    monotonic: bool,
    /// Whether child processes go on with their parent's time where a Pod does not say, instead of from the start.
    #[serde(default)]
    keep_start: bool,
    /// Whether init containers have another time too where a Pod does not say.
    #[serde(default)]
    init_containers: bool,
    /// Containers that keep the true time unless their own key asks for another, with `*` and `?`.
    #[serde(default)]
    exclude_containers: Vec<Glob>,
}

/// Where no Pod may have another time. One part that holds is enough; an empty selector holds everywhere.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Forbidden {
    /// Names of namespaces, with `*` and `?`.
    namespaces: Vec<Glob>,
    /// Labels of namespaces.
    namespace_selector: Option<LabelSelector>,
    /// Who forbids it, and whom to ask.
    owner: Option<NonEmpty>,
}

impl Spec for Faketime {
    const KIND: &'static str = "Faketime";
    const DOMAIN: &'static str = DOMAIN;

    fn ask(subject: &Subject<'_>) -> Result<Ask, Rejection> {
        Ok(wishes::ask(subject.pod))
    }

    fn rules(&mut self) -> Rules {
        Rules {
            matching: std::mem::take(&mut self.matching),
            failure_policy: self.failure_policy,
            // Nobody gets another time without asking.
            by_default: false,
        }
    }
}

impl Mutator for Faketime {
    fn mutate(
        &self,
        subject: &Subject<'_>,
        draft: &mut Draft<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Vec<Rejection>> {
        if let Some(obstacle) = self.forbidden.reason(subject).or_else(|| windows(draft.pod())) {
            return Err(vec![Rejection::new(format!("annotations under {DOMAIN}"), obstacle)]);
        }
        let wishes = wishes::read(self, draft.pod())?;
        let mut rejections = Vec::new();
        // The copying container goes in front of the others, so it is there before they are counted.
        rejections
            .extend(self.delivery.deliver(&self.mount_path, subject.view, draft).err().into_iter().flatten());
        let mut hiding = Vec::new();
        for wish in &wishes {
            match self.serve(wish, draft) {
                Ok(true) => hiding.push(wish.container.as_str()),
                Ok(false) => {}
                Err(found) => rejections.extend(found),
            }
        }
        if !rejections.is_empty() {
            return Err(rejections);
        }
        if !hiding.is_empty() {
            warnings.push(format!(
                "LD_PRELOAD of {} no longer has what the image or envFrom may put there; write that into env",
                hiding.join(", ")
            ));
        }
        Ok(self.facts(&wishes))
    }

    fn own_containers<'p>(&self, pod: &'p Pod) -> Vec<&'p str> {
        pod.containers_in(Group::Init).filter(delivery::is_ours).map(|container| container.name()).collect()
    }
}

impl Faketime {
    fn serve(&self, wish: &Wish, draft: &mut Draft<'_>) -> Result<bool, Vec<Rejection>> {
        let Some(library) = self.libraries.get(&wish.libc) else {
            let (libc, known) = (wish.libc.as_str(), self.libraries.keys().map(|libc| libc.as_str()));
            let known = known.collect::<Vec<_>>().join(", ");
            let message = format!(
                "the policy has no library for {libc}, which container {} needs; it has: {known}",
                wish.container
            );
            return Err(vec![Rejection::new(format!("annotation {}", wish.key), message)]);
        };
        environment::give(wish, &library.path(&self.mount_path, wish.threads), &self.mount_path, draft)
    }

    fn facts(&self, wishes: &[Wish]) -> Map<String, Value> {
        let times: BTreeSet<_> = wishes.iter().map(|wish| wish.time.as_str()).collect();
        let containers: BTreeMap<_, _> =
            wishes.iter().map(|wish| (wish.container.as_str(), wish.time.as_str())).collect();
        Map::from_iter([
            ("time".to_owned(), json!(times)),
            ("containers".to_owned(), json!(containers)),
            ("delivery".to_owned(), self.delivery.as_str().into()),
        ])
    }
}

impl Forbidden {
    /// Why the Pod may not have another time, if it may not.
    fn reason(&self, subject: &Subject<'_>) -> Option<String> {
        let namespace = subject.namespace;
        let by = match self.namespaces.iter().find(|glob| glob.matches(namespace)) {
            Some(glob) => format!("forbidden.namespaces holds {:?}", glob.to_string()),
            None => {
                let selector = self.namespace_selector.as_ref()?;
                match selector.mismatch(|key| subject.namespace_label(key)) {
                    None => "forbidden.namespaceSelector holds for its labels".to_owned(),
                    // A label that cannot be seen may be the one that forbids it.
                    Some(key) if subject.namespace_labels.is_none() && key != NAMESPACE_NAME_LABEL => {
                        format!(
                            "its label {key:?}, which forbidden.namespaceSelector asks for, is not known here"
                        )
                    }
                    Some(_) => return None,
                }
            }
        };
        let whom = self.owner.as_ref().map_or("the cluster team", NonEmpty::as_str);
        Some(format!(
            "the Faketime policy forbids another time in namespace {namespace:?}: {by}; remove the annotations, or \
             ask {whom}"
        ))
    }
}

/// Windows has no `LD_PRELOAD`.
fn windows(pod: &Pod) -> Option<String> {
    let os = pod.spec("os").and_then(|os| os.get("name")).and_then(Node::as_str);
    let label =
        pod.spec("nodeSelector").and_then(|labels| labels.get("kubernetes.io/os")).and_then(Node::as_str);
    [os, label].contains(&Some("windows")).then(|| {
        "libfaketime cannot run on Windows, and this Pod asks for a node with it; remove the annotations"
            .to_owned()
    })
}

fn yes() -> bool {
    true
}
