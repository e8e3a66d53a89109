//! One record: what one decision did or found, as one line of JSON.
//!
//! It holds names, numbers and sentences, never an object or an environment variable. App teams write much of it, so
//! each text and each list is bounded, and the line with them.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::engine::{self, Decision, Question};
use crate::mutators;
use crate::pod::Workload;
use crate::policy::Action;
use crate::review::{Operation, Text};
use crate::telemetry::metrics::Outcome;
use crate::telemetry::text::{clip, width};
use crate::validators;

/// The longest line, in bytes.
const LINE: usize = 64 * 1024;
/// What holds most lines.
const USUAL_LINE: usize = 1024;
/// What the keys and numbers take of it that every line has.
const FRAME: usize = 2 * 1024;
/// What the keys of one entry of a list take.
const ENTRY: usize = 128;
/// A further entry is begun only where this much is left.
const LAST_ENTRY: usize = 512;
/// The longest list.
const ENTRIES: usize = 64;
/// The longest name of anything: that of a Kubernetes object has at most 253 bytes.
const NAME: usize = 256;
/// The longest field path and the longest fact.
const TEXT: usize = 512;
/// The longest sentence; a Pod's author has written part of it.
const SENTENCE: usize = 2 * 1024;
/// How deep facts may lie in each other.
const DEPTH: usize = 4;

/// What one decision did or found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record<'a> {
    time: String,
    uid: Cow<'a, str>,
    endpoint: &'static str,
    operation: Operation,
    dry_run: bool,
    user: Cow<'a, str>,
    kind: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub_resource: Cow<'a, str>,
    namespace: Cow<'a, str>,
    /// Empty while the API server has yet to make one.
    #[serde(skip_serializing_if = "str::is_empty")]
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<Owner<'a>>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal<'a>>,
    /// That our own edits were dropped. Why is in the log: the reason may quote the object.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fault: bool,
    generation: Cow<'a, str>,
    violations: Vec<Violation<'a>>,
    mutations: Vec<Mutation<'a>>,
    exemptions: Vec<Exemption<'a>>,
    /// How many entries of lists are left out.
    #[serde(skip_serializing_if = "is_none")]
    omitted: usize,
    warnings: usize,
    micros: u64,
}

#[derive(Debug, Serialize)]
struct Owner<'a> {
    kind: Cow<'a, str>,
    group: Cow<'a, str>,
    name: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
struct Refusal<'a> {
    code: u16,
    message: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
struct Violation<'a> {
    kind: &'static str,
    policy: Cow<'a, str>,
    action: Action,
    field: Cow<'a, str>,
    message: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exemption: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expired: Vec<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
struct Mutation<'a> {
    kind: &'static str,
    policy: Cow<'a, str>,
    facts: Fact<'a>,
}

/// What a mutator told, cut to what the line has room for.
#[derive(Debug)]
enum Fact<'a> {
    Text(Cow<'a, str>),
    /// Neither text nor list.
    Plain(&'a Value),
    List(Vec<Fact<'a>>),
    Fields(Vec<(Cow<'a, str>, Fact<'a>)>),
}

/// An exemption that let something pass.
#[derive(Debug, Serialize)]
struct Exemption<'a> {
    kind: &'static str,
    policy: Cow<'a, str>,
    name: Cow<'a, str>,
}

impl<'a> Record<'a> {
    /// The record of a decision, if it did or found something.
    #[must_use]
    pub fn of(
        question: &Question<'a>,
        decision: &'a Decision,
        outcome: Outcome,
        took: Duration,
    ) -> Option<Self> {
        if !decision.is_notable() {
            return None;
        }
        let request = question.request;
        let mut room = Room { left: LINE - FRAME, omitted: 0 };
        let optional = |text: &'a Option<Text<'a>>| text.as_deref().unwrap_or_default();
        Some(Self {
            time: format!("{:.6}", question.now),
            uid: room.text(&request.uid, NAME),
            endpoint: question.endpoint.as_str(),
            operation: request.operation,
            dry_run: request.dry_run.unwrap_or(false),
            user: room.text(optional(&request.user_info.username), TEXT),
            kind: room.text(&request.kind.kind, NAME),
            sub_resource: room.text(optional(&request.sub_resource), NAME),
            namespace: room.text(optional(&request.namespace), NAME),
            name: room.text(optional(&request.name), NAME),
            workload: decision.workload.as_ref().map(|workload| room.owner(workload)),
            outcome: outcome.as_str(),
            refusal: decision.refusal.as_ref().map(|refusal| room.refusal(refusal)),
            fault: decision.fault.is_some(),
            generation: room.text(&decision.generation, NAME),
            // The few come first, so that the many do not take their room.
            mutations: room.list(decision.made().iter(), Room::mutation),
            exemptions: room.exemptions(&decision.violations),
            violations: room.list(decision.violations.iter(), Room::violation),
            omitted: room.omitted,
            warnings: decision.warnings.len(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        })
    }

    /// The line, with its end.
    ///
    /// # Errors
    /// Never in practice: strings, numbers and lists of them always serialize.
    pub fn to_line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = Vec::with_capacity(USUAL_LINE);
        serde_json::to_writer(&mut line, self)?;
        line.push(b'\n');
        Ok(line)
    }
}

impl Serialize for Fact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Plain(plain) => plain.serialize(serializer),
            Self::List(entries) => entries.serialize(serializer),
            Self::Fields(fields) => serializer.collect_map(fields.iter().map(|(name, fact)| (name, fact))),
        }
    }
}

