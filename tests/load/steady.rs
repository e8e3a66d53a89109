//! A steady client, as an API server is one: it keeps connections, asks all the time, and knows the right answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::harness::{Connection, PATIENCE, client_config, post, review, shake_hands};

/// How many connections it has.
pub(crate) const CONNECTIONS: usize = 4;
/// Stands for the uid in a request.
const UID: &str = "the-uid";

/// Where to ask, and how to trust it.
#[derive(Clone)]
pub(crate) struct Door {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Door {
    pub(crate) fn new(address: SocketAddr, roots: Arc<RootCertStore>) -> Self {
        Self { address, config: Arc::new(client_config(roots)) }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    pub(crate) async fn open(&self) -> std::io::Result<Connection> {
        shake_hands(self.open_tcp().await?, Arc::clone(&self.config)).await
    }

    pub(crate) async fn open_tcp(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(self.address).await
    }
}

/// A review, and the answers that are right.
pub(crate) struct Question {
    path: &'static str,
    body: String,
    right: Vec<Value>,
}

impl Question {
    /// Three reviews: of a Pod that is left alone, of one that is patched, and of one that is refused.
    pub(crate) fn all() -> Vec<Self> {
        let untouched = review(UID);
        let mut patched = review(UID);
        patched["request"]["object"]["metadata"]["annotations"] =
            json!({"logs.podwright.dev/paths": "/var/log/app/app.log"});
        patched["request"]["object"]["spec"]["containers"] =
            json!([{"name": "app", "image": "example/app:1"}]);
        let mut refused = review(UID);
        refused["request"]["object"]["spec"]["volumes"] =
            json!([{"name": "v", "hostPath": {"path": "/srv"}}]);
        let question = |path, review: Value| Self { path, body: review.to_string(), right: Vec::new() };
        vec![question("/mutate", untouched), question("/mutate", patched), question("/validate", refused)]
    }

    /// Takes the answers that there are now for right.
    pub(crate) async fn learn(questions: &mut [Self], door: &Door) {
        let mut connection = door.open().await.unwrap();
        for question in questions {
            let answer = question.ask(&mut connection, "learning").await.unwrap().0;
            if !question.right.contains(&answer) {
                question.right.push(answer);
            }
        }
    }

    pub(crate) fn right(&self) -> &[Value] {
        &self.right
    }

    /// The request of a review with this uid.
    pub(crate) fn request(&self, uid: &str) -> Vec<u8> {
        post(&format!("{}?timeout=10s", self.path), self.body.replace(UID, uid))
    }

    /// The answer without its uid, which is checked, and whether the connection ends with it.
    async fn ask(&self, connection: &mut Connection, uid: &str) -> Result<(Value, bool), String> {
        connection.try_send(self.request(uid)).await.map_err(|error| format!("sending: {error}"))?;
        let answer = connection.try_answer().await.map_err(|error| format!("reading: {error}"))?;
        let answer = answer.ok_or("closed without an answer")?;
        if answer.status != 200 {
            return Err(format!("answered {}: {}", answer.status, answer.text()));
        }
        let mut told = answer.json();
        match told["response"]["uid"].take() == uid {
            true => Ok((told, answer.closes())),
            false => Err("answered with the uid of another".to_owned()),
        }
    }

    async fn ask_rightly(&self, connection: &mut Connection, uid: &str) -> Result<bool, String> {
        let (answer, closes) = self.ask(connection, uid).await?;
        if self.right.contains(&answer) { Ok(closes) } else { Err(format!("answered wrongly: {answer}")) }
    }
}

/// What was asked, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) asked: usize,
    pub(crate) lost: Vec<String>,
    latencies: Vec<Duration>,
}

impl Tally {
    pub(crate) fn answered(&self) -> usize {
        self.latencies.len()
    }

    /// How long this many of a hundred took at most.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.lost.extend(other.lost);
        self.latencies.extend(other.latencies);
    }
}

