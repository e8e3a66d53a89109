//! The policy set: every policy in force, loaded with located errors, compiled and exchanged as a whole.

mod lines;
mod load;
pub mod reload;
pub mod single;

pub use load::{LoadError, LoadErrors, Texts};

use std::path::PathBuf;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::policy::Own;
use crate::{mutators, validators};

/// Every policy in force, compiled.
#[derive(Debug, Default)]
pub struct PolicySet {
    /// Names the set's content: equal sets have equal generations, on every replica.
    pub generation: String,
    mutators: Vec<mutators::Policy>,
    validators: Vec<validators::Policy>,
    own: Vec<Own>,
}

/// Searches every Pod for what all of our annotations hold; made once, for that takes a third of a search.
static ROOT: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(mutators::annotations::ROOT));

/// The policies that ship in the binary, by file name.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("policies/calico-addresses.yaml", include_str!("../../policies/calico-addresses.yaml")),
    ("policies/faketime.yaml", include_str!("../../policies/faketime.yaml")),
    ("policies/fixed-ip.yaml", include_str!("../../policies/fixed-ip.yaml")),
    ("policies/filebeat.yaml", include_str!("../../policies/filebeat.yaml")),
    ("policies/sidecar.yaml", include_str!("../../policies/sidecar.yaml")),
    ("policies/host-namespaces.yaml", include_str!("../../policies/host-namespaces.yaml")),
    ("policies/host-path.yaml", include_str!("../../policies/host-path.yaml")),
    ("policies/host-port.yaml", include_str!("../../policies/host-port.yaml")),
    ("policies/probes.yaml", include_str!("../../policies/probes.yaml")),
    ("policies/lxcfs.yaml", include_str!("../../policies/lxcfs.yaml")),
];

impl PolicySet {
    /// The policies that ship in the binary.
    ///
    /// # Errors
    /// Never in practice: a test holds that the shipped policies load.
    pub fn embedded() -> Result<Self, LoadErrors> {
        load::texts(EMBEDDED.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())))
    }

    /// Compiles every policy of these texts, each with the name that errors give it.
    ///
    /// # Errors
    /// When one holds no policy, or a policy in it is wrong; every error names text, line and column.
    pub fn of_texts(texts: impl IntoIterator<Item = (String, String)>) -> Result<Self, LoadErrors> {
        load::texts(texts)
    }

    /// Loads every policy of these files and folders; of a folder its `*.yaml` and `*.yml`, not those below it.
    ///
    /// # Errors
    /// When one cannot be read, holds no policy, or a policy in it is wrong; every error names file, line and column.
    pub fn load(paths: &[PathBuf]) -> Result<Self, LoadErrors> {
        Texts::read(paths).compile()
    }

    /// The policies of mutators, in the order in which they run; of one kind by name.
    #[must_use]
    pub fn mutators(&self) -> &[mutators::Policy] {
        &self.mutators
    }

    /// The policies of validators, by kind and name.
    #[must_use]
    pub fn validators(&self) -> &[validators::Policy] {
        &self.validators
    }

    /// What the policies of mutators add to Pods, as far as validators must know it.
    #[must_use]
    pub fn own(&self) -> &[Own] {
        &self.own
    }

    /// Whether a Pod of this namespace may concern any policy: what can be told before the Pod is parsed.
    ///
    /// Every annotation that steers a mutator holds our root as plain text, as does a status that must not stay.
    #[must_use]
    pub fn may_concern(&self, namespace: &str, pod: &str) -> bool {
        self.validators.iter().any(|policy| policy.rules.matching.admits_namespace(namespace))
            || self.mutators.iter().any(|policy| policy.may_serve_by_default(namespace, pod))
            || ROOT.find(pod.as_bytes()).is_some()
    }
}
