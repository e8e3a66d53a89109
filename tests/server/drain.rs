//! A stop under load: no request may be lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use rustls::RootCertStore;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Connection, PATIENCE, admin, connect, post, review};
use crate::process::Process;

const CLIENTS: usize = 8;
const DRAIN_DELAY: Duration = Duration::from_millis(600);
/// From `/readyz` going off until no client opens a connection any more: what the endpoint's withdrawal takes.
const WITHDRAWAL: Duration = Duration::from_millis(300);

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
struct Habit {
    name: &'static str,
    /// Whether it keeps its connection for the next request, unless it is told to leave.
    keeps: bool,
    /// How long it pauses between requests.
    pause: Duration,
}

/// What the clients share.
#[derive(Default)]
struct Load {
    withdrawn: AtomicBool,
    asked: AtomicUsize,
    answered: AtomicUsize,
    connections: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost() {
    for habit in [
        Habit { name: "kept connections, no pause", keeps: true, pause: Duration::ZERO },
        Habit { name: "kept connections, pauses", keeps: true, pause: Duration::from_millis(3) },
        Habit { name: "kept connections, long pauses", keeps: true, pause: Duration::from_millis(150) },
        Habit { name: "a connection each", keeps: false, pause: Duration::ZERO },
    ] {
        let mut process = Process::local(&["--drain-delay=600ms", "--drain-timeout=5s"]);
        let load = Arc::new(Load::default());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(client(habit, process.listen, process.roots.clone(), load.clone()));
        }
        let warm = if habit.pause > Duration::from_millis(100) { 50 } else { 500 };
        let warmed = async {
            while load.answered.load(Ordering::SeqCst) < warm {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, warmed).await.unwrap();

        let before = load.answered.load(Ordering::SeqCst);
        process.signal(Signal::TERM);
        withdraw(process.admin, &load).await;
        let mut lost = Vec::new();
        while let Some(client) = clients.join_next().await {
            lost.extend(client.unwrap());
        }
        let code = process.exit().code();
        let drained = process.log("drained");

        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        let (asked, answered) = (count(&load.asked), count(&load.answered));
        println!(
            "{}: asked {asked}, answered {answered} ({} after SIGTERM), lost {}, connections {}, cut {}",
            habit.name,
            answered - before,
            lost.len(),
            count(&load.connections),
            drained["cut"],
        );
        assert!(lost.is_empty(), "{}: {lost:?}", habit.name);
        assert_eq!(asked, answered, "{}", habit.name);
        assert!(answered > before, "{}: no load after the signal", habit.name);
        assert_eq!((code, &drained["cut"]), (Some(0), &0.into()), "{}", habit.name);
    }
}

/// Models the withdrawal of the endpoint: some time after readiness is off, no client connects any more.
async fn withdraw(address: SocketAddr, load: &Load) {
    let off = async {
        while admin(address, "GET", "/readyz").await.status == 200 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, off).await.unwrap();
    let start = Instant::now();
    sleep(WITHDRAWAL).await;
    load.withdrawn.store(true, Ordering::SeqCst);
    assert!(start.elapsed() < DRAIN_DELAY, "this machine is too slow for the test's times");
}

/// Asks until its connection has ended and it may open no other. It never asks twice. What it lost.
async fn client(
    habit: Habit,
    address: SocketAddr,
    roots: Arc<RootCertStore>,
    load: Arc<Load>,
) -> Vec<String> {
    let mut lost = Vec::new();
    let mut kept: Option<Connection> = None;
    for number in 0.. {
        // As Go's pool does: a connection that its server has closed meanwhile is not used.
        if let Some(connection) = &mut kept
            && timeout(Duration::ZERO, connection.tls.read_u8()).await.is_ok()
        {
            kept = None;
        }
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None if load.withdrawn.load(Ordering::SeqCst) => return lost,
            None => match connect(address, roots.clone()).await {
                Ok(connection) => {
                    load.connections.fetch_add(1, Ordering::SeqCst);
                    connection
                }
                Err(error) => {
                    lost.push(format!("connecting: {error}"));
                    continue;
                }
            },
        };
        let uid = format!("u-{number}");
        load.asked.fetch_add(1, Ordering::SeqCst);
        match ask(&mut connection, &uid).await {
            Ok(closes) => {
                load.answered.fetch_add(1, Ordering::SeqCst);
                kept = Some(connection).filter(|_| habit.keeps && !closes);
            }
            Err(error) => lost.push(format!("request {number}: {error}")),
        }
        sleep(habit.pause).await;
    }
    lost
}

async fn ask(connection: &mut Connection, uid: &str) -> Result<bool, String> {
    let request = post("/mutate?timeout=10s", review(uid).to_string());
    connection.try_send(request).await.map_err(|error| format!("sending: {error}"))?;
    let answer = connection.try_answer().await.map_err(|error| format!("reading: {error}"))?;
    let answer = answer.ok_or("closed without an answer")?;
    if answer.status != 200 || answer.json()["response"]["uid"] != uid {
        return Err(format!("answered {}: {}", answer.status, answer.text()));
    }
    Ok(answer.closes())
}
