//! What a stop does to a connection in every state that it can be in.

use std::time::Duration;

use podwright::server::{Drained, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Bound, Webhook, allow, head, post, review, settings, shake_hands, timed};

const DELAY: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_draining_is_announced_all_are_served_and_told_to_leave() {
    let webhook = Webhook::start_with(Settings { drain_delay: DELAY, ..settings() }, allow).await;
    let mut kept = webhook.open().await;
    assert!(!kept.ask(post("/mutate", review("u").to_string())).await.closes());
    assert_eq!(webhook.get("/readyz").await.status, 200);

    webhook.stop.cancel();
    while webhook.get("/readyz").await.status == 200 {}
    assert_eq!(webhook.get("/readyz").await.text(), "draining\n");
    assert_eq!(webhook.get("/healthz").await.status, 200);
    // An idle connection is still open, and a new one is still taken.
    for connection in [&mut kept, &mut webhook.open().await] {
        let answer = connection.ask(post("/mutate", review("u").to_string())).await;
        assert!(answer.status == 200 && answer.closes());
        assert!(connection.is_closed().await);
    }
    assert_eq!(webhook.drained().await, Drained { cut: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_ends_with_the_delay() {
    let webhook = Webhook::start_with(Settings { drain_delay: DELAY, ..settings() }, allow).await;
    let mut idle = webhook.open().await;
    idle.ask(post("/mutate", review("u").to_string())).await;
    webhook.stop.cancel();
    let (closed, took) = timed(idle.is_closed()).await;
    assert!(closed && took >= DELAY / 2, "{took:?}");
    assert_eq!(webhook.drained().await, Drained { cut: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_the_backlog_is_served() {
    let bound = Bound::new(settings(), allow).await;
    // Nobody accepts yet: all of these are the kernel's.
    let mut waiting = Vec::new();
    for number in 0..50 {
        let (tcp, config) = (bound.open_tcp().await, bound.config());
        waiting.push(tokio::spawn(async move {
            let mut connection = shake_hands(tcp, config).await.unwrap();
            let uid = format!("u-{number}");
            let answer = connection.ask(post("/mutate", review(&uid).to_string())).await;
            assert_eq!(answer.json()["response"]["uid"], uid);
            assert!(answer.closes());
        }));
    }
    let webhook = bound.run();
    let drained = webhook.stopped().await;
    for client in waiting {
        client.await.unwrap();
    }
    assert_eq!(drained, Drained { cut: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_finished() {
    let body = review("u").to_string();
    let whole = String::from_utf8(post("/mutate", &body)).unwrap();
    let head = head("/mutate", body.len());
    for used in [false, true] {
        // Nothing yet (on a fresh connection), a part of the head, the head, a part of the body.
        for sent in [0, 10, head.len(), head.len() + 10] {
            if used && sent == 0 {
                continue;
            }
            let webhook = Webhook::start().await;
            let mut connection = webhook.open().await;
            if used {
                assert_eq!(connection.ask(&whole).await.status, 200);
            }
            connection.send(&whole[..sent]).await;
            webhook.metric_becomes("podwright_connections", 1).await;
            webhook.stop.cancel();
            // The port is closed from here on.
            while tokio::net::TcpStream::connect(webhook.listen).await.is_ok() {}
            let answer = connection.ask(&whole[sent..]).await;
            assert!(answer.status == 200 && answer.closes(), "{used} {sent}");
            assert_eq!(webhook.drained().await, Drained { cut: 0 });
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_under_way_is_finished() {
    let webhook = Webhook::start().await;
    let tcp = webhook.open_tcp().await;
    webhook.metric_becomes("podwright_connections", 1).await;
    webhook.stop.cancel();
    while tokio::net::TcpStream::connect(webhook.listen).await.is_ok() {}
    let config = std::sync::Arc::new(crate::harness::client_config(webhook.roots.clone()));
    let mut connection = shake_hands(tcp, config).await.unwrap();
    let answer = connection.ask(post("/mutate", review("u").to_string())).await;
    assert!(answer.status == 200 && answer.closes());
    assert_eq!(webhook.drained().await, Drained { cut: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_never_asks_holds_up_nothing_for_long() {
    let webhook = Webhook::start().await;
    let mut silent = webhook.open().await;
    webhook.metric_becomes("podwright_connections", 1).await;
    webhook.stop.cancel();
    let (closed, took) = timed(silent.is_closed()).await;
    assert!(closed && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(webhook.drained().await, Drained { cut: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_is_cut() {
    let patience = Duration::from_millis(200);
    let webhook = Webhook::start_with(Settings { drain_timeout: patience, ..settings() }, allow).await;
    let mut stuck = webhook.open().await;
    stuck.send(head("/mutate", 1000)).await;
    let mut shaking = webhook.open_tcp().await;
    shaking.write_all(&[0x16]).await.unwrap();
    webhook.metric_becomes("podwright_connections", 2).await;
    let (drained, took) = timed(webhook.stopped()).await;
    assert_eq!(drained, Drained { cut: 2 });
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(shaking.read_u8().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_a_hurry_waits_for_nothing() {
    let settings = Settings { drain_delay: Duration::from_secs(60), ..settings() };
    let webhook = Webhook::start_with(settings, allow).await;
    let _idle = webhook.open().await;
    webhook.metric_becomes("podwright_connections", 1).await;
    webhook.stop.cancel();
    while webhook.get("/readyz").await.status == 200 {}
    webhook.hurry.cancel();
    assert_eq!(webhook.drained().await, Drained { cut: 1 });
}
