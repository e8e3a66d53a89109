//! Clients that take their time, or leave before theirs.

use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls_pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::clients::{Outcomes, Scene, crowd, dribble};
use crate::harness::{PATIENCE, head};

/// The time limits of the server here, so that the tests are short.
const LIMIT: &str = "2s";
/// How often a byte is sent, so that there are some within the limit.
const BETWEEN_BYTES: Duration = Duration::from_millis(500);
/// At this pace the limit is reached long before the flood ends, and by connections of which most are older than a second.
const BETWEEN_LORISES: Duration = Duration::from_millis(5);

pub(crate) async fn slow_loris() {
    let scene = Scene::local(&["--max-connections=512", "--body-timeout=4s"]).await;
    let flood = crowd(2_000, |number| {
        let door = scene.door.clone();
        async move {
            sleep(BETWEEN_LORISES * u32::try_from(number).unwrap()).await;
            match door.open().await {
                Ok(connection) => {
                    dribble(connection, "POST /mutate HTTP/1.1\r\n".to_owned(), BETWEEN_BYTES).await
                }
                Err(_) => "closed at once".to_owned(),
            }
        }
    });
    let made = async {
        let (outcomes, newcomers) = tokio::join!(flood, newcomers(&scene));
        outcomes.are_among(&["answered 408", "closed", "closed at once"]);
        // The limit is reached, and yet most who come with a whole request are served.
        assert!(outcomes.of("closed") >= 50, "{outcomes}");
        assert!(newcomers.of("answered") >= 3 * newcomers.of("closed at once"), "{newcomers}");
        format!("{outcomes}; of new clients {newcomers}")
    };
    scene.under("2,000 connections in 10 s that send a head a byte at a time, where 512 may be", made).await;
}

/// Clients that ask once each over a connection of their own, while the flood comes.
async fn newcomers(scene: &Scene) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for _ in 0..100 {
        sleep(BETWEEN_LORISES * 20).await;
        let outcome = match scene.door.open().await {
            Ok(mut connection) => {
                assert_eq!(connection.ask(scene.questions[0].request("new")).await.status, 200);
                "answered"
            }
            Err(_) => "closed at once",
        };
        outcomes.count(outcome);
    }
    outcomes
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
