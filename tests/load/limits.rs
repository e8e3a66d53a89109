//! Far more than there may be.

use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep};

use crate::clients::{LOG, Outcomes, Scene, crowd, open_files};
use crate::harness::{Connection, admin, post, review};
use crate::process::{Process, podwright};
use crate::steady::Door;

/// Whoever is refused must know it long before its own time is up: after ten seconds for an API server.
const FAST: Duration = Duration::from_millis(2500);

pub(crate) async fn connections() {
    let scene = Scene::local(&["--max-connections=16"]).await;
    let slowest = Arc::new(AtomicUsize::new(0));
    let client = |_| {
        let (door, slowest) = (scene.door.clone(), Arc::clone(&slowest));
        async move {
            let began = Instant::now();
            let outcome = ask_once(&door, review("crowd").to_string(), "10s").await;
            if outcome != "answered 200" {
                slowest.fetch_max(began.elapsed().as_millis() as usize, Ordering::Relaxed);
            }
            outcome
        }
    };
    let made = async {
        let mut outcomes = Outcomes::default();
        // One crowd is gone before others have asked for much.
        for _ in 0..4 {
            outcomes.add(crowd(1_600, client).await);
        }
        outcomes.are_among(&["answered 200", "closed at once"]);
        assert!(outcomes.of("closed at once") > 100, "{outcomes}");
        let slowest = Duration::from_millis(slowest.load(Ordering::Relaxed) as u64);
        assert!(slowest < FAST, "a refusal took {slowest:?}");
        format!("{outcomes}, the slowest within {slowest:?}")
    };
    scene.under("four times 1,600 connections at once where 16 may be", made).await;
}

pub(crate) async fn large_bodies() {
    let scene = Scene::local(&["--max-body=256KiB"]).await;
    let mut body = review("crowd").to_string();
    body.push_str(&" ".repeat(256 * 1024 - body.len()));
    let all = Arc::new(Barrier::new(800));
    let crowd = crowd(800, |_| {
        let (door, body, all) = (scene.door.clone(), body.clone(), Arc::clone(&all));
        async move {
            let connection = door.open().await;
            // As API servers have them open already.
            all.wait().await;
            match connection {
                Ok(connection) => ask(connection, body, "4s").await,
                Err(error) => error.to_string(),
            }
        }
    });
    let made = async {
        let outcomes = crowd.await;
        // Some are slow to come, because all come at once.
        outcomes.are_among(&["answered 200", "answered 503", "answered 408", "answered 504"]);
        assert!(outcomes.of("answered 200") > 8, "{outcomes}");
        outcomes
    };
    scene.under("800 large bodies at once where 8 may be", made).await;
}

async fn ask_once(door: &Door, body: String, patience: &str) -> String {
    match door.open().await {
        Ok(connection) => ask(connection, body, patience).await,
        Err(_) => "closed at once".to_owned(),
    }
}

async fn ask(mut connection: Connection, body: String, patience: &str) -> String {
    // An answer may come before all is sent.
    let sent = connection.try_send(post(&format!("/mutate?timeout={patience}"), body)).await;
    match connection.try_answer().await {
        Ok(Some(answer)) => format!("answered {}", answer.status),
        Ok(None) | Err(_) => format!("lost, {sent:?}"),
    }
}

pub(crate) async fn few_files() {
    let folder = tempfile::tempdir().unwrap();
    let podwright =
        podwright(&["serve", "--local", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", LOG]);
    let mut command = Command::new("prlimit");
    command.arg("--nofile=160:160").arg(podwright.get_program()).args(podwright.get_args());
    command.current_dir(folder.path());
    let scene = Scene::of(Process::start(command, folder)).await;
    let refused = Arc::new(AtomicUsize::new(0));
    let made = async {
        let outcomes = keeping(80, || {
            let (door, refused) = (scene.door.clone(), Arc::clone(&refused));
            async move {
                loop {
                    match door.open().await {
                        Ok(connection) => return connection,
                        Err(_) => refused.fetch_add(1, Ordering::Relaxed),
                    };
                    sleep(Duration::from_millis(50)).await;
                }
            }
        })
        .await;
        assert_eq!(admin(scene.process.admin, "GET", "/readyz").await.status, 200);
        format!("{outcomes}, {} attempts closed at once", refused.load(Ordering::Relaxed))
    };
    scene.under("80 clients that keep connections, of 160 file descriptors in all", made).await;
}

pub(crate) async fn no_files() {
    let scene = Scene::local(&[]).await;
    let made = async {
        let pid = Some(Pid::from_child(&scene.process.child));
        let left = Some(open_files(&scene.process) as u64 + 10);
        // It has its hard limit from us.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let before = prlimit(pid, Resource::Nofile, Rlimit { current: left, maximum }).unwrap();
        let outcomes = keeping(40, || {
            let door = scene.door.clone();
            async move { door.open().await.unwrap() }
        })
        .await;
        prlimit(pid, Resource::Nofile, before).unwrap();
        outcomes
    };
    scene.under("40 clients that keep connections, with 10 file descriptors left", made).await;
}

/// So many clients that ask once and keep their connections until all have their answers.
async fn keeping<F>(count: usize, open: impl Fn() -> F) -> Outcomes
where
    F: Future<Output = Connection> + Send + 'static,
{
    let all = Arc::new(Barrier::new(count));
    let outcomes = crowd(count, |_| {
        let (open, all) = (open(), Arc::clone(&all));
        async move {
            let mut connection = open.await;
            let answer = connection.ask(post("/mutate", review("crowd").to_string())).await;
            all.wait().await;
            format!("answered {}", answer.status)
        }
    })
    .await;
    outcomes.are_among(&["answered 200"]);
    outcomes
}
