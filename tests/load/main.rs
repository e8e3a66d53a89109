//! What the server does under load and faults, a row each; and a soak. A process, real sockets, TLS.
//!
//! While a fault lasts, a steady client asks reviews all the time. None of them may be lost, each must be answered as it
//! was before, and afterwards the server must be as it was. `make soak` has the long form of the soak.
//! `PODWRIGHT_BINARY` names another binary than that of this build.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic"
)]

mod clients;
mod crowds;
#[path = "../server/harness.rs"]
#[allow(dead_code, reason = "the tests of the server use more of it")]
mod harness;
mod limits;
#[path = "../server/process.rs"]
#[allow(dead_code, reason = "the tests of the server use more of it")]
mod process;
mod soak;
mod steady;
mod surroundings;
mod table;
#[path = "../server/volume.rs"]
#[allow(dead_code, reason = "the tests of the server use more of it")]
mod volume;

use std::future::Future;
use std::pin::Pin;

use libtest_mimic::{Arguments, Trial};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;

/// One fault, from the start of a server to its row.
type Fault = fn() -> Pin<Box<dyn Future<Output = ()>>>;

const FAULTS: &[(&str, Fault)] = &[
    ("slow_loris", || Box::pin(crowds::slow_loris())),
    ("half_open_handshakes", || Box::pin(crowds::half_open_handshakes())),
    ("a_body_a_byte_at_a_time", || Box::pin(crowds::slow_bodies())),
    ("hanging_up_in_mid_answer", || Box::pin(crowds::hanging_up())),
    ("a_hundred_times_the_connections", || Box::pin(limits::connections())),
    ("a_hundred_times_the_large_bodies", || Box::pin(limits::large_bodies())),
    ("few_file_descriptors", || Box::pin(limits::few_files())),
    ("no_file_descriptors", || Box::pin(limits::no_files())),
    ("a_full_disk_under_the_audit_log", || Box::pin(surroundings::full_disk())),
    ("the_clock_forward_and_back", || Box::pin(surroundings::clock())),
    ("a_stop", || Box::pin(surroundings::stop())),
    ("soak", || Box::pin(soak::soak())),
];

fn main() {
    let mut arguments = Arguments::from_args();
    // Each is measured alone.
    arguments.test_threads = Some(1);
    // The clients of a crowd, and a little.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let enough = maximum.map_or(8192, |maximum| maximum.min(8192));
    setrlimit(Resource::Nofile, Rlimit { current: Some(enough), maximum }).unwrap();
    let trials = FAULTS.iter().map(|(name, fault)| {
        Trial::test(*name, || {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(fault());
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    table::print();
    conclusion.exit();
}
