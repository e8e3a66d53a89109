//! What became of a policy, as its status says it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy_set::single::{Revision, Verdict};
use crate::telemetry::text::clip;

/// The version that says so.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The longest message, in bytes: it is a cell of a table.
const LONGEST_MESSAGE: usize = 1024;
const ACCEPTED: &str = "Accepted";

/// The status of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) conditions: Vec<Condition>,
    pub(super) observed_generation: i64,
    pub(super) policy_set_generation: String,
    pub(super) version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_accepted: Option<Revision>,
}

/// A condition, as Kubernetes has them everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) observed_generation: i64,
    pub(super) last_transition_time: String,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Status {
    /// What a status says; nothing, if it is none of ours.
    pub(super) fn read(status: &Value) -> Self {
        Self::deserialize(status).unwrap_or_default()
    }

    /// What is to be said of a policy in this set, which so far has the status `before`.
    pub(super) fn of(verdict: &Verdict, now: &Revision, set: &str, before: &Self, at: Timestamp) -> Self {
        let (status, reason, message) = match verdict {
            // Not empty: an API server as old as 1.20 makes null of an empty text that is applied.
            Verdict::Accepted => ("True", "InForce", "in force".to_owned()),
            Verdict::Refused { error, in_force } => {
                let room = LONGEST_MESSAGE - 100;
                ("False", "Refused", format!("{}; {}", clip(error, room), what_stays(in_force.as_ref())))
            }
        };
        let since = before.accepted().filter(|condition| condition.status == status);
        let since = since.map(|condition| condition.last_transition_time.clone());
        let at = || format!("{at:.0}");
        Self {
            conditions: vec![Condition {
                kind: ACCEPTED.to_owned(),
                status: status.to_owned(),
                observed_generation: now.generation,
                last_transition_time: since.filter(|since| !since.is_empty()).unwrap_or_else(at),
                reason: reason.to_owned(),
                message,
            }],
            observed_generation: now.generation,
            policy_set_generation: set.to_owned(),
            version: VERSION.to_owned(),
            last_accepted: match verdict {
                Verdict::Accepted => Some(now.clone()),
                Verdict::Refused { in_force, .. } => newest(in_force.as_ref(), before.last_accepted.as_ref()),
            },
        }
    }

    /// Whether it says the same, be it since another time.
    pub(super) fn says_as(&self, other: &Self) -> bool {
        let timeless = |status: &Self| {
            let mut status = status.clone();
            for condition in &mut status.conditions {
                condition.last_transition_time.clear();
            }
            status
        };
        timeless(self) == timeless(other)
    }

    /// Whether it was said of this generation, by this version or a newer one.
    pub(super) fn stands(&self, generation: i64) -> bool {
        self.accepted().is_some_and(|condition| condition.observed_generation == generation)
            && number(&self.version) >= number(VERSION)
    }

    fn accepted(&self) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == ACCEPTED)
    }
}

/// What is in force of a policy that is refused.
pub(super) fn what_stays(in_force: Option<&Revision>) -> String {
    match in_force {
        Some(revision) => format!("generation {} stays in force", revision.generation),
        None => "nothing of this policy is in force".to_owned(),
    }
}

/// What a newer version of Podwright has accepted stays for it, though it says nothing to this one.
fn newest(one: Option<&Revision>, other: Option<&Revision>) -> Option<Revision> {
    one.into_iter().chain(other).max_by_key(|revision| revision.generation).cloned()
}

/// A version as numbers; what is none counts for nothing.
fn number(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn revision(generation: i64) -> Revision {
        Revision { generation, document: "{}".to_owned() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_status_tells_what_stays_in_force_and_since_when_it_is_so() {
        let first = Status::of(&Verdict::Accepted, &revision(1), "abc", &Status::default(), at(0));
        assert_eq!(first.last_accepted, Some(revision(1)));
        let refused = Verdict::Refused { error: "spec.a: no".to_owned(), in_force: Some(revision(1)) };
        let second = Status::of(&refused, &revision(2), "abc", &first, at(60));
        let third = Status::of(&refused, &revision(3), "abd", &second, at(120));
        let condition = &third.conditions[0];
        assert_eq!(
            serde_json::to_value(condition).unwrap(),
            json!({
                "type": "Accepted", "status": "False", "observedGeneration": 3, "reason": "Refused",
                "lastTransitionTime": "1970-01-01T00:01:00Z", "message": "spec.a: no; generation 1 stays in force",
            })
        );
        assert_eq!((third.observed_generation, third.last_accepted), (3, Some(revision(1))));
        let lost = Verdict::Refused { error: "x".repeat(1 << 20), in_force: None };
        let lost = Status::of(&lost, &revision(2), "abc", &Status::default(), at(0));
        assert!(lost.conditions[0].message.ends_with("; nothing of this policy is in force"));
        assert!(lost.conditions[0].message.len() <= LONGEST_MESSAGE);
    }

    #[test]
    fn the_time_alone_makes_no_other_status() {
        let one = Status::of(&Verdict::Accepted, &revision(1), "abc", &Status::default(), at(0));
        let other = Status::of(&Verdict::Accepted, &revision(1), "abc", &Status::default(), at(9));
        assert!(one != other && one.says_as(&other));
        assert!(!one.says_as(&Status { policy_set_generation: "b".to_owned(), ..other }));
    }

    #[test]
    fn an_older_version_is_contradicted_and_a_newer_one_is_not() {
        let mut status = Status::of(&Verdict::Accepted, &revision(1), "abc", &Status::default(), at(0));
        for (version, stands) in [("0.0.9", false), (VERSION, true), ("999.0.0", true), ("", false)] {
            version.clone_into(&mut status.version);
            assert_eq!(status.stands(1), stands, "{version}");
        }
        assert!(!status.stands(2) && !Status::default().stands(0));
    }

    #[test]
    fn a_status_of_whatever_shape_is_read() {
        let status = Status::of(&Verdict::Accepted, &revision(1), "abc", &Status::default(), at(0));
        assert_eq!(Status::read(&serde_json::to_value(&status).unwrap()), status);
        for odd in [json!(null), json!({"conditions": 1}), json!([])] {
            assert_eq!(Status::read(&odd), Status::default());
        }
    }
}
