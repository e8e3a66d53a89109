//! From when until when a certificate is valid.

use std::fmt;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// From when until when a certificate is valid, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub begins: Timestamp,
    /// The last second.
    pub ends: Timestamp,
}

/// Where a moment lies to a certificate's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before it.
    NotYet,
    /// Within it.
    Valid,
    /// After it.
    Ended,
}

impl Validity {
    /// That of the server's own certificate; `None` where it cannot be read.
    #[must_use]
    pub fn of(certified: &CertifiedKey) -> Option<Self> {
        Self::of_certificate(certified.end_entity_cert().ok()?)
    }

    /// That of any certificate, in DER; `None` where it cannot be read.
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        let [begins, ends] = [validity.not_before, validity.not_after]
            .map(|time| Timestamp::from_second(time.timestamp()).ok());
        Some(Self { begins: begins?, ends: ends? })
    }

    /// Where `now` lies.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Phase {
        if now < self.begins {
            Phase::NotYet
        } else if now.as_second() > self.ends.as_second() {
            Phase::Ended
        } else {
            Phase::Valid
        }
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "from {} to {}", self.begins, self.ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_within() {
        let [begins, ends] = [1_000, 2_000].map(|second| Timestamp::from_second(second).unwrap());
        let validity = Validity { begins, ends };
        for (second, phase) in
            [(999, Phase::NotYet), (1_000, Phase::Valid), (2_000, Phase::Valid), (2_001, Phase::Ended)]
        {
            assert_eq!(validity.at(Timestamp::from_second(second).unwrap()), phase, "{second}");
        }
        assert_eq!(validity.to_string(), "from 1970-01-01T00:16:40Z to 1970-01-01T00:33:20Z");
    }

    #[test]
    fn it_is_read_from_the_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let local = super::super::local::certificate(folder.path()).unwrap();
        let validity = Validity::of(&local.certified).unwrap();
        assert_eq!(validity.at(Timestamp::now()), Phase::Valid);
        assert_eq!(validity.ends.as_second() - validity.begins.as_second(), 366 * 24 * 60 * 60);
    }
}
