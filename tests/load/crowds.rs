//! Clients that take their time, or leave before theirs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls_pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clients::{Scene, crowd, dribble};
use crate::harness::{PATIENCE, head};

/// The time limits of the server here, so that the tests are short.
const LIMIT: &str = "2s";
/// How often a byte is sent, so that there are some within the limit.
const BETWEEN_BYTES: Duration = Duration::from_millis(500);
/// The steady client shares its process with the crowd, and would stand idle while that shakes hands.
const HANDSHAKES_AT_ONCE: usize = 16;

pub(crate) async fn slow_loris() {
    let scene =
        Scene::local(&[&format!("--body-timeout={LIMIT}"), &format!("--handshake-timeout={LIMIT}")]).await;
    let turns = Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE));
    let crowd = crowd(2_000, |_| {
        let (door, turns) = (scene.door.clone(), Arc::clone(&turns));
        async move {
            let turn = turns.acquire_owned().await;
            let opened = door.open().await;
            drop(turn);
            match opened {
                Ok(connection) => {
                    dribble(connection, "POST /mutate HTTP/1.1\r\n".to_owned(), BETWEEN_BYTES).await
                }
                Err(_) => "closed before a handshake".to_owned(),
            }
        }
    });
    let made = async {
        let outcomes = crowd.await;
        outcomes.are_among(&["answered 408", "closed before a handshake", "closed"]);
        assert!(outcomes.of("answered 408") >= 100, "{outcomes}");
        outcomes
    };
    scene.under("2,000 connections that send a head a byte at a time", made).await;
}

pub(crate) async fn half_open_handshakes() {
    let scene = Scene::local(&[&format!("--handshake-timeout={LIMIT}")]).await;
    let hello = hello(&scene);
    let crowd = crowd(600, |number| {
        let (door, hello) = (scene.door.clone(), hello.clone());
        async move {
            let mut tcp = door.open_tcp().await.unwrap();
            // Nothing, half of the first message, or all of it and never the next.
            let part = hello.len() * (number % 3) / 2;
            tcp.write_all(&hello[..part]).await.unwrap();
            let mut answer = Vec::new();
            match timeout(PATIENCE, tcp.read_to_end(&mut answer)).await {
                Ok(_) => "closed".to_owned(),
                Err(_) => format!("left open with {part} bytes sent"),
            }
        }
    });
    let made = async {
        let outcomes = crowd.await;
        outcomes.are_among(&["closed"]);
        outcomes
    };
    // Some of them would not be known to the server for seconds if fewer could wait to be accepted.
    scene.under("600 handshakes that stop halfway", made).await;
}

/// The first message of a handshake.
fn hello(scene: &Scene) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(scene.door.config(), name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

pub(crate) async fn slow_bodies() {
    let scene = Scene::local(&[&format!("--body-timeout={LIMIT}")]).await;
    let crowd = crowd(200, |_| {
        let door = scene.door.clone();
        async move { dribble(door.open().await.unwrap(), head("/mutate", 1_000), BETWEEN_BYTES).await }
    });
    let made = async {
        let outcomes = crowd.await;
        outcomes.are_among(&["answered 408"]);
        outcomes
    };
    scene.under("200 bodies sent a byte at a time", made).await;
}

pub(crate) async fn hanging_up() {
    let scene = Scene::local(&[]).await;
    let requests = scene.questions[1].request("left").repeat(20);
    let made = async {
        let end = Instant::now() + Duration::from_secs(2);
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            let (door, requests) = (scene.door.clone(), requests.clone());
            clients.spawn(async move {
                let mut count = 0;
                while Instant::now() < end {
                    let mut connection = door.open().await.unwrap();
                    connection.send(&requests).await;
                    connection.tls.read_u8().await.unwrap();
                    // With what is unread the connection is reset.
                    SockRef::from(connection.tls.get_ref().0).set_linger(Some(Duration::ZERO)).unwrap();
                    count += 1;
                }
                count
            });
        }
        let count = clients.join_all().await.into_iter().sum::<usize>();
        assert!(count >= 16, "{count}");
        format!("{count} hung up")
    };
    scene.under("clients that ask 20 times at once and hang up in the first answer", made).await;
}
