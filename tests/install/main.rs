//! What a cluster gets: manifests and chart as they are rendered, the image as it is built, rules and dashboard.
//!
//! A real API server is asked about them in `tests/cluster`. What renders, builds and checks comes by `install-tools`:
//! what cannot be had is told in one line, and its tests are counted as ignored.
//!
//! Run with `UPDATE_MANIFESTS=1` to write anew what is made of other files, and read the difference before it is
//! committed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by a panic"
)]

mod chart;
mod image;
mod manifests;
mod observability;
#[path = "../cluster/ports.rs"]
mod ports;
mod rendering;
mod tools;
mod webhooks;

use libtest_mimic::{Arguments, Completion, Trial};

/// The tools that it needs, a name, and what it does.
type Row = (&'static [&'static str], &'static str, fn());

fn main() {
    let arguments = Arguments::from_args();
    // Before the first client with TLS. It fails only if it was done before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let rows =
        [manifests::TRIALS, webhooks::TRIALS, chart::TRIALS, image::TRIALS, observability::TRIALS].concat();
    libtest_mimic::run(&arguments, rows.into_iter().map(trial).collect()).exit();
}

/// Whether it can run is found out when it does: what is only listed, or left out, installs nothing.
fn trial((needed, name, test): Row) -> Trial {
    Trial::ignorable_test(name, move || {
        for &tool in needed {
            if let Err(why) = tools::tool(tool) {
                eprintln!("skipped: {name}: {why}");
                return Ok(Completion::ignored_with(format!("no {tool}")));
            }
        }
        test();
        Ok(Completion::Completed)
    })
}