/// How the client asks.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) pause: Duration,
    /// After so many reviews a connection is given up for a new one.
    pub(crate) reviews_each: usize,
}

impl Pace {
    pub(crate) const STEADY: Self = Self { pause: Duration::from_millis(2), reviews_each: usize::MAX };
}

/// A client that asks until it is told to stop.
pub(crate) struct Steady {
    clients: JoinSet<Tally>,
    shared: Arc<Shared>,
}

struct Shared {
    door: Door,
    questions: Arc<Vec<Question>>,
    pace: Pace,
    stop: CancellationToken,
    /// No new connection is opened any more.
    withdrawn: CancellationToken,
    answered: AtomicUsize,
}

impl Steady {
    pub(crate) fn start(door: &Door, questions: &Arc<Vec<Question>>, pace: Pace) -> Self {
        let shared = Arc::new(Shared {
            door: door.clone(),
            questions: Arc::clone(questions),
            pace,
            stop: CancellationToken::new(),
            withdrawn: CancellationToken::new(),
            answered: AtomicUsize::new(0),
        });
        let mut clients = JoinSet::new();
        for number in 0..CONNECTIONS {
            clients.spawn(client(Arc::clone(&shared), number));
        }
        Self { clients, shared }
    }

    pub(crate) fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more are answered.
    pub(crate) async fn answers(&self, count: usize) {
        let enough = self.answered() + count;
        let reached = async {
            while self.answered() < enough {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE * 3, reached).await.expect("no reviews are answered");
    }

    /// Opens no connection any more, and goes on asking until the server has closed all.
    pub(crate) async fn withdrawn(self) -> Tally {
        self.shared.withdrawn.cancel();
        self.tally().await
    }

    pub(crate) async fn stopped(self) -> Tally {
        self.shared.stop.cancel();
        self.tally().await
    }

    async fn tally(mut self) -> Tally {
        let mut all = Tally::default();
        while let Some(tally) = self.clients.join_next().await {
            all.add(tally.unwrap());
        }
        all
    }
}

async fn client(shared: Arc<Shared>, number: usize) -> Tally {
    let mut tally = Tally::default();
    let mut kept: Option<(Connection, usize)> = None;
    while !shared.stop.is_cancelled() {
        // As Go's pool does: a connection that its server has closed meanwhile is not used.
        if let Some((connection, _)) = &mut kept
            && timeout(Duration::ZERO, connection.tls.read_u8()).await.is_ok()
        {
            kept = None;
        }
        if kept.is_none() && shared.withdrawn.is_cancelled() {
            break;
        }
        let question = &shared.questions[tally.asked % shared.questions.len()];
        let uid = format!("steady-{number}-{}", tally.asked);
        tally.asked += 1;
        let began = Instant::now();
        match review_once(&shared, question, &uid, kept.take()).await {
            Ok(connection) => {
                kept = connection;
                tally.latencies.push(began.elapsed());
                shared.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => tally.lost.push(format!("{uid}: {error}")),
        }
        sleep(shared.pace.pause).await;
    }
    tally
}

/// Asks over the connection that is kept, or over a new one; gives back the one to keep.
async fn review_once(
    shared: &Shared,
    question: &Question,
    uid: &str,
    kept: Option<(Connection, usize)>,
) -> Result<Option<(Connection, usize)>, String> {
    let (mut connection, count) = match kept {
        Some(kept) => kept,
        None => {
            let opened = timeout(PATIENCE, shared.door.open()).await;
            let opened = opened.map_err(|_| "connecting takes too long".to_owned())?;
            (opened.map_err(|error| format!("connecting: {error}"))?, 0)
        }
    };
    let closes = question.ask_rightly(&mut connection, uid).await?;
    let is_kept = !closes && count + 1 < shared.pace.reviews_each;
    Ok(is_kept.then_some((connection, count + 1)))
}
