//! Policies that come one by one, as custom resources do: each is accepted or refused by itself.
//!
//! Files change as a folder does, so one error leaves the whole set as it was. Resources change one at a time. If one
//! that is wrong held up all others, the next exemption could not be granted; if it took its own rule away, a typo would
//! switch off a rule. So its last accepted state stands in for it, and the others go on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::load::{self, LoadError};
use super::{LoadErrors, PolicySet, lines};
use crate::policy::API_VERSION;

/// The most policies that are in force together.
pub const MOST_POLICIES: usize = 1000;
/// The longest policy, in bytes: the API server keeps it twice in 1.5 MiB, as what it says and as what was accepted.
pub const LONGEST_POLICY: usize = 256 * 1024;
/// How long all policies that are in force may be together, in bytes.
pub const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What one policy says at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Counts the changes of the policy.
    pub generation: i64,
    /// The whole of it, as it is loaded.
    pub document: String,
}

/// One policy, and what it said before.
#[derive(Debug)]
pub struct Single<'a> {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: &'a str,
    /// What it says.
    pub now: &'a Revision,
    /// What it said when it was accepted, as far as that is known, the best first.
    pub before: Vec<&'a Revision>,
}

/// What became of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in force.
    Accepted,
    /// It is wrong.
    Refused {
        /// Where, what stands there, what would be right.
        error: String,
        /// What it said before and is in force; none where nothing is.
        in_force: Option<Revision>,
    },
}

impl Revision {
    /// A policy as a custom resource holds it: its fields beside `apiVersion`, `kind`, `metadata` and `status`.
    ///
    /// Of the metadata only the name counts. The rest is the API server's or the keepers', and the API server has
    /// checked it; what stands beside `spec` by mistake is refused.
    #[must_use]
    pub fn of_resource(kind: &str, name: &str, generation: i64, fields: &Value) -> Self {
        let mut policy = Map::from_iter([
            ("apiVersion".to_owned(), json!(API_VERSION)),
            ("kind".to_owned(), json!(kind)),
            ("metadata".to_owned(), json!({ "name": name })),
        ]);
        let fields = fields.as_object().into_iter().flatten();
        let fields = fields.filter(|(key, _)| !policy.contains_key(*key) && *key != "status");
        let fields: Vec<_> = fields.map(|(key, value)| (key.clone(), value.clone())).collect();
        policy.extend(fields);
        Self { generation, document: lines::document(Value::Object(policy)) }
    }

    /// Why it does not load, if it does not.
    fn error(&self, kind: &str, name: &str) -> Option<String> {
        if self.document.len() > LONGEST_POLICY {
            return Some(format!("it is longer than {LONGEST_POLICY} bytes; make several policies of it"));
        }
        let errors = load::texts([(place(kind, name), self.document.clone())]).err()?;
        Some(errors.0.iter().map(|error| self.located(error)).collect::<Vec<_>>().join("; "))
    }

    /// An error with its field. People wrote other lines.
    fn located(&self, error: &LoadError) -> String {
        let LoadError::Wrong { line, message, .. } = error else { return error.to_string() };
        match lines::field(&self.document, *line).as_str() {
            "" => message.clone(),
            field => format!("{field}: {message}"),
        }
    }
}

