//! The memory of the `serve` command under clients that want all of it.

use std::future::Future;
use std::time::Duration;

use futures::future::join_all;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Connection, PATIENCE, connect, head, post, review};
use crate::process::Process;

/// The process alone takes 40 MB in a development build, the large bodies 56 MiB, the connections some 100 KiB each.
const MOST_MEMORY_BYTES: usize = 320 * 1024 * 1024;
/// The largest body that is read.
const MAX_BODY: usize = 7 * 1024 * 1024;
/// How many clients there are of each sort: more than have their large bodies read at once.
const CLIENTS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_do_not_get_all_memory() {
    let mut process = Process::local(&["--body-timeout=2s", "--log-level=debug"]);
    let held = |what: &str| {
        let most = process.most_memory_bytes();
        println!("{what}: {} MiB", most / 1024 / 1024);
        assert!(most < MOST_MEMORY_BYTES, "{what}: {most} bytes");
    };
    let open = || async { connect(process.listen, process.roots.clone()).await.unwrap() };

    let many = |ask: Vec<u8>| async move {
        crowd(|_| async {
            let mut connection = open().await;
            if connection.try_send(&ask).await.is_ok() {
                let _ = connection.try_answer().await;
            }
        })
        .await;
    };
    many(post("/mutate", heap("{\"a\":0},", MAX_BODY))).await;
    held("a heap of objects");
    many(post("/mutate", long_names())).await;
    held("long names");
    while process.log("reviewed")["name"] == "app" {}
    let logged = process.log("reviewed").to_string();
    assert!(logged.len() < 4096, "a log line of {} bytes", logged.len());
    many(post("/mutate", vec![b'['; MAX_BODY])).await;
    held("brackets");

    crowd(|_| async {
        let mut connection = open().await;
        let half = vec![b' '; MAX_BODY / 2];
        if connection.try_send(head("/mutate", MAX_BODY)).await.is_ok() {
            let _ = timeout(Duration::from_secs(1), connection.try_send(&half)).await;
        }
        let _ = connection.try_answer().await;
    })
    .await;
    held("halves of bodies");

    crowd(|_| async { unread(open().await).await }).await;
    held("answers that nobody reads");

    for _ in 0..10 {
        crowd(|_| open()).await;
        crowd(|_| async { drop(TcpStream::connect(process.listen).await) }).await;
    }
    held("handshakes");

    // Whoever reads and asks is still served, and a stop under load takes no more.
    assert_eq!(open().await.ask(post("/mutate", review("1").to_string())).await.status, 200);
    let load = many(post("/mutate", heap("{\"a\":0},", MAX_BODY / 8)));
    let stop = async {
        process.signal(Signal::TERM);
        held("stopping");
    };
    tokio::join!(load, stop);
    assert!(process.exit().success());
}

async fn crowd<F: Future>(client: impl Fn(usize) -> F) {
    let all = join_all((0..CLIENTS).map(client));
    timeout(PATIENCE * 6, all).await.expect("the clients are not done in time");
}

/// Asks as long as that goes, and reads nothing.
async fn unread(mut connection: Connection) {
    let asks = post("/nowhere", "").repeat(100);
    for _ in 0..100 {
        match timeout(Duration::from_millis(500), connection.try_send(&asks)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// A review of so many bytes whose Pod is many small values.
fn heap(value: &str, size: usize) -> Vec<u8> {
    let mut review = review("1");
    review["request"]["object"]["spec"]["containers"] = "HEAP".into();
    let text = review.to_string();
    let room = (size - text.len()) / value.len();
    let list = format!("[{}0]", value.repeat(room - 1));
    text.replace("\"HEAP\"", &list).into_bytes()
}

/// A review that names itself at length, for a refusal that a log line tells of.
fn long_names() -> Vec<u8> {
    let mut review = review(&"u".repeat(MAX_BODY / 16));
    review["request"]["name"] = "n".repeat(MAX_BODY / 16).into();
    review["request"]["object"]["metadata"]["annotations"]["x.podwright.dev/y"] =
        "z".repeat(MAX_BODY / 16).into();
    review.to_string().into_bytes()
}
