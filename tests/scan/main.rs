//! `podwright scan`: every format over small manifests as a golden file, and what nobody should send.
//!
//! `expected/` has a report in every format, made of `manifests/` and `policies.yaml` on a fixed day and compared with
//! `baseline.json`. Run with `UPDATE_SCAN=1` to write them anew, and read the difference before it is committed.
//!
//! Official schemas and a browser are not on every machine: what is missing is told in one line, and its tests are
//! counted as ignored.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    reason = "a test fails by a panic"
)]

mod browser;
mod folding;
mod formats;
mod hostile;
mod outcome;
mod page;
mod schemas;
mod support;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = formats::trials();
    trials.extend(outcome::trials());
    trials.extend(folding::trials());
    trials.extend(hostile::trials());
    trials.extend(page::trials(arguments.list));
    trials.extend(schemas::trials(arguments.list));
    libtest_mimic::run(&arguments, trials).exit();
}
