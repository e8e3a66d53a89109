//! The decision without a server: reading the review, deciding it, writing the patch.

use std::hint::black_box;
use std::time::{Duration, Instant};

use podwright::engine::{self, Endpoint, Question};
use podwright::policy_set::PolicySet;
use podwright::review::Review;
use podwright::view::View;

/// The time that half of the decisions take at most.
pub(crate) fn time(review: &str, span: Duration) -> Duration {
    let (policies, view) = (PolicySet::embedded().unwrap(), View::default());
    let now = jiff::Timestamp::now();
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < span {
        let asked = Instant::now();
        let review = Review::parse(black_box(review.as_bytes())).unwrap();
        let question = Question { endpoint: Endpoint::Mutate, request: &review.request, now, asked: None };
        let decision = engine::decide(&policies, &view, &question);
        black_box(podwright::pod::patch_json(&decision.operations));
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}
