//! The cluster view: the facts about the cluster that a decision may need, as plain data.
//!
//! Watches fill it while serving; files fill it on the command line; a decision only reads it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Since when they need no feature gate (KEP-753).
const NATIVE_SIDECARS: Version = Version::v1(29);

/// What is known of the cluster. An empty view knows nothing, and a decision then takes the cautious way.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The API server's version, once known.
    pub api_server: Option<Version>,
    /// The oldest kubelet of all nodes, once known; a cluster without nodes has none.
    pub oldest_kubelet: Option<Version>,
    /// The labels of every Namespace, by its name. Each is shared, so that the next view can be made without a copy
    /// of them all.
    pub namespaces: Arc<HashMap<String, Arc<BTreeMap<String, String>>>>,
}

impl View {
    /// Whether init containers can run beside the app everywhere, by `restartPolicy: Always`. An older kubelet would
    /// wait for ever for one that never ends.
    #[must_use]
    pub fn has_native_sidecars(&self) -> bool {
        self.all_at_least(NATIVE_SIDECARS)
    }

    /// Whether every part of the cluster is known to be at least of this version.
    #[must_use]
    pub fn all_at_least(&self, version: Version) -> bool {
        let at_least = |known: Option<Version>| known.is_some_and(|known| known >= version);
        at_least(self.api_server) && at_least(self.oldest_kubelet)
    }
}

/// A Kubernetes version, as far as behaviour depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Always 1 so far.
    pub major: u32,
    /// What is usually meant by "the version".
    pub minor: u32,
}

impl Version {
    /// The version 1.`minor`.
    #[must_use]
    pub const fn v1(minor: u32) -> Self {
        Self { major: 1, minor }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}

/// A version that does not read as one.
#[derive(Debug, thiserror::Error)]
#[error("reading the Kubernetes version {0:?}: expected the form v1.29.3")]
pub struct VersionError(String);

impl FromStr for Version {
    type Err = VersionError;

    /// Reads `v1.29.3`, `1.29`, and vendors' forms such as `v1.29.3-gke.1` and `1.29+`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: Option<&str>| {
            let digits: String = part?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        };
        let mut parts = text.trim().trim_start_matches('v').split('.');
        match (number(parts.next()), number(parts.next())) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(VersionError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_every_vendor_read() {
        for (text, minor) in [("v1.29.3", 29), ("1.20", 20), ("v1.33.1-gke.100", 33), ("v1.30+", 30)] {
            assert_eq!(text.parse::<Version>().unwrap(), Version::v1(minor), "{text}");
        }
        assert!("latest".parse::<Version>().is_err());
    }

    #[test]
    fn an_unknown_cluster_is_never_new_enough() {
        assert!(!View::default().all_at_least(Version::v1(0)));
        let view = View {
            api_server: Some(Version::v1(30)),
            oldest_kubelet: Some(Version::v1(28)),
            ..View::default()
        };
        assert!(!view.all_at_least(Version::v1(29)));
        assert!(view.all_at_least(Version::v1(28)));
    }
}
