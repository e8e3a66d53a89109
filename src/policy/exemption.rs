//! Exemptions: named, reasoned, expiring exceptions inside a policy, never an annotation.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::matching::Match;
use super::subject::Subject;
use super::text::NonEmpty;

/// An exception to a policy.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// Its name, for records and reports.
    pub name: NonEmpty,
    /// The Pods that it is about.
    #[serde(rename = "match")]
    pub matching: Match,
    /// Why it is granted.
    pub reason: NonEmpty,
    /// Who answers for it.
    pub owner: NonEmpty,
    /// The last day, in UTC, on which it counts: `2027-06-30`.
    #[schemars(with = "String", regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub expires: Date,
}

/// How an exemption stands to a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not about this Pod.
    Elsewhere,
    /// It is about this Pod, and in force.
    InForce,
    /// It is about this Pod, but past its day.
    Expired,
}

impl Exemption {
    /// How it stands to a Pod at a time.
    #[must_use]
    pub fn standing(&self, subject: &Subject<'_>, now: Timestamp) -> Standing {
        if !self.matching.selects(subject) {
            Standing::Elsewhere
        } else if now.to_zoned(TimeZone::UTC).date() > self.expires {
            Standing::Expired
        } else {
            Standing::InForce
        }
    }
}