/// Compiles the policies that are accepted, and the last accepted states of those that are not; says what became of
/// each. Those beyond the limits are refused: in this order, the last ones.
///
/// # Errors
/// When the policies contradict each other.
pub fn compile(policies: &[Single<'_>]) -> Result<(PolicySet, Vec<Verdict>), LoadErrors> {
    let (mut texts, mut verdicts, mut bytes) = (Vec::new(), Vec::new(), 0);
    for policy in policies {
        let Single { kind, name, now, before } = policy;
        let has_room = |revision: &Revision| {
            texts.len() < MOST_POLICIES && bytes + revision.document.len() <= MOST_BYTES
        };
        let error = now.error(kind, name);
        let error = error.or_else(|| (!has_room(now)).then(too_many));
        let sound = |revision: &&&Revision| has_room(revision) && revision.error(kind, name).is_none();
        let in_force = match &error {
            None => Some(*now),
            Some(_) => before.iter().find(sound).copied(),
        };
        if let Some(revision) = in_force {
            bytes += revision.document.len();
            texts.push((place(kind, name), revision.document.clone()));
        }
        verdicts.push(match error {
            None => Verdict::Accepted,
            Some(error) => Verdict::Refused { error, in_force: in_force.cloned() },
        });
    }
    Ok((load::texts(texts)?, verdicts))
}

fn too_many() -> String {
    format!("there are too many policies: at most {MOST_POLICIES}, and {MOST_BYTES} bytes in all")
}

fn place(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(generation: i64, spec: &Value) -> Revision {
        let uid = json!({"uid": "u", "managedFields": []});
        let fields = json!({"spec": spec, "status": {"conditions": []}, "metadata": uid});
        Revision::of_resource("HostPath", "a", generation, &fields)
    }

    fn single<'a>(name: &'a str, now: &'a Revision, before: &[&'a Revision]) -> Single<'a> {
        Single { kind: "HostPath", name, now, before: before.to_vec() }
    }

    fn error(policy: &Revision) -> String {
        match compile(&[single("a", policy, &[])]).unwrap().1.remove(0) {
            Verdict::Refused { error, in_force: None } => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_names_the_field_the_value_and_what_would_be_right() {
        let exemption =
            json!({"name": "a", "match": {}, "reason": "r", "owner": "o", "expires": "2027-02-30"});
        for (spec, expected) in [
            (json!({"alowed": []}), "spec.alowed: \"alowed\" is not known here; did you mean \"allowed\"?"),
            (json!({"action": "denny"}), "spec.action: \"denny\" is not known here; did you mean \"deny\"?"),
            (json!({"allowed": [{}, {"pathPrefix": "/a"}]}), "spec.allowed[0]: missing field `pathPrefix`"),
            (
                json!({"match": {"ownerKinds": ["Pod", "Deploymnet"]}}),
                "spec.match.ownerKinds[1]: unknown kind of owner",
            ),
            (json!({"exemptions": [exemption]}), "spec.exemptions[0].expires: "),
            (json!([]), "spec: "),
        ] {
            let error = error(&revision(1, &spec));
            assert!(error.starts_with(expected), "{error}");
        }
        let beside = json!({"spec": {}, "action": "warn"});
        let beside = Revision::of_resource("HostPath", "a", 1, &beside);
        assert!(error(&beside).starts_with("action: \"action\" is not known here"), "{}", error(&beside));
        let long = revision(1, &json!({"action": "x".repeat(LONGEST_POLICY)}));
        assert!(error(&long).starts_with("it is longer than 262144 bytes"), "{}", error(&long));
    }

    #[test]
    fn what_was_accepted_last_stands_in_and_the_others_go_on() {
        let (good, wrong) =
            (revision(1, &json!({"action": "warn"})), revision(2, &json!({"action": "denny"})));
        let older = revision(0, &json!({"action": "audit"}));
        let other = Revision::of_resource("HostPath", "b", 7, &json!({"spec": {}}));
        let both = [single("a", &wrong, &[&wrong, &good, &older]), single("b", &other, &[])];
        let (set, verdicts) = compile(&both).unwrap();
        let actions: Vec<_> = set.validators().iter().map(|policy| policy.rules.action.as_str()).collect();
        assert_eq!(actions, ["warn", "deny"]);
        assert!(
            matches!(&verdicts[0], Verdict::Refused { in_force: Some(revision), .. } if *revision == good)
        );
        assert_eq!(verdicts[1], Verdict::Accepted);
        // Another replica, which has seen the first as it was, decides by the same.
        let (same, _) = compile(&[single("a", &good, &[]), single("b", &other, &[])]).unwrap();
        assert_eq!(set.generation, same.generation);
        // Nothing of it is known: it is left out, not the others.
        let (set, _) = compile(&[single("a", &wrong, &[]), single("b", &other, &[])]).unwrap();
        assert_eq!(set.validators().len(), 1);
    }

    #[test]
    fn what_the_api_server_adds_makes_no_other_policy() {
        let bare = Revision::of_resource("HostPath", "a", 1, &json!({"spec": {"action": "warn"}}));
        assert_eq!(bare, revision(1, &json!({"action": "warn"})));
    }

    #[test]
    fn policies_beyond_the_limit_are_refused_and_the_first_stay() {
        let name = |number: usize| format!("p{number}");
        let revisions: Vec<_> = (0..=MOST_POLICIES)
            .map(|number| Revision::of_resource("HostPath", &name(number), 1, &json!({"spec": {}})))
            .collect();
        let names: Vec<_> = (0..=MOST_POLICIES).map(name).collect();
        let all: Vec<_> = revisions.iter().zip(&names).map(|(now, name)| single(name, now, &[])).collect();
        let (set, verdicts) = compile(&all).unwrap();
        assert_eq!(set.validators().len(), MOST_POLICIES);
        assert!(verdicts[..MOST_POLICIES].iter().all(|verdict| *verdict == Verdict::Accepted));
        assert!(
            matches!(&verdicts[MOST_POLICIES], Verdict::Refused { error, .. } if error.contains("too many"))
        );
    }
}
