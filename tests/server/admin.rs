//! Health and metrics.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{Webhook, admin, post, review};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_page_has_its_answer() {
    let webhook = Webhook::start().await;
    for (method, path, status, part) in [
        ("GET", "/healthz", 200, "ok\n"),
        ("GET", "/readyz", 200, "ok\n"),
        ("GET", "/readyz?verbose", 200, "ok\n"),
        ("GET", "/metrics", 200, "# EOF\n"),
        ("HEAD", "/healthz", 200, ""),
        ("HEAD", "/metrics", 200, ""),
        ("POST", "/healthz", 405, "read it by GET.\n"),
        ("DELETE", "/metrics", 405, "read it by GET.\n"),
        ("GET", "/", 404, "there are /healthz, /readyz and /metrics.\n"),
        ("GET", "/mutate", 404, "\"/mutate\""),
    ] {
        let answer = admin(webhook.admin, method, path).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.text().contains(part), "{method} {path}: {}", answer.text());
        assert_eq!(answer.body.is_empty(), method == "HEAD", "{method} {path}");
        assert_eq!(answer.header("allow"), if status == 405 { "GET, HEAD" } else { "" }, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_names_its_reasons() {
    let webhook = Webhook::start().await;
    webhook.health.block("the cluster view is not filled yet");
    webhook.health.block("draining");
    let answer = webhook.get("/readyz").await;
    assert_eq!(
        (answer.status, answer.text()),
        (503, "draining, the cluster view is not filled yet\n".to_owned())
    );
    assert_eq!(webhook.get("/healthz").await.status, 200);
    webhook.health.clear("the cluster view is not filled yet");
    assert_eq!(webhook.get("/readyz").await.text(), "draining\n");
    webhook.health.clear("draining");
    assert_eq!(webhook.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_are_open_metrics() {
    let webhook = Webhook::start().await;
    webhook.open().await.ask(post("/mutate", review("u").to_string())).await;
    let answer = webhook.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text();
    for name in [
        "podwright_reviews_total",
        "podwright_review_duration_seconds_bucket",
        "podwright_in_flight_reviews",
        "podwright_connections",
        "podwright_connections_refused_total",
        "podwright_tls_handshake_failures_total",
        "podwright_panics_total",
        "podwright_verification_failures_total",
        "podwright_build_info",
    ] {
        let is_there = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        assert!(text.lines().any(is_there), "{name} is missing:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_do_not_keep_probes_out() {
    let webhook = Webhook::start().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut tcp = TcpStream::connect(webhook.admin).await.unwrap();
        tcp.write_all(b"GET /he").await.unwrap();
        silent.push(tcp);
    }
    let (answer, took) = crate::harness::timed(webhook.get("/healthz")).await;
    assert_eq!(answer.status, 200);
    assert!(took < Duration::from_secs(2), "{took:?}");
}
