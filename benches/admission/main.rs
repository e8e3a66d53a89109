//! What a review costs: `podwright serve` beside a server that does nothing, in the same run.
//!
//! `cargo bench --bench admission` takes about six minutes, with `-- --quick` about two; the names of scenarios or of the
//! other parts (`instructions`, `start`, `memory`, `api-server`) run only these. Both servers are processes of their own
//! that speak TLS 1.3 and HTTP/1.1 with keep-alive by the same crates; the null server reads the review and answers a
//! constant of the size of Podwright's answer. Figures of different machines do not compare; their ratios to null nearly
//! do. `cargo bench --profile optimized` spares the release profile's long linking.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // the table

mod api_server;
mod client;
mod decision;
mod edits;
mod instructions;
mod memory;
mod mock;
mod null;
mod report;
mod reviews;
mod server;
mod start;

// The control plane of the cluster tests. They look for each other here.
#[path = "../../tests/cluster/api.rs"]
#[allow(dead_code)] // the tests use all of it
mod api;
#[path = "../../tests/cluster/control_plane.rs"]
#[allow(dead_code)]
mod control_plane;
#[path = "../../tests/cluster/pki.rs"]
mod pki;
#[path = "../../tests/cluster/ports.rs"]
mod ports;
#[path = "../../tests/cluster/process.rs"]
#[allow(dead_code)]
mod process;
// The Pods whose decisions are counted.
#[path = "../../tests/instructions/pods.rs"]
mod pods;
#[path = "../../tests/cluster/webhook.rs"]
#[allow(dead_code)]
mod webhook;

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use client::{Certificates, Load};
use mock::{Mock, Sizes};
use report::{Figures, Report};
use reviews::Scenario;
use server::Server;

/// How long and how often.
pub(crate) struct Plan {
    rounds: usize,
    warm_up: Duration,
    round: Duration,
    /// Of how many reviews the instructions are counted.
    counted: usize,
    /// How often a server is started, and how many Pods each client creates.
    starts: usize,
    creations: usize,
    /// Of each kind in a large cluster, this part.
    divisor: usize,
}

const FULL: Plan = Plan {
    rounds: 5,
    warm_up: Duration::from_millis(100),
    round: Duration::from_millis(900),
    counted: 1000,
    starts: 11,
    creations: 400,
    divisor: 1,
};
const QUICK: Plan = Plan {
    rounds: 3,
    warm_up: Duration::from_millis(20),
    round: Duration::from_millis(80),
    counted: 200,
    starts: 3,
    creations: 40,
    divisor: 10,
};
/// Shows that all of it works; its figures mean nothing.
const SMOKE: Plan = Plan {
    rounds: 1,
    warm_up: Duration::ZERO,
    round: Duration::from_millis(5),
    counted: 1,
    starts: 1,
    creations: 2,
    divisor: 1000,
};

const LOADS: [(&str, Load); 3] = [
    ("1 connection", Load::Connections(1)),
    ("16 connections", Load::Connections(16)),
    ("64 connections", Load::Connections(64)),
];

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    podwright::tls::install_provider();
    if let Some(at) = args.iter().position(|arg| arg == null::ARGUMENT) {
        return null::serve(&args[at + 1..]);
    }
    // `cargo test --benches` passes no `--bench`.
    let is_bench = args.iter().any(|arg| arg == "--bench");
    let plan = match args.iter().any(|arg| arg == "--quick") {
        _ if !is_bench => SMOKE,
        true => QUICK,
        false => FULL,
    };
    let names: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| *wanted == name);

    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut report = Report::new(target.join("bench/last.json"));
    // Before this process is pinned: the control plane takes every CPU that it can get.
    if is_wanted("api-server") {
        api_server::measure(&plan, &mut report);
    }
    let is_pinned = server::pin_to_first();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    if is_pinned {
        // A server that answers slowly finds its client asleep, and waking another CPU takes time of its own, on a
        // virtual machine more than the answer itself. Awake, the client costs both servers the same.
        runtime.spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
    }
    measure_alone(&plan, is_pinned, &is_wanted, &runtime, &mut report);
    report.summary();
    if is_bench {
        report.keep();
    }
}

/// Everything but the way through the API server.
fn measure_alone(
    plan: &Plan,
    is_pinned: bool,
    is_wanted: &impl Fn(&str) -> bool,
    runtime: &Runtime,
    report: &mut Report,
) {
    let pinned =
        if is_pinned { "client on CPU 0, server on CPU 1" } else { "client and server share the CPUs" };
    println!("POST /mutate over TLS 1.3, HTTP/1.1 with keep-alive; {pinned};");
    println!("the median of {} rounds of {:?}, the two servers in turn.\n", plan.rounds, plan.round);
    for scenario in reviews::scenarios().iter().filter(|scenario| is_wanted(scenario.name)) {
        runtime.block_on(measure(plan, scenario, report));
    }
    if is_wanted("instructions") {
        runtime.block_on(instructions::measure(plan, report));
    }
    if is_wanted("start") {
        runtime.block_on(start::measure(plan, report));
    }
    if is_wanted("memory") {
        runtime.block_on(memory::measure(plan, report));
    }
}

/// Measures one scenario on fresh servers and prints its part of the table.
async fn measure(plan: &Plan, scenario: &Scenario, report: &mut Report) {
    let certificates = Certificates::make();
    let known =
        scenario.in_cluster.then(|| Mock::start(Sizes { stateful_sets: 1, namespaces: 1, volumes: 0 }));
    let mut podwright = Server::podwright(&certificates, &flags(scenario, known.as_ref()), &[]);
    // Before the view is complete the decision is another.
    let (answer, _) = podwright.answered(&scenario.request, |answer| scenario.is_expected(answer)).await;
    let null = Server::null(&certificates, answer.len(), &[]);
    report.scenario(scenario, answer.len());
    // Its policies are those that ship.
    if scenario.policies.is_empty() {
        report.decision(decision::time(&scenario.review, plan.round));
    }
    let reconnecting = ("a new connection each", Load::Reconnecting);
    for (label, load) in LOADS.iter().chain((scenario.name == "judged").then_some(&reconnecting)) {
        let (mut ours, mut nulls) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            nulls.push(round(plan, &null, load, &scenario.request).await);
            ours.push(round(plan, &podwright, load, &scenario.request).await);
        }
        report.load(label, &Figures::median(&ours), &Figures::median(&nulls));
    }
    report.memory("afterwards", podwright.resident_mib(), null.resident_mib());
    println!();
}

fn flags(scenario: &Scenario, known: Option<&Mock>) -> Vec<OsString> {
    let mut flags = match known {
        Some(mock) => vec!["--kubeconfig".into(), mock.kubeconfig().into()],
        None => vec!["--no-cluster".into()],
    };
    for file in scenario.policies {
        flags.extend(["--policies".into(), Path::new(env!("CARGO_MANIFEST_DIR")).join(file).into()]);
    }
    flags
}

async fn round(plan: &Plan, server: &Server, load: &Load, request: &[u8]) -> Figures {
    let mut clients = load.open(&server.target).await;
    clients.run(request, plan.warm_up).await;
    let before = server.cpu();
    let sample = clients.run(request, plan.round).await;
    Figures::of(sample, server.cpu() - before)
}
