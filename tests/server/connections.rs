//! Connections: kept, counted, limited.

use std::time::Duration;

use podwright::server::Settings;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Webhook, connect, post, review, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_kept_for_many_reviews() {
    let webhook = Webhook::start().await;
    let mut connection = webhook.open().await;
    for number in 0..200 {
        let uid = format!("uid-{number}");
        let answer = connection.ask(post("/mutate?timeout=10s", review(&uid).to_string())).await;
        assert_eq!(answer.json()["response"]["uid"], uid);
        assert!(!answer.closes());
    }
    assert_eq!(webhook.metric("podwright_connections").await, 1);
    drop(connection);
    webhook.metric_becomes("podwright_connections", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_common_client_reuses_its_connection() {
    let webhook = Webhook::start().await;
    let config = crate::harness::client_config(webhook.roots.clone());
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap();
    for _ in 0..20 {
        let url = format!("https://localhost:{}/mutate", webhook.listen.port());
        let answer = client.post(url).json(&review("u-1")).send().await.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_11);
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(answer["response"]["uid"], "u-1");
    }
    // It may ask again before it has put its connection back, and then opens another.
    assert!(webhook.metric("podwright_connections").await <= 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order() {
    let webhook = Webhook::start().await;
    let mut connection = webhook.open().await;
    let all: Vec<u8> = (0..40).flat_map(|n| post("/mutate", review(&format!("u-{n}")).to_string())).collect();
    connection.send(all).await;
    for n in 0..40 {
        assert_eq!(connection.answer().await.unwrap().json()["response"]["uid"], format!("u-{n}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_0_and_what_is_no_http_are_answered() {
    let webhook = Webhook::start().await;
    let mut connection = webhook.open().await;
    let request = post("/mutate", review("u-1").to_string());
    let request = String::from_utf8(request).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(connection.ask(request).await.status, 200);
    assert!(connection.is_closed().await);

    let mut connection = webhook.open().await;
    assert_eq!(connection.ask("what is this?\r\n\r\n").await.status, 400);
    assert!(connection.is_closed().await);

    let mut connection = webhook.open().await;
    let long = format!("POST /mutate HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(200_000));
    assert_eq!(connection.ask(long).await.status, 431);
    webhook.metric_becomes(r#"podwright_http_errors_total{code="400"}"#, 1).await;
    webhook.metric_becomes(r#"podwright_http_errors_total{code="431"}"#, 1).await;
    webhook.metric_becomes("podwright_connections", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_limit_a_busy_server_refuses_at_once() {
    let webhook =
        Webhook::start_with(Settings { max_connections: 2, ..settings() }, crate::harness::allow).await;
    let (mut one, mut two) = (webhook.open().await, webhook.open().await);
    // Both are in the middle of a request, so neither can make room.
    for connection in [&mut one, &mut two] {
        connection.send("POST /mutate HTTP/1.1\r\n").await;
    }
    let mut third = webhook.open_tcp().await;
    let read = timeout(PATIENCE, third.read_u8()).await.expect("it waits instead of being refused");
    assert!(read.is_err());
    webhook.metric_becomes("podwright_connections_refused_total", 1).await;
    assert_eq!(webhook.metric("podwright_connections").await, 2);

    // Those that are open are served, and one that ends leaves its place.
    drop(one);
    webhook.metric_becomes("podwright_connections", 1).await;
    let mut fourth = webhook.open().await;
    assert_eq!(fourth.ask(post("/mutate", review("u").to_string())).await.status, 200);
    let body = review("u").to_string();
    let rest =
        format!("host: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(two.ask(rest).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_limit_the_longest_idle_connection_makes_room() {
    let webhook =
        Webhook::start_with(Settings { max_connections: 2, ..settings() }, crate::harness::allow).await;
    let (mut first, mut second) = (webhook.open().await, webhook.open().await);
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.ask(post("/mutate", review("u").to_string())).await.status, 200);
    }
    // An idle connection is left alone for a second; until then the server refuses.
    let third = async {
        loop {
            match connect(webhook.listen, webhook.roots.clone()).await {
                Ok(connection) => return connection,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let mut third = timeout(PATIENCE, third).await.unwrap();
    assert_eq!(third.ask(post("/mutate", review("u").to_string())).await.status, 200);
    let closed = tokio::select! {
        biased;
        _ = first.tls.read_u8() => 1,
        _ = second.tls.read_u8() => 2,
    };
    let survivor = if closed == 1 { &mut second } else { &mut first };
    assert_eq!(survivor.ask(post("/mutate", review("u").to_string())).await.status, 200);
}
