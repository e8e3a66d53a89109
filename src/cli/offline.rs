//! What the webhook would decide in the cluster, from files alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::documents::Stream;
use super::exit::BadInput;
use crate::engine::{Decision, Offline};
use crate::pod::Object;
use crate::policy_set::{LoadErrors, PolicySet};
use crate::validators::Violation;
use crate::view::{ClaimName, Maker, NodeVolume, SetName, StatefulSet, Version, View, VolumeSpec};

/// What decisions are made from.
#[derive(Debug, clap::Args)]
pub(super) struct OfflineArgs {
    /// Files and folders of policies [default: those that ship with Podwright]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    policies: Vec<PathBuf>,

    /// The namespace of objects that name none
    #[arg(short, long, default_value = "default")]
    namespace: String,

    /// The version of the cluster, API server and nodes alike; left out it is unknown, and the cautious way is taken
    #[arg(long, value_name = "1.33")]
    kubernetes_version: Option<Version>,

    /// The day that exemptions are held against, such as 2027-06-30 [default: today]
    #[arg(long, value_name = "DATE")]
    now: Option<Now>,
}

impl OfflineArgs {
    /// Loads the policies, and learns of the cluster what the manifests tell.
    ///
    /// # Errors
    /// When a policy is wrong.
    pub(super) fn load(&self, streams: &[Stream]) -> Result<Offline, BadInput> {
        let mut known = Known::default();
        for document in streams.iter().flat_map(|stream| &stream.documents) {
            self.learn(&document.value, &mut known);
        }
        self.load_with(known)
    }

    /// Learns of the cluster what a document tells.
    pub(super) fn learn(&self, document: &Value, known: &mut Known) {
        for object in Object::all(document) {
            known.namespaces.extend(namespace(&object));
            if let Some((name, set)) = stateful_set(&object, &self.namespace) {
                known.stateful_sets.insert(name, set);
            }
            if let Some((name, volume)) = node_volume(&object) {
                known.node_volumes.insert(volume.claim.clone(), (name, volume));
            }
        }
    }

    /// Loads the policies, for a cluster of which this is known.
    ///
    /// # Errors
    /// When a policy is wrong.
    pub(super) fn load_with(&self, known: Known) -> Result<Offline, BadInput> {
        Ok(Offline {
            policies: Arc::new(policies(&self.policies).map_err(|errors| located(&errors))?),
            view: View {
                api_server: self.kubernetes_version.or(known.version),
                oldest_kubelet: self.kubernetes_version.or(known.version),
                namespaces: Arc::new(known.namespaces),
                stateful_sets: known.stateful_sets.into_iter().collect(),
                node_volumes: Arc::new(known.node_volumes),
                ..View::default()
            },
            now: Now::or_present(self.now.as_ref()),
            namespace: self.namespace.clone(),
        })
    }
}

/// The policies of these files and folders; those that ship with Podwright where there are none.
pub(super) fn policies(paths: &[PathBuf]) -> Result<PolicySet, LoadErrors> {
    if paths.is_empty() { PolicySet::embedded() } else { PolicySet::load(paths) }
}

/// Every error on a line of its own.
pub(super) fn located(errors: &LoadErrors) -> BadInput {
    BadInput(errors.0.iter().map(ToString::to_string).collect())
}

/// The warnings that are no violations: those are told with their field.
pub(super) fn plain_warnings(decision: &Decision) -> impl Iterator<Item = &String> {
    let violations: HashSet<_> = decision.violations.iter().map(Violation::brief).collect();
    decision.warnings.iter().filter(move |warning| !violations.contains(*warning))
}

/// What manifests, or a cluster itself, tell of the cluster.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Its version, where nobody says another.
    pub(super) version: Option<Version>,
    namespaces: HashMap<String, Labels>,
    stateful_sets: HashMap<SetName, Arc<StatefulSet>>,
    node_volumes: HashMap<ClaimName, (String, NodeVolume)>,
}

impl Known {
    /// Of a cluster of this version.
    pub(super) fn of(version: Option<Version>) -> Self {
        Self { version, ..Self::default() }
    }
}

type Labels = Arc<BTreeMap<String, String>>;

/// The kinds that tell of the cluster: a text without any of these words tells nothing.
pub(super) const TELLING: &[&str] = &["Namespace", "StatefulSet", "PersistentVolume"];

fn stateful_set(object: &Object<'_>, default_namespace: &str) -> Option<(SetName, Arc<StatefulSet>)> {
    let maker = Maker::of(object.group, object.kind)?;
    let namespace = object.metadata("namespace").unwrap_or(default_namespace).to_owned();
    let name = SetName { maker, namespace, name: object.metadata("name")?.to_owned() };
    Some((name, Arc::new(StatefulSet::read(object.value))))
}

/// A PersistentVolume that is a path of a node and bound to a claim, and its name.
fn node_volume(object: &Object<'_>) -> Option<(String, NodeVolume)> {
    if object.kind != "PersistentVolume" || !object.group.is_empty() {
        return None;
    }
    Some((object.metadata("name")?.to_owned(), VolumeSpec::read(object.value).node_volume()?))
}

/// A Namespace's name and labels.
fn namespace(object: &Object<'_>) -> Option<(String, Labels)> {
    if object.kind != "Namespace" || !object.group.is_empty() {
        return None;
    }
    let labels = object.value.pointer("/metadata/labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let texts = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    Some((object.metadata("name")?.to_owned(), Arc::new(texts.collect())))
}

/// A day, or a point in time.
#[derive(Debug, Clone)]
pub(super) struct Now(Timestamp);

impl Now {
    /// The time that was given, else the present.
    pub(super) fn or_present(given: Option<&Self>) -> Timestamp {
        given.map_or_else(Timestamp::now, |now| now.0)
    }
}

impl FromStr for Now {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp());
        text.parse().ok().or_else(day).map(Self).ok_or_else(|| "expected a day such as 2027-06-30".to_owned())
    }
}
