//! Which request is answered how.

use serde_json::json;

use crate::harness::{Webhook, head, post, review};

const JSON: &str = "application/json";

struct Case {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    content_type: Option<&'static str>,
    body: String,
    /// The status, and a part of the answer.
    expected: (u16, &'static str),
}

fn case(name: &'static str, body: impl ToString, expected: (u16, &'static str)) -> Case {
    let body = body.to_string();
    Case { name, method: "POST", path: "/mutate", content_type: Some(JSON), body, expected }
}

fn cases() -> Vec<Case> {
    let good = review("u-1");
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut review = good.clone();
        change(&mut review);
        review
    };
    vec![
        case("mutate", &good, (200, r#""uid":"u-1","allowed":true"#)),
        Case { path: "/validate", ..case("validate", &good, (200, r#""allowed":true"#)) },
        Case { path: "/mutate?timeout=5s", ..case("timeout", &good, (200, r#""allowed":true"#)) },
        Case {
            content_type: Some("application/json; charset=utf-8"),
            ..case("content type with a parameter", &good, (200, r#""allowed":true"#))
        },
        Case {
            content_type: Some("Application/JSON"),
            ..case("content type in capitals", &good, (200, r#""allowed":true"#))
        },
        case("null object", with(&|r| r["request"]["object"] = json!(null)), (200, r#""allowed":true"#)),
        case(
            "no object",
            with(&|r| drop(r["request"].as_object_mut().unwrap().remove("object"))),
            (200, r#""allowed":true"#),
        ),
        Case { method: "GET", ..case("GET", "", (405, "send the AdmissionReview by POST.\n")) },
        Case { method: "PUT", ..case("PUT", &good, (405, "send the AdmissionReview by POST.\n")) },
        Case { method: "DELETE", ..case("DELETE", "", (405, "by POST")) },
        Case { path: "/", ..case("root", &good, (404, "reviews go to /mutate and /validate")) },
        Case { path: "/mutate/", ..case("path below", &good, (404, "\"/mutate/\"")) },
        Case { path: "/healthz", ..case("health", &good, (404, "are on the admin port.\n")) },
        Case {
            content_type: Some("application/yaml"),
            ..case("YAML", &good, (415, "send the AdmissionReview as application/json.\n"))
        },
        Case { content_type: None, ..case("no content type", &good, (415, "as application/json")) },
        Case {
            content_type: Some("application/jsonp"),
            ..case("nearly JSON", &good, (415, "\"application/jsonp\""))
        },
        Case {
            path: "/mutate?timeout=soon",
            ..case("bad timeout", &good, (400, "write it as 10s, 500ms or 1m30s.\n"))
        },
        case("empty", "", (400, "expected a JSON object with apiVersion, kind and request\n")),
        case("no JSON", "{", (400, "expected a JSON object with apiVersion, kind and request\n")),
        case("no object but a list", "[]", (400, "reading the AdmissionReview: ")),
        case("null", "null", (400, "expected a JSON object")),
        case("no request", with(&|r| r["request"] = json!(null)), (400, "it has no request\n")),
        case("no uid", with(&|r| r["request"]["uid"] = json!("")), (400, "its request has no uid\n")),
        case(
            "another version",
            with(&|r| r["apiVersion"] = json!("admission.k8s.io/v1beta1")),
            (
                400,
                r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":false,"status":{"code":400,"#,
            ),
        ),
        case(
            "another kind",
            with(&|r| r["kind"] = json!("TokenReview")),
            (400, r#""uid":"u-1","allowed":false,"status":{"code":400,"#),
        ),
        case(
            "a request of another shape",
            with(&|r| r["request"]["operation"] = json!("BREW")),
            (400, r#""uid":"u-1","allowed":false,"status":{"code":400,"#),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_has_its_answer_and_keeps_its_connection() {
    let webhook = Webhook::start().await;
    // One connection for all: no error may cost the requests behind it their connection.
    let mut connection = webhook.open().await;
    for Case { name, method, path, content_type, body, expected } in cases() {
        let content_type = content_type.map(|it| format!("content-type: {it}\r\n")).unwrap_or_default();
        let length = body.len();
        let answer = connection
            .ask(format!(
                "{method} {path} HTTP/1.1\r\nhost: a\r\n{content_type}content-length: {length}\r\n\r\n{body}"
            ))
            .await;
        let text = answer.text();
        assert_eq!(answer.status, expected.0, "{name}: {text}");
        assert!(text.contains(expected.1), "{name}: {text}");
        assert!(!answer.closes(), "{name}");
        assert_eq!(answer.header("allow"), if answer.status == 405 { "POST" } else { "" }, "{name}");
        if !text.starts_with('{') {
            assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8", "{name}");
            assert_eq!(text.lines().count(), 1, "{name}: {text}");
        }
    }
    for (code, count) in [(400, 10), (404, 3), (405, 3), (415, 3)] {
        let series = format!(r#"podwright_http_errors_total{{code="{code}"}}"#);
        assert_eq!(webhook.metric(&series).await, count, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_up_to_the_limit_are_read_whichever_way_they_are_sent() {
    let webhook = Webhook::start().await;
    let mut connection = webhook.open().await;
    let limit: usize = 7 * 1024 * 1024;
    for size in [0_usize, 10_000, 70_000, 300_000, limit] {
        let mut body = review("u-1").to_string();
        body.push_str(&" ".repeat(size.saturating_sub(body.len())));
        let answer = connection.ask(post("/mutate", &body)).await;
        assert_eq!(answer.status, 200, "{size}: {}", answer.text());

        let mut chunked = format!(
            "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        for chunk in body.as_bytes().chunks(60_000) {
            chunked.push_str(&format!("{:x}\r\n{}\r\n", chunk.len(), str::from_utf8(chunk).unwrap()));
        }
        chunked.push_str("0\r\n\r\n");
        let answer = connection.ask(chunked).await;
        assert_eq!(answer.status, 200, "{size} in chunks: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_above_the_limit_is_refused_at_once() {
    let webhook = Webhook::start().await;
    let size = 7 * 1024 * 1024 + 1;
    let expected = "larger than 7340032 bytes, which --max-body allows\n";

    // The client has sent nothing but the head.
    let mut connection = webhook.open().await;
    let answer = connection.ask(head("/mutate", size)).await;
    assert_eq!(answer.status, 413);
    assert!(answer.text().contains(expected) && answer.closes(), "{}", answer.text());
    assert!(connection.is_closed().await);

    // The client sends it all before it reads: it must still get its answer, not a reset.
    let mut connection = webhook.open().await;
    let answer = connection.ask(post("/mutate", vec![b' '; size])).await;
    assert_eq!(answer.status, 413);

    // The size shows only as it comes.
    let mut connection = webhook.open().await;
    connection
        .send(format!(
            "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON}\r\ntransfer-encoding: chunked\r\n\r\n\
             {size:x}\r\n{}\r\n0\r\n\r\n",
            " ".repeat(size),
        ))
        .await;
    assert_eq!(connection.answer().await.unwrap().status, 413);
    assert_eq!(webhook.metric(r#"podwright_http_errors_total{code="413"}"#).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_bodies_are_told_apart() {
    let webhook = Webhook::start().await;
    let mut connection = webhook.open().await;
    let answer = connection
        .ask(format!(
            "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON}\r\ncontent-encoding: gzip\r\n\
             content-length: 2\r\n\r\n{{}}"
        ))
        .await;
    assert_eq!((answer.status, answer.text().contains("uncompressed")), (415, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_to_send_its_body_is_told_first() {
    let webhook = Webhook::start().await;
    let body = review("u-1").to_string();
    let expecting = |path: &str| head(path, body.len()).replace("host: a", "host: a\r\nexpect: 100-continue");

    let mut connection = webhook.open().await;
    connection.send(expecting("/mutate")).await;
    let mut line = vec![0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    tokio::io::AsyncReadExt::read_exact(&mut connection.tls, &mut line).await.unwrap();
    assert_eq!(line, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(connection.ask(&body).await.status, 200);

    let answer = connection.ask(expecting("/nowhere")).await;
    assert_eq!(answer.status, 404);
}
