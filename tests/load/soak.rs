//! Half of what the server can take, with policies and certificates that change all the while.
//!
//! `PODWRIGHT_SOAK_SECONDS` says for how long.

use std::env;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::clients::{LOG, metric};
use crate::harness::PATIENCE;
use crate::process::{Process, podwright};
use crate::steady::{CONNECTIONS, Door, Pace, Question, Steady};
use crate::volume::{Issued, Volume};

/// How long it takes where nothing is said.
const SECONDS: u64 = 10;
/// How many changes there are of policies and of certificates, however long it takes; at most one of each in a second.
const CHANGES: u32 = 200;
/// How many certificates take turns.
const CERTIFICATES: usize = 4;
/// Memory may be that much above what it was once warm: what allocators keep varies with each run.
const MARGIN_BYTES: usize = 16 * 1024 * 1024;
/// A new connection after so many reviews, so that new certificates are met.
const REVIEWS_EACH: usize = 200;

/// What the server reads, and exchanges while it runs.
struct Files {
    certificates: Vec<Issued>,
    tls: Volume,
    policies: Volume,
}

impl Files {
    /// Policies under which a Pod is patched, and one with a path of the node is refused or only told of.
    fn policies(turn: usize) -> String {
        let action = ["deny", "warn", "audit"][turn % 3];
        let filebeat = include_str!("../../policies/filebeat.yaml");
        format!(
            "{filebeat}\n---\napiVersion: podwright.dev/v1alpha1\nkind: HostPath\nmetadata: {{name: paths}}\n\
             spec: {{action: {action}}}\n"
        )
    }

    fn change(&self, turn: usize) {
        self.policies.update(&[("policies.yaml", &Self::policies(turn))]);
        self.tls.update(&self.certificates[turn % CERTIFICATES].files());
    }
}

pub(crate) async fn soak() {
    let seconds = env::var("PODWRIGHT_SOAK_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let (process, files) = start();
    let mut roots = RootCertStore::empty();
    files.certificates.iter().for_each(|issued| roots.roots.extend(issued.roots.roots.iter().cloned()));
    let door = Door::new(process.listen, Arc::new(roots));
    let questions = learnt(&process, &files, &door).await;

    let full = pace(&door, &questions, Duration::ZERO).await;
    // As long again as a review takes with all that is beside it, and each client does half.
    let pause = full.mul_f64(CONNECTIONS as f64);
    let steady = Steady::start(&door, &questions, Pace { pause, reviews_each: REVIEWS_EACH });
    let span = Duration::from_secs(seconds);
    let every = (span / CHANGES).max(Duration::from_secs(1));
    let (begun, mut turn) = (Instant::now(), 3);
    let mut memory = Vec::new();
    let mut ticks = interval(every);
    while begun.elapsed() < span {
        ticks.tick().await;
        let reloads = reloads(&process).await;
        files.change(turn);
        turn += 1;
        changed(&process, reloads).await;
        memory.push(process.memory_bytes("VmRSS:"));
    }
    let tally = steady.stopped().await;
    told(&process, &memory, turn - 3);
    let p99 = tally.percentile(99);
    println!(
        "in {seconds} s {} reviews were asked, {} answered, {} lost; p99 {p99:.1?}",
        tally.asked,
        tally.answered(),
        tally.lost.len()
    );
    assert!(tally.lost.is_empty(), "lost: {:?}", &tally.lost[..tally.lost.len().min(5)]);
    assert_eq!(tally.asked, tally.answered());
    assert_eq!(metric(&process, "podwright_policy_reloads_total{outcome=\"failure\"}").await, 0);
}

fn start() -> (Process, Files) {
    let folder = tempfile::tempdir().unwrap();
    let certificates: Vec<_> = (0..CERTIFICATES).map(|_| Issued::new()).collect();
    let tls = Volume::new(folder.path().join("tls"), &certificates[0].files());
    let policies = Volume::new(folder.path().join("policies"), &[("policies.yaml", &Files::policies(0))]);
    let mut command: Command = podwright(&["serve", "--no-cluster", LOG, "--reload-interval=50ms"]);
    command
        .args(["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--policies=policies"])
        .args(["--tls-cert=tls/tls.crt", "--tls-key=tls/tls.key", "--audit-log=audit.log"])
        .args(["--audit-max-size=1MiB", "--audit-max-files=2"])
        .current_dir(folder.path());
    (Process::start(command, folder), Files { certificates, tls, policies })
}

/// The questions with their right answers under each of the policies.
async fn learnt(process: &Process, files: &Files, door: &Door) -> Arc<Vec<Question>> {
    let mut questions = Question::all();
    Question::learn(&mut questions, door).await;
    for turn in 1..3 {
        let reloads = reloads(process).await;
        files.change(turn);
        changed(process, reloads).await;
        Question::learn(&mut questions, door).await;
    }
    assert_eq!(questions[2].right().len(), 3, "what is refused under one policy is not under the others");
    Arc::new(questions)
}

/// How much time there is for each review, over all clients, when they pause for so long.
async fn pace(door: &Door, questions: &Arc<Vec<Question>>, pause: Duration) -> Duration {
    let steady = Steady::start(door, questions, Pace { pause, reviews_each: REVIEWS_EACH });
    let begun = Instant::now();
    steady.answers(1_000).await;
    let each = begun.elapsed() / u32::try_from(steady.answered()).unwrap();
    assert!(steady.stopped().await.lost.is_empty());
    each
}

/// How often policies and certificates were exchanged.
async fn reloads(process: &Process) -> [u64; 2] {
    let policies = metric(process, "podwright_policy_reloads_total{outcome=\"success\"}").await;
    [policies, metric(process, "podwright_certificate_reloads_total{outcome=\"success\"}").await]
}

async fn changed(process: &Process, before: [u64; 2]) {
    let both = async {
        while reloads(process).await.into_iter().zip(before).any(|(now, before)| now == before) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, both).await.expect("a change is not taken");
}

/// Prints what was measured, and holds memory to being flat: at the end no more than once it was warm.
fn told(process: &Process, memory: &[usize], changes: usize) {
    let mib = |bytes: usize| bytes / 1024 / 1024;
    // A quarter of the time is for warming up.
    let (warm, middle, end) = (memory[memory.len() / 4], memory[memory.len() / 2], memory[memory.len() - 1]);
    println!(
        "{changes} changes of policies and of certificates; resident memory {} MiB at the begin, {} MiB a quarter on, \
         {} MiB in the middle, {} MiB at the end, {} MiB at most",
        mib(memory[0]),
        mib(warm),
        mib(middle),
        mib(end),
        mib(process.most_memory_bytes()),
    );
    assert!(end < warm + warm / 4 + MARGIN_BYTES, "memory grows from {warm} to {end} bytes");
}
