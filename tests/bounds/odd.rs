//! Texts that are JSON only at first sight, or of a sort that no client writes: each gets a clear answer, in bounded time
//! and memory.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use podwright::engine::{Endpoint, Question, decide};
use podwright::policy_set::PolicySet;
use podwright::review::Review;
use podwright::view::View;

use crate::{MEMORY, MOST_MEMORY_BYTES};

/// One of them: its name, what the Pod's text is, and a part of what is told; nothing where it is admitted.
pub(crate) type Case = (&'static str, fn() -> String, &'static str);

/// Far more than any value has.
const LARGE: usize = 1024 * 1024;
/// Most of it is the debug build's.
const SOON: Duration = Duration::from_secs(30);

pub(crate) const CASES: &[Case] = &[
    (
        "a_review_nested_in_itself",
        || "[".repeat(LARGE),
        "expected a JSON object with apiVersion, kind and request",
    ),
    ("lists_a_million_deep", || within(&nested("[", "]", LARGE / 2)), "values in it"),
    ("lists_just_too_deep", || within(&nested("[", "]", 200)), "recursion limit exceeded"),
    (
        "objects_just_too_deep",
        || within(&nested(r#"{"a":"#, "}", 200).replace(":}", ":0}")),
        "recursion limit exceeded",
    ),
    ("lists_as_deep_as_they_may_be", || within(&nested("[", "]", 100)), ""),
    (
        "a_key_a_hundred_thousand_times",
        || within(&format!("{{{}}}", vec![r#""a":0"#; 100_000].join(","))),
        "values in it",
    ),
    ("a_key_ten_thousand_times", || within(&format!("{{{}}}", vec![r#""a":0"#; 10_000].join(","))), ""),
    (
        "metadata_twice",
        || pod(r#","metadata":{"annotations":{"x.podwright.dev/x":""}}"#),
        "no mutator knows this key",
    ),
    ("a_number_without_end", || within(&"9".repeat(LARGE)), "number out of range"),
    ("a_fraction_without_end", || within(&format!("0.{}", "1".repeat(LARGE))), ""),
    ("an_exponent_beyond_all", || within("1e400"), "number out of range"),
    ("an_exponent_without_end", || within(&format!("1e{}", "9".repeat(LARGE))), "number out of range"),
    ("minus_nothing", || within("1e-99999999999"), ""),
    ("a_lone_surrogate", || within(r#""\ud800""#), "unexpected end of hex escape"),
    (
        "surrogates_the_wrong_way_round",
        || within(r#""\udc00\ud800""#),
        "lone leading surrogate in hex escape",
    ),
    ("a_control_character", || within("\"\u{1}\""), "control character"),
    ("escapes_alone", || within(&format!("\"{}\"", r"\u0061".repeat(LARGE / 6))), ""),
];

pub(crate) fn is_answered((_, make, expected): &Case) {
    let body = make();
    let policies = PolicySet::embedded().unwrap();
    for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
        let (before, started) = (MEMORY.current_usage(), Instant::now());
        MEMORY.reset_peak_usage();
        let told = told(&policies, endpoint, body.as_bytes());
        let (peak, took) = (MEMORY.peak_usage() - before, started.elapsed());
        assert!(peak < MOST_MEMORY_BYTES, "{endpoint:?} took {peak} bytes");
        assert!(took < SOON, "{endpoint:?} took {took:?}");
        assert!(told.len() < 4096, "{endpoint:?} tells {} bytes", told.len());
        let is_expected = match (expected.is_empty(), endpoint) {
            (true, _) => told.is_empty(),
            (false, Endpoint::Mutate) => told.contains(expected),
            // Annotations are judged where they count.
            (false, Endpoint::Validate) => told.is_empty() || told.contains(expected),
        };
        assert!(is_expected, "{endpoint:?}: {told:?}");
    }
}

fn told(policies: &PolicySet, endpoint: Endpoint, body: &[u8]) -> String {
    let review = match Review::parse(body) {
        Ok(review) => review,
        Err(error) => return error.to_string(),
    };
    let question = Question { endpoint, request: &review.request, now: Timestamp::UNIX_EPOCH, asked: None };
    let decision = decide(policies, &View::default(), &question);
    assert_eq!(decision.fault, None);
    decision.refusal.map(|refusal| refusal.message).unwrap_or_default()
}

/// A review of a Pod that has this value in a field that nobody knows.
fn within(value: &str) -> String {
    pod(&format!(r#","fieldOfTheFuture":{value}"#))
}

fn pod(fields: &str) -> String {
    let pod = format!(
        r#"{{"metadata":{{"annotations":{{"logs.podwright.dev/paths":"/a/*.log"}}}},
        "spec":{{"containers":[{{"name":"app","image":"a"}}]}}{fields}}}"#
    );
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","operation":"CREATE",
        "kind":{{"group":"","version":"v1","kind":"Pod"}},"namespace":"team","object":{pod}}}}}"#
    )
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + &close.repeat(depth)
}
