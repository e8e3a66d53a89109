//! What a review costs: `podwright serve` beside a server that does nothing, in the same run.
//!
//! `cargo bench --bench admission` takes about a minute and a half, with `-- --quick` a few seconds. Both servers are
//! processes of their own that speak TLS 1.3 and HTTP/1.1 with keep-alive by the same code; the null server reads the
//! review and answers a constant of the size of Podwright's answer. Figures of different machines do not compare;
//! their ratios to null nearly do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // the table

mod client;
mod decision;
mod null;
mod process;
mod report;
mod reviews;

use std::env;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Builder;

use client::{Certificates, Load};
use process::Server;
use report::{Figures, Report};
use reviews::Case;

/// How long and how often.
struct Plan {
    rounds: usize,
    warm_up: Duration,
    round: Duration,
}

const FULL: Plan = Plan { rounds: 5, warm_up: Duration::from_millis(100), round: Duration::from_millis(900) };
const QUICK: Plan = Plan { rounds: 3, warm_up: Duration::from_millis(20), round: Duration::from_millis(80) };
/// Shows that all of it works; its figures mean nothing.
const SMOKE: Plan = Plan { rounds: 1, warm_up: Duration::ZERO, round: Duration::from_millis(5) };

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

    let is_pinned = process::pin_to_first();
    let pinned =
        if is_pinned { "client on CPU 0, server on CPU 1" } else { "client and server share the CPUs" };
    println!("POST /mutate over TLS 1.3, HTTP/1.1 with keep-alive; {pinned};");
    println!("the median of {} rounds of {:?}, the two servers in turn.\n", plan.rounds, plan.round);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut report = Report::new(target.join("bench/last.json"));
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
    for case in reviews::cases() {
        runtime.block_on(measure(&plan, &case, &mut report));
    }
    if is_bench {
        report.keep();
    }
}

/// Measures one case on fresh servers and prints its part of the table.
async fn measure(plan: &Plan, case: &Case, report: &mut Report) {
    let certificates = Certificates::make();
    let podwright = Server::podwright(&certificates).await;
    let answer = podwright.target.ask_once(&case.request).await;
    case.check(&answer);
    let null = Server::null(&certificates, answer.len()).await;
    report.case(&case.name, case.review.len(), answer.len());
    report.decision(decision::time(&case.review, plan.round));

    for (label, load) in &case.loads {
        let (mut ours, mut nulls) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            nulls.push(round(plan, &null, load, &case.request).await);
            ours.push(round(plan, &podwright, load, &case.request).await);
        }
        report.load(label, &Figures::median(&ours), &Figures::median(&nulls));
    }
    report.memory(podwright.resident_mib(), null.resident_mib());
}

async fn round(plan: &Plan, server: &Server, load: &Load, request: &[u8]) -> Figures {
    let mut clients = load.open(&server.target).await;
    clients.run(request, plan.warm_up).await;
    let before = server.cpu();
    let sample = clients.run(request, plan.round).await;
    Figures::of(sample, server.cpu() - before)
}