/// What is left of the line for texts and lists.
struct Room {
    left: usize,
    omitted: usize,
}

impl Room {
    fn text<'a>(&mut self, text: &'a str, most: usize) -> Cow<'a, str> {
        let clipped = clip(text, most.min(self.left));
        // Its quotes, and what parts it from the next.
        self.take(width(&clipped) + 4);
        clipped
    }

    fn list<T, U>(
        &mut self,
        all: impl ExactSizeIterator<Item = T>,
        entry: impl Fn(&mut Self, T) -> U,
    ) -> Vec<U> {
        let (all_len, mut taken) = (all.len(), Vec::new());
        for one in all.take(ENTRIES) {
            if self.left < LAST_ENTRY {
                break;
            }
            self.take(ENTRY);
            taken.push(entry(self, one));
        }
        self.omitted += all_len - taken.len();
        taken
    }

    fn owner<'a>(&mut self, workload: &'a Workload) -> Owner<'a> {
        Owner {
            kind: self.text(&workload.kind, NAME),
            group: self.text(&workload.group, NAME),
            name: self.text(&workload.name, NAME),
        }
    }

    fn refusal<'a>(&mut self, refusal: &'a engine::Refusal) -> Refusal<'a> {
        Refusal { code: refusal.code, message: self.text(&refusal.message, SENTENCE) }
    }

    fn violation<'a>(&mut self, violation: &'a validators::Violation) -> Violation<'a> {
        Violation {
            kind: violation.kind,
            policy: self.text(&violation.policy, NAME),
            action: violation.action,
            field: self.text(&violation.finding.path, TEXT),
            message: self.text(&violation.finding.message, SENTENCE),
            exemption: violation.exemption.as_ref().map(|name| self.text(name, NAME)),
            expired: self.list(violation.expired.iter(), |room, expired| room.text(expired, TEXT)),
        }
    }

    /// Each exemption that let something pass, once.
    fn exemptions<'a>(&mut self, violations: &'a [validators::Violation]) -> Vec<Exemption<'a>> {
        let mut used = Vec::new();
        for violation in violations {
            let exemption = violation.exemption.as_deref();
            used.extend(exemption.map(|name| (violation.kind, violation.policy.as_str(), name)));
        }
        used.sort_unstable();
        used.dedup();
        self.list(used.into_iter(), |room, (kind, policy, name)| Exemption {
            kind,
            policy: room.text(policy, NAME),
            name: room.text(name, NAME),
        })
    }

    fn mutation<'a>(&mut self, mutation: &'a mutators::Mutation) -> Mutation<'a> {
        Mutation {
            kind: mutation.kind,
            policy: self.text(&mutation.policy, NAME),
            facts: self.object(&mutation.facts, DEPTH),
        }
    }

    fn fact<'a>(&mut self, fact: &'a Value, depth: usize) -> Fact<'a> {
        match fact {
            Value::String(text) => Fact::Text(self.text(text, TEXT)),
            Value::Array(entries) if depth > 0 => {
                Fact::List(self.list(entries.iter(), |room, entry| room.fact(entry, depth - 1)))
            }
            Value::Object(fields) if depth > 0 => self.object(fields, depth - 1),
            Value::Array(_) | Value::Object(_) => Fact::Text(self.text("…", TEXT)),
            plain => Fact::Plain(plain),
        }
    }

    fn object<'a>(&mut self, fields: &'a Map<String, Value>, depth: usize) -> Fact<'a> {
        let field = |room: &mut Self, (name, fact): (&'a String, &'a Value)| {
            (room.text(name, NAME), room.fact(fact, depth))
        };
        Fact::Fields(self.list(fields.iter(), field))
    }

    const fn take(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none(omitted: &usize) -> bool {
    *omitted == 0
}
