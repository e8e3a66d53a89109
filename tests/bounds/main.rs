//! What a decision may take: whatever a Pod holds, little memory, a short answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic"
)]

mod edge;
mod odd;
mod pods;
mod size;

use jiff::Timestamp;
use libtest_mimic::{Arguments, Trial};
use peak_alloc::PeakAlloc;
use podwright::engine::{Decision, Endpoint, Question, decide};
use podwright::policy_set::PolicySet;
use podwright::review::{GroupVersionKind, Operation, Request, UserInfo};
use podwright::view::View;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::size::Size;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What deciding on one Pod may take: far more than any real Pod takes, far less than a container has.
const MOST_MEMORY_BYTES: usize = 64 * 1024 * 1024;
/// A rendered `filebeat.yml` and a little.
const MOST_ANSWER_BYTES: usize = 400 * 1024;

fn main() {
    let mut arguments = Arguments::from_args();
    // The memory of one at a time.
    arguments.test_threads = Some(1);
    let sizes = [("largest", Size::LARGEST), ("within", Size::WITHIN)];
    let cases = || [pods::CROWDS, pods::TEXTS, pods::HEAPS].into_iter().flatten();
    let trial = |(size_name, size), (name, make): &pods::Case| {
        let make = *make;
        Trial::test(format!("{size_name}::{name}"), move || {
            bounded(&make(size));
            Ok(())
        })
    };
    let mut trials: Vec<_> =
        sizes.iter().flat_map(|size| cases().map(move |case| trial(*size, case))).collect();
    trials.extend(odd::CASES.iter().map(|case| {
        Trial::test(format!("odd::{}", case.0), || {
            odd::is_answered(case);
            Ok(())
        })
    }));
    trials.extend(edge::CASES.iter().map(|(name, make, expected)| {
        Trial::test(format!("edge::{name}"), || {
            edge::is_refused(&decided(&make(), Endpoint::Mutate), expected);
            Ok(())
        })
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

fn bounded(pod: &Value) {
    for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
        let decision = decided(pod, endpoint);
        let answer = answer(&decision);
        assert!(answer < MOST_ANSWER_BYTES, "{endpoint:?} answered {answer} bytes");
        assert_eq!(decision.fault, None);
    }
}

/// Decides, within the memory that there is for it.
fn decided(pod: &Value, endpoint: Endpoint) -> Decision {
    let policies = PolicySet::embedded().unwrap();
    let raw: Box<RawValue> = RawValue::from_string(pod.to_string()).unwrap();
    let request = Request {
        uid: "uid".into(),
        kind: GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() },
        resource: Default::default(),
        sub_resource: None,
        name: None,
        namespace: Some("team".into()),
        operation: Operation::Create,
        user_info: UserInfo::default(),
        object: Some((&*raw).into()),
        old_object: None,
        dry_run: None,
    };
    let question = Question { endpoint, request: &request, now: Timestamp::UNIX_EPOCH, asked: None };
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let decision = decide(&policies, &View::default(), &question);
    let peak = MEMORY.peak_usage() - before;
    assert!(peak < MOST_MEMORY_BYTES, "{endpoint:?} took {peak} bytes");
    decision
}

/// The bytes that the decision puts into an answer.
fn answer(decision: &Decision) -> usize {
    let refusal = decision.refusal.as_ref().map_or(0, |refusal| refusal.message.len());
    let patch = serde_json::to_vec(&decision.operations).unwrap().len();
    let told = decision.warnings.iter().map(String::len).sum::<usize>();
    let audit = decision.audit_annotations.values().map(String::len).sum::<usize>();
    refusal + patch + told + audit
}
