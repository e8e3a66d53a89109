//! What is decided: Pods of a ReplicaSet and of a StatefulSet, as the API server asks about them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use podwright::engine::Decision;
use podwright::policy_set::PolicySet;
use podwright::view::{ADDRESSES, Maker, SetName, StatefulSet, View};
use serde_json::{Value, json};

use super::pods::{EVERYTHING, JUDGES, OWNER_UID, of_a_stateful_set, pod, review, with_logs};

/// One review, what it is decided by, and what comes of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) review: String,
    pub(crate) policies: PolicySet,
    pub(crate) view: View,
    /// The kinds of mutators that have something to do.
    made: &'static [&'static str],
}

pub(crate) fn cases() -> Vec<Case> {
    let embedded = || PolicySet::embedded().unwrap();
    let plain = pod("shop", 1, 20);
    let logging = with_logs("shop");
    let everything = of_a_stateful_set(logging.clone());
    vec![
        Case::new("unselected", &pod("kube-system", 1, 20), embedded(), &[]),
        Case::new("judged", &plain, load(JUDGES), &[]),
        Case::new("filebeat", &logging, embedded(), &["Filebeat"]),
        Case::new("everything", &everything, load(EVERYTHING), &["Filebeat", "FixedIP", "LXCFS", "Faketime"]),
        Case::new("large", &pod("shop", 12, 60), load(JUDGES), &[]),
    ]
}

impl Case {
    fn new(name: &'static str, pod: &Value, policies: PolicySet, made: &'static [&'static str]) -> Self {
        Self { name, review: review(pod).to_string(), policies, view: view(), made }
    }

    /// What is measured has to be right.
    pub(crate) fn check(&self, decision: &Decision) {
        let made: Vec<_> = decision.made().iter().map(|mutation| mutation.kind).collect();
        assert_eq!((&decision.refusal, &decision.fault), (&None, &None), "{}", self.name);
        assert_eq!((made.as_slice(), decision.violations.len()), (self.made, 0), "{}", self.name);
    }
}

fn load(files: &[&str]) -> PolicySet {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<PathBuf> = files.iter().map(|file| root.join(file)).collect();
    PolicySet::load(&files).unwrap()
}

/// A cluster with one StatefulSet that lists addresses.
fn view() -> View {
    let set = json!({"metadata": {"uid": OWNER_UID, "annotations": {ADDRESSES: "10.20.9.10-10.20.9.12"}}, "spec": {"replicas": 3}});
    let name = SetName { maker: Maker::Kubernetes, namespace: "shop".to_owned(), name: "shop".to_owned() };
    View {
        is_watched: true,
        stateful_sets: [(name, Arc::new(StatefulSet::read(&set)))].into_iter().collect(),
        ..View::default()
    }
}
