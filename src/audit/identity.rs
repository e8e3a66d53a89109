//! What names a finding from one report to the next.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::report::{Location, RuleName};

/// Names findings: by rule, workload, and field without its indexes, counted. So the name stays while lines move, the
/// words of a policy change and lists grow, and two alike on one workload stay two.
#[derive(Debug, Default)]
pub(super) struct Identities(HashMap<[u8; 8], u64>);

impl Identities {
    /// The name of the next finding of a rule in a field.
    pub(super) fn next(&mut self, rule: &RuleName, at: &Location, field: &str) -> String {
        let field = field.split(['[', ']']).step_by(2).collect::<Vec<_>>().join("[]");
        let parts: [&str; 6] =
            [&rule.kind, &rule.policy, &at.namespace, &at.workload.kind, &at.workload.name, &field];
        let count = self.0.entry(digest(&parts, 0)).or_default();
        *count += 1;
        format!("{:016x}", u64::from_be_bytes(digest(&parts, *count)))
    }
}

fn digest(parts: &[&str], count: u64) -> [u8; 8] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(count.to_le_bytes());
    let mut short = [0; 8];
    short.iter_mut().zip(hash.finalize()).for_each(|(short, byte)| *short = byte);
    short
}
