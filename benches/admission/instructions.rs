//! What a review costs in instructions outside the kernel and in system calls: figures that a busy machine cannot move.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, Stdio};

use crate::client::Certificates;
use crate::report::Report;
use crate::reviews::{Scenario, scenarios};
use crate::server::Server;
use crate::{Plan, flags};

/// A program that counts what another does, and tells when that ends.
struct Counter {
    figure: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// Names the file that it writes to.
    output: &'static str,
    read: fn(&str) -> Option<u64>,
}

/// How many reviews come before those that are counted, so that what is made once is there already.
const FIRST: usize = 10;

const COUNTERS: [Counter; 2] = [
    Counter {
        figure: "instructions",
        program: "valgrind",
        arguments: &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
        output: "--log-file=",
        read: |told| told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok()),
    },
    Counter {
        figure: "system calls",
        program: "strace",
        arguments: &[
            "--follow-forks",
            "--summary-only",
            "--interruptible=waiting",
            "--summary-columns=calls,name",
        ],
        output: "--output=",
        read: |told| told.lines().find_map(|line| line.trim().strip_suffix(" total")?.trim().parse().ok()),
    },
];

/// Counts the reviews of one connection, for each scenario that needs no cluster.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) {
    report.counts();
    for scenario in scenarios().iter().filter(|scenario| !scenario.in_cluster) {
        for counter in &COUNTERS {
            if !counter.is_there() {
                println!("  {} are not counted: {} is missing", counter.figure, counter.program);
                continue;
            }
            let (mut ours, mut nulls) = (Vec::new(), Vec::new());
            // What happens once is taken out by counting twice.
            for reviews in [0, plan.counted] {
                let (our, null) = counter.count(scenario, reviews).await;
                ours.push(our);
                nulls.push(null);
            }
            let each = |counts: &[f64]| (counts[1] - counts[0]) / plan.counted as f64;
            report.count(scenario.name, counter.figure, each(&ours), each(&nulls));
        }
    }
    println!();
}

impl Counter {
    fn is_there(&self) -> bool {
        let mut command = Command::new(self.program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// What Podwright does from its start to its end for so many reviews, and what null does.
    async fn count(&self, scenario: &Scenario, reviews: usize) -> (f64, f64) {
        let certificates = Certificates::make();
        let file = certificates.file("counted");
        let mut under: Vec<OsString> = vec![self.program.into()];
        under.extend(self.arguments.iter().map(OsString::from));
        under.push(format!("{}{}", self.output, file.display()).into());
        let read = || (self.read)(&fs::read_to_string(&file).unwrap()).unwrap() as f64;

        let mut flags = flags(scenario, None);
        flags.extend(["--drain-delay".into(), "0s".into()]);
        let mut podwright = Server::podwright(&certificates, &flags, &under);
        let (answer, _) = podwright.answered(&scenario.request, |answer| scenario.is_expected(answer)).await;
        podwright.ask(&scenario.request, FIRST + reviews).await;
        podwright.stop();
        let ours = read();

        let null = Server::null(&certificates, answer.len(), &under);
        null.ask(&scenario.request, FIRST + reviews).await;
        null.stop();
        (ours, read())
    }
}
