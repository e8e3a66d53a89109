//! What a decision lacks is asked for once, and never for longer than the review may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use podwright::engine::{Decision, Question, Refusal};
use podwright::mutators::Rejection;
use podwright::server::App;
use podwright::view::{Answer, Maker, SetName, StatefulSet};
use serde_json::{Value, json};

use crate::harness::{Bound, Webhook, post, review, settings, timed};

/// Lacks a StatefulSet until it is asked for, and tells what came of it.
fn lacking(question: &Question<'_>) -> Decision {
    let told = match question.asked.map(|asked| &asked.answer) {
        Some(Answer::Found(set)) => return warned(&format!("found with {} replicas", set.replicas)),
        Some(Answer::Absent) => return warned("absent"),
        Some(Answer::Unreachable(why)) => why.as_str(),
        None => "not known yet",
    };
    let set = SetName { maker: Maker::Kubernetes, namespace: "shop".into(), name: "redis".into() };
    let refusal = Some(Refusal { code: 503, message: format!("{told}; try again") });
    let rejections = vec![Rejection::new("metadata.ownerReferences", told).lacking(set)];
    Decision { refusal, rejections, ..Decision::default() }
}

fn warned(text: &str) -> Decision {
    Decision { warnings: vec![text.to_owned()], ..Decision::default() }
}

/// A webhook that looks by `look`, and how often it has.
async fn looking<F>(look: F) -> (Webhook, Arc<AtomicUsize>)
where
    F: Fn() -> BoxFuture<'static, Answer> + Send + Sync + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let app = |metrics| {
        App::deciding(lacking, metrics).looking(move |set| {
            assert_eq!(set.to_string(), "StatefulSet shop/redis");
            counted.fetch_add(1, Ordering::Relaxed);
            look()
        })
    };
    (Bound::serving(settings(), app).await.run(), count)
}

async fn ask(webhook: &Webhook, path: &str, body: &Value) -> Value {
    let answer = webhook.open().await.ask(post(path, body.to_string())).await;
    assert_eq!(answer.status, 200);
    answer.json()["response"].clone()
}

/// A review whose body is decided apart from the connections.
fn large() -> Value {
    let mut review = review("u");
    review["padding"] = json!("x".repeat(1 << 20));
    review
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_found_decides() {
    let set = Arc::new(StatefulSet::read(&json!({"spec": {"replicas": 3}})));
    let (webhook, count) = looking(move || std::future::ready(Answer::Found(Arc::clone(&set))).boxed()).await;
    for body in [review("u"), large()] {
        let response = ask(&webhook, "/mutate?timeout=10s", &body).await;
        assert_eq!(
            (&response["allowed"], &response["warnings"][0]),
            (&json!(true), &json!("found with 3 replicas"))
        );
    }
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert_eq!(webhook.metric(r#"podwright_stateful_set_reads_total{outcome="found"}"#).await, 2);
    // Each review is one, however often it was decided.
    assert_eq!(webhook.metric(r#"podwright_reviews_total{endpoint="mutate",outcome="allowed"}"#).await, 2);
    assert_eq!(webhook.metric(r#"podwright_reviews_total{endpoint="mutate",outcome="error"}"#).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_decides_too() {
    let (webhook, _) = looking(|| std::future::ready(Answer::Absent).boxed()).await;
    assert_eq!(ask(&webhook, "/mutate", &review("u")).await["warnings"][0], "absent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_does_not_answer_leaves_time_to_say_so() {
    let (webhook, count) = looking(|| std::future::pending().boxed()).await;
    for body in [review("u"), large()] {
        let (response, took) = timed(ask(&webhook, "/mutate?timeout=2s", &body)).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(response["status"]["code"], 503);
        assert_eq!(response["status"]["message"], "the API server gave no answer in time; try again");
    }
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert_eq!(webhook.metric(r#"podwright_stateful_set_reads_total{outcome="failed"}"#).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_is_told_and_asked_for_once() {
    let refused = || std::future::ready(Answer::Unreachable("forbidden".to_owned())).boxed();
    let (webhook, count) = looking(refused).await;
    let response = ask(&webhook, "/mutate", &review("u")).await;
    assert_eq!(response["status"]["message"], "forbidden; try again");
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cluster_the_first_decision_stands() {
    let webhook = Webhook::start_with(settings(), lacking).await;
    let response = ask(&webhook, "/mutate", &review("u")).await;
    assert_eq!(response["status"]["message"], "not known yet; try again");
}
