//! From a decision to its reply, and what is counted of it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use podwright::engine::{Decision, Endpoint, Question, Refusal};
use podwright::mutators::Mutation;
use podwright::pod::Operation;
use podwright::server::Settings;
use serde_json::{Value, json};

use crate::harness::{Webhook, post, review, settings, timed};

fn edited() -> Decision {
    let path = "/metadata/labels".parse().unwrap();
    let operations = vec![Operation::Add { path, value: json!({"a": "ü"}).into() }];
    let mutations =
        vec![Mutation { kind: "LXCFS", policy: "lxcfs".to_owned(), facts: serde_json::Map::new() }];
    Decision { operations, mutations, ..Decision::default() }
}

fn refused(code: u16) -> Decision {
    let refusal = Some(Refusal { code, message: "no: say yes".to_owned() });
    let warnings = vec!["careful".to_owned()];
    let audit_annotations = BTreeMap::from([("rule".to_owned(), "host-path".to_owned())]);
    Decision { refusal, warnings, audit_annotations, ..edited() }
}

/// Decides as the uid says.
pub(crate) fn by_uid(question: &Question<'_>) -> Decision {
    match &*question.request.uid {
        "patched" => edited(),
        "denied" => refused(403),
        "fault" => Decision { fault: Some("it does not apply".to_owned()), ..Decision::default() },
        "bug" => refused(500),
        "panic" => panic!("as asked"),
        _ => Decision::default(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_becomes_its_reply() {
    let webhook = Webhook::start_with(settings(), by_uid).await;
    let mut connection = webhook.open().await;
    let denied = json!({
        "uid": "denied", "allowed": false, "status": {"code": 403, "message": "no: say yes"},
        "warnings": ["careful"], "auditAnnotations": {"rule": "host-path"},
    });
    let patch = r#"[{"op":"add","path":"/metadata/labels","value":{"a":"ü"}}]"#;
    for (uid, expected) in [
        ("allowed", json!({"uid": "allowed", "allowed": true})),
        (
            "patched",
            json!({"uid": "patched", "allowed": true, "patchType": "JSONPatch", "patch": BASE64.encode(patch)}),
        ),
        ("denied", denied),
        ("fault", json!({"uid": "fault", "allowed": true})),
        ("\"\\\u{1}ü💥", json!({"uid": "\"\\\u{1}ü💥", "allowed": true})),
    ] {
        let answer = connection.ask(post("/mutate", review(uid).to_string())).await;
        assert_eq!(answer.status, 200);
        let expected =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": expected});
        assert_eq!(answer.json(), expected);
    }
    connection.ask(post("/validate", review("bug").to_string())).await;
    for (series, value) in [
        (r#"podwright_reviews_total{endpoint="mutate",outcome="allowed"}"#, 3),
        (r#"podwright_reviews_total{endpoint="mutate",outcome="patched"}"#, 1),
        (r#"podwright_reviews_total{endpoint="mutate",outcome="denied"}"#, 1),
        (r#"podwright_reviews_total{endpoint="mutate",outcome="error"}"#, 0),
        (r#"podwright_reviews_total{endpoint="validate",outcome="error"}"#, 1),
        (r#"podwright_review_duration_seconds_count{endpoint="mutate"}"#, 5),
        // Of a Pod that is refused nothing has been changed.
        (r#"podwright_edits_total{kind="LXCFS",policy="lxcfs"}"#, 1),
        ("podwright_verification_failures_total", 1),
        ("podwright_in_flight_reviews", 0),
    ] {
        assert_eq!(webhook.metric(series).await, value, "{series}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_decision_sees_the_request() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let decide = move |question: &Question<'_>| {
        let request = question.request;
        let object: Value = serde_json::from_str(request.object.unwrap().get()).unwrap();
        let seen =
            (question.endpoint, request.namespace.as_deref().map(str::to_owned), object["kind"].clone());
        tell.lock().unwrap().send(seen).unwrap();
        Decision::default()
    };
    let webhook = Webhook::start_with(settings(), decide).await;
    let mut connection = webhook.open().await;
    for (path, endpoint) in [("/mutate", Endpoint::Mutate), ("/validate", Endpoint::Validate)] {
        connection.ask(post(path, review("u").to_string())).await;
        assert_eq!(told.recv().unwrap(), (endpoint, Some("team".to_owned()), json!("Pod")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_answers_one_review_and_harms_no_other() {
    for inline_body in [Settings::default().inline_body, 0] {
        let webhook = Webhook::start_with(Settings { inline_body, ..settings() }, by_uid).await;
        let mut connection = webhook.open().await;
        let answer = connection.ask(post("/mutate", review("panic").to_string())).await;
        assert_eq!(answer.status, 200);
        let response = &answer.json()["response"];
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("panic"), &json!(false)));
        assert_eq!(response["status"]["code"], 500);
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.contains("bug of Podwright's") && message.contains("review panic"), "{message}");

        let answer = connection.ask(post("/mutate", review("patched").to_string())).await;
        assert_eq!(answer.json()["response"]["allowed"], true);
        assert_eq!(webhook.metric("podwright_panics_total").await, 1);
        assert_eq!(webhook.metric("podwright_in_flight_reviews").await, 0);
        assert_eq!(webhook.metric(r#"podwright_reviews_total{endpoint="mutate",outcome="error"}"#).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_takes_too_long_is_answered_in_time() {
    let (free, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let decide = move |question: &Question<'_>| {
        if &*question.request.uid == "slow" {
            // Until the test is over.
            let _ = wait.lock().unwrap().recv();
        }
        Decision::default()
    };
    // Every review is decided apart, as a large one is.
    let webhook = Webhook::start_with(Settings { inline_body: 0, ..settings() }, decide).await;
    let mut connection = webhook.open().await;
    let request = post("/mutate?timeout=2s", review("slow").to_string());
    let (answer, took) = timed(connection.ask(request)).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(answer.status, 504);
    let response = &answer.json()["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("slow"), &json!(false)));
    assert_eq!(response["status"]["code"], 504);

    let answer = connection.ask(post("/mutate", review("next").to_string())).await;
    assert_eq!(answer.json()["response"]["allowed"], true);
    drop(free);
    assert_eq!(webhook.metric(r#"podwright_http_errors_total{code="504"}"#).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_on_the_spot_that_took_too_long_does_not_count() {
    let decide = |_: &Question<'_>| {
        std::thread::sleep(Duration::from_millis(20));
        edited()
    };
    let webhook = Webhook::start_with(settings(), decide).await;
    let mut connection = webhook.open().await;
    let answer = connection.ask(post("/mutate?timeout=10ms", review("slow").to_string())).await;
    assert_eq!((answer.status, &answer.json()["response"]["uid"]), (504, &json!("slow")));
    for (outcome, count) in [("patched", 0), ("error", 1)] {
        let series = format!(r#"podwright_reviews_total{{endpoint="mutate",outcome="{outcome}"}}"#);
        assert_eq!(webhook.metric(&series).await, count, "{outcome}");
    }
    assert_eq!(webhook.metric(r#"podwright_edits_total{kind="LXCFS",policy="lxcfs"}"#).await, 0);
}
