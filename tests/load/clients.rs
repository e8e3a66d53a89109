//! A server under a steady client, and crowds beside that.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{Connection, PATIENCE, admin};
use crate::process::Process;
use crate::steady::{Door, Pace, Question, Steady, Tally};
use crate::table::Row;

/// The server's own lines, but not one for each review.
pub(crate) const LOG: &str = "--log-level=warn,podwright::server=info,podwright::server::judge=error";

/// A running server, and what it was like at rest.
pub(crate) struct Scene {
    pub(crate) process: Process,
    pub(crate) door: Door,
    pub(crate) questions: Arc<Vec<Question>>,
    idle_files: usize,
}

impl Scene {
    pub(crate) async fn local(flags: &[&str]) -> Self {
        Self::of(Process::local(&[&[LOG], flags].concat())).await
    }

    pub(crate) async fn of(process: Process) -> Self {
        let door = Door::new(process.listen, process.roots.clone());
        let mut questions = Question::all();
        Question::learn(&mut questions, &door).await;
        let mut scene = Self { process, door, questions: Arc::new(questions), idle_files: usize::MAX };
        scene.is_at_rest().await;
        scene.idle_files = open_files(&scene.process);
        scene
    }

    pub(crate) fn steady(&self) -> Steady {
        Steady::start(&self.door, &self.questions, Pace::STEADY)
    }

    /// What the steady client sees while there is no fault.
    pub(crate) async fn before(&self) -> Tally {
        let steady = self.steady();
        steady.answers(200).await;
        steady.stopped().await
    }

    /// Makes a fault beside the steady client, and tells what came of both.
    pub(crate) async fn under(&self, fault: &str, making: impl Future<Output = impl fmt::Display>) {
        let before = self.before().await;
        let steady = self.steady();
        steady.answers(20).await;
        let crowd = making.await.to_string();
        steady.answers(20).await;
        let under = steady.stopped().await;
        let memory_bytes = self.process.most_memory_bytes();
        Row { fault: fault.to_owned(), crowd, before, under, memory_bytes }.told();
        self.is_at_rest().await;
        let after = self.before().await;
        assert!(after.lost.is_empty(), "{fault}, afterwards: {:?}", after.lost);
    }

    /// Waits until all connections are gone, and what they held.
    async fn is_at_rest(&self) {
        let rest = async {
            while self.metric("podwright_connections").await != 0
                || self.metric("podwright_in_flight_reviews").await != 0
                || open_files(&self.process) > self.idle_files
            {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(PATIENCE * 2, rest).await.is_err() {
            let files = open_files(&self.process);
            let page = admin(self.process.admin, "GET", "/metrics").await.text();
            panic!("{files} files instead of {}, and\n{page}", self.idle_files);
        }
    }

    pub(crate) async fn metric(&self, series: &str) -> u64 {
        metric(&self.process, series).await
    }

    /// Waits until a metric is above this.
    pub(crate) async fn metric_passes(&self, series: &str, value: u64) {
        let passed = async {
            while self.metric(series).await <= value {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE * 2, passed).await.unwrap_or_else(|_| panic!("{series} stays at {value}"));
    }
}

/// How many files and sockets it has open.
pub(crate) fn open_files(process: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", process.child.id())).unwrap().count()
}

/// The sum of a metric's series, or the value of one that is named with its labels.
pub(crate) async fn metric(process: &Process, series: &str) -> u64 {
    let page = admin(process.admin, "GET", "/metrics").await.text();
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(series).filter(|rest| rest.starts_with([' ', '{']))?;
        rest.rsplit(' ').next()?.parse::<u64>().ok()
    });
    values.sum()
}

/// What became of many, counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes(BTreeMap<String, usize>);

impl Outcomes {
    pub(crate) fn count(&mut self, outcome: impl Into<String>) {
        *self.0.entry(outcome.into()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (outcome, count) in other.0 {
            *self.0.entry(outcome).or_default() += count;
        }
    }

    pub(crate) fn of(&self, outcome: &str) -> usize {
        self.0.get(outcome).copied().unwrap_or(0)
    }

    /// Whether there is no other outcome than these.
    pub(crate) fn are_among(&self, outcomes: &[&str]) {
        assert!(self.0.keys().all(|outcome| outcomes.contains(&outcome.as_str())), "{self}");
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<_> = self.0.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        out.write_str(&told.join(", "))
    }
}

/// So many clients at once; what each says became of it.
pub(crate) async fn crowd<F>(count: usize, client: impl Fn(usize) -> F) -> Outcomes
where
    F: Future<Output = String> + Send + 'static,
{
    let mut clients: JoinSet<_> = (0..count).map(client).collect();
    let mut outcomes = Outcomes::default();
    let all = async {
        while let Some(outcome) = clients.join_next().await {
            outcomes.count(outcome.unwrap());
        }
    };
    timeout(PATIENCE * 6, all).await.expect("the crowd does not come to its end");
    outcomes
}

/// Sends bytes one at a time until there is an answer or an end.
pub(crate) async fn dribble(mut connection: Connection, first: String, every: Duration) -> String {
    let mut sent = connection.try_send(first).await;
    loop {
        match timeout(every, connection.try_answer()).await {
            Ok(Ok(Some(answer))) => return format!("answered {}", answer.status),
            Ok(_) => return "closed".to_owned(),
            // What was sent in vain is followed by an end.
            Err(_) if sent.is_err() => {}
            Err(_) => sent = connection.try_send("x").await,
        }
    }
}
