//! Versions of Kubernetes.

use std::fmt;
use std::str::FromStr;

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
}
