//! Clients that do not come to their end: every wait is bounded, counted and answered.

use std::time::Duration;

use podwright::engine::{Decision, Question};
use podwright::server::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::harness::{PATIENCE, Webhook, allow, head, post, review, settings, timed};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_sent_body_is_answered() {
    let webhook = Webhook::start_with(Settings { body_timeout: SHORT, ..settings() }, allow).await;
    for sent in ["", "{\"apiVersion\":"] {
        let mut connection = webhook.open().await;
        connection.send(head("/mutate", 1000)).await;
        let (answer, took) = timed(connection.ask(sent)).await;
        assert_eq!(answer.status, 408);
        assert!(answer.text().contains("did not come whole within 200ms"), "{}", answer.text());
        assert!(answer.closes() && took >= SHORT / 2, "{took:?}");
        assert!(connection.is_closed().await);
    }
    webhook.metric_becomes(r#"podwright_http_errors_total{code="408"}"#, 2).await;
    webhook.metric_becomes("podwright_connections", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_own_timeout_bounds_its_body_too() {
    let webhook = Webhook::start().await;
    let mut connection = webhook.open().await;
    let (answer, took) = timed(connection.ask(head("/mutate?timeout=2s", 1000))).await;
    assert_eq!(answer.status, 408);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_sent_head_is_answered() {
    let webhook = Webhook::start_with(Settings { body_timeout: SHORT, ..settings() }, allow).await;
    // On a fresh connection, and on one that has been used.
    for used in [false, true] {
        let mut connection = webhook.open().await;
        if used {
            assert_eq!(connection.ask(post("/mutate", review("u").to_string())).await.status, 200);
        }
        let answer = connection.ask("POST /mutate HTTP/1.1\r\nhos").await;
        assert_eq!(answer.status, 408);
        assert!(answer.text().ends_with("--body-timeout.\r\n"), "{}", answer.text());
        assert!(answer.closes());
        assert!(connection.is_closed().await);
    }
    webhook.metric_becomes(r#"podwright_http_errors_total{code="408"}"#, 2).await;
    webhook.metric_becomes("podwright_connections", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_closed() {
    let webhook = Webhook::start_with(Settings { idle_timeout: SHORT, ..settings() }, allow).await;
    for used in [false, true] {
        let mut connection = webhook.open().await;
        if used {
            assert_eq!(connection.ask(post("/mutate", review("u").to_string())).await.status, 200);
        }
        let (closed, took) = timed(connection.is_closed()).await;
        assert!(closed && took >= SHORT / 2, "{took:?}");
    }
    webhook.metric_becomes("podwright_connections", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_connection_is_not_closed_as_idle() {
    let webhook = Webhook::start_with(Settings { idle_timeout: SHORT, ..settings() }, allow).await;
    let mut connection = webhook.open().await;
    let start = tokio::time::Instant::now();
    let mut asked = 0;
    while start.elapsed() < SHORT * 4 {
        assert_eq!(connection.ask(post("/mutate", review("u").to_string())).await.status, 200);
        asked += 1;
    }
    assert!(asked > 10, "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_does_not_come_is_given_up() {
    let webhook = Webhook::start_with(Settings { handshake_timeout: SHORT, ..settings() }, allow).await;
    // Nothing at all, and the first bytes of a ClientHello.
    for sent in [&b""[..], &[0x16, 3, 1, 2, 0, 1, 0]] {
        let mut tcp = webhook.open_tcp().await;
        tcp.write_all(sent).await.unwrap();
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, tcp.read_to_end(&mut rest)).await.expect("it stays open");
        assert_eq!(rest, b"");
    }
    webhook.metric_becomes(r#"podwright_tls_handshake_failures_total{reason="timeout"}"#, 2).await;
    webhook.metric_becomes("podwright_connections", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_that_do_not_come_leave_memory_bounded() {
    let max_body = 128 * 1024;
    let webhook = Webhook::start_with(Settings { max_body, ..settings() }, allow).await;
    let mut hoarders = Vec::new();
    for _ in 0..8 {
        let mut connection = webhook.open().await;
        connection.send(format!("{}{{", head("/mutate", max_body))).await;
        hoarders.push(connection);
    }
    // Which of two requests comes first is the server's to say, so this one asks until it is the ninth.
    let refused = async {
        loop {
            let mut connection = webhook.open().await;
            let answer = connection.ask(post("/mutate?timeout=200ms", vec![b' '; max_body])).await;
            match answer.status {
                503 => return answer,
                status => assert!(matches!(status, 400), "{status}"),
            }
        }
    };
    let answer = timeout(PATIENCE, refused).await.unwrap();
    assert!(answer.text().contains("too many large bodies"), "{}", answer.text());

    // Reviews of the usual size are not touched.
    let mut connection = webhook.open().await;
    assert_eq!(connection.ask(post("/mutate", review("u").to_string())).await.status, 200);
    // And neither are large ones, once there is room.
    drop(hoarders);
    webhook.metric_becomes("podwright_connections", 1).await;
    assert_eq!(connection.ask(post("/mutate", vec![b' '; max_body])).await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_given_up() {
    // Answers that fill every buffer on the way.
    let decide =
        |_: &Question<'_>| Decision { warnings: vec!["x".repeat(1 << 20); 16], ..Decision::default() };
    let webhook = Webhook::start_with(Settings { body_timeout: SHORT, ..settings() }, decide).await;
    let mut connection = webhook.open().await;
    connection.send(post("/mutate", review("u").to_string())).await;
    webhook.metric_becomes(r#"podwright_reviews_total{endpoint="mutate",outcome="allowed"}"#, 1).await;
    webhook.metric_becomes("podwright_connections", 0).await;

    // Who reads gets it whole.
    let mut connection = webhook.open().await;
    let answer = connection.ask(post("/mutate", review("u").to_string())).await;
    assert_eq!(answer.json()["response"]["warnings"].as_array().unwrap().len(), 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_leaves_nothing() {
    let webhook = Webhook::start().await;
    for sent in ["", "POST /mut", &head("/mutate", 1000), &format!("{}{{", head("/mutate", 1000))] {
        let mut connection = webhook.open().await;
        connection.send(sent).await;
    }
    webhook.metric_becomes("podwright_connections", 0).await;
    assert_eq!(webhook.metric("podwright_in_flight_reviews").await, 0);
}
