//! What the decision itself costs, without a server: the time, or something to count the instructions of.
//!
//! `decision` prints a table of times; `decision CASE TIMES` decides one case so many times, for valgrind. It is a
//! program of its own, for a bench would need everything that only tests need to be built for speed too.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod pods;
mod reviews;

use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use podwright::engine::{self, Decision, Endpoint, Question};
use podwright::review::Review;

use reviews::Case;

/// How long each case is timed.
const SPAN: Duration = Duration::from_secs(1);

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let cases = reviews::cases();
    match args.as_slice() {
        [] => cases.iter().for_each(time),
        [name, times] => {
            let case = cases.iter().find(|case| case.name == name).unwrap();
            let times = times.parse().unwrap();
            decide(case, |decide| (0..times).for_each(|_| drop(decide())));
        }
        _ => panic!("expected nothing, or a case and a number"),
    }
}

/// Hands over what decides a case and writes its patch; the review around it is read before.
fn decide(case: &Case, run: impl FnOnce(&dyn Fn() -> Decision)) {
    let review = Review::parse(case.review.as_bytes()).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let question = Question { endpoint: Endpoint::Mutate, request: &review.request, now, asked: None };
    let decide = || {
        let decision = engine::decide(&case.policies, &case.view, black_box(&question));
        if !decision.operations.is_empty() {
            black_box(podwright::pod::patch_json(&decision.operations));
        }
        decision
    };
    case.check(&decide());
    run(&decide);
}

/// Prints the time that half of the decisions take at most.
fn time(case: &Case) {
    decide(case, |decide| {
        let mut times = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < SPAN {
            let asked = Instant::now();
            decide();
            times.push(asked.elapsed());
        }
        times.sort_unstable();
        let (bytes, micros) = (case.review.len(), times[times.len() / 2].as_nanos() as f64 / 1000.0);
        println!("{:12} {bytes:>6} bytes {micros:>8.2} µs", case.name);
    });
}
