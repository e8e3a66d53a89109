//! Audit records, from a review to its line.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use podwright::audit::{Metrics, Rotation, Sink, Target};
use podwright::server::App;
use prometheus_client::registry::Registry;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Bound, admin, connect, post, review, settings, timed};
use crate::process::Process;
use crate::reviews::by_uid;

/// A review of a Pod with so many paths of the node, each this long.
fn violating(uid: &str, count: usize, length: usize) -> String {
    let path = format!("/srv/{}", "x".repeat(length));
    let volume = |number| json!({"name": format!("v{number}"), "hostPath": {"path": path}});
    let mut review = review(uid);
    review["request"]["object"]["spec"]["volumes"] = (0..count).map(volume).collect();
    review.to_string()
}

fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_refusal_is_one_line_and_what_is_left_alone_is_none() {
    let mut process = Process::local(&["--audit-log=audit.log"]);
    let mut connection = connect(process.listen, process.roots.clone()).await.unwrap();
    for (uid, body) in [
        ("untouched", review("untouched").to_string()),
        ("refused", violating("refused", 1, 10)),
        ("untouched", review("untouched-too").to_string()),
    ] {
        let answer = connection.ask(post("/mutate", body)).await.json();
        assert_eq!(answer["response"]["allowed"], uid == "untouched");
    }
    drop(connection);
    process.signal(Signal::TERM);
    assert_eq!(process.exit().code(), Some(0));
    let records = records(&process.folder.path().join("audit.log"));
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((&record["uid"], &record["outcome"]), (&json!("refused"), &json!("denied")));
    assert_eq!((&record["user"], &record["workload"]["kind"]), (&json!("someone"), &json!("Pod")));
    assert_eq!(record["violations"][0]["field"], "spec.volumes[0].hostPath.path");
}

#[tokio::test]
async fn a_dash_is_standard_output() {
    let mut process = Process::local(&["--audit-log=-"]);
    let mut connection = connect(process.listen, process.roots.clone()).await.unwrap();
    for number in 0..3 {
        connection.ask(post("/validate", violating(&format!("u-{number}"), 1, 10))).await;
    }
    // Behind the four lines that tell how to ask.
    let lines = process.stdout(7);
    let uids = lines[4..].iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["uid"].clone());
    assert_eq!(uids.collect::<Vec<_>>(), ["u-0", "u-1", "u-2"]);
}

#[tokio::test]
async fn without_a_log_there_is_none() {
    let process = Process::local(&[]);
    let mut connection = connect(process.listen, process.roots.clone()).await.unwrap();
    connection.ask(post("/mutate", violating("u", 1, 10))).await;
    let page = admin(process.admin, "GET", "/metrics").await.text();
    assert!(page.contains("podwright_audit_records_total 0\n"), "{page}");
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_delays_no_answer_and_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut process = Process::local(&[&format!("--audit-log={}", pipe.display())]);
    let mut connection = connect(process.listen, process.roots.clone()).await.unwrap();
    let request = post("/mutate", violating("u", 60, 900));
    let lost = async {
        loop {
            for _ in 0..20 {
                let (answer, took) = timed(connection.ask(&request)).await;
                assert!(answer.status == 200 && took < Duration::from_secs(1), "{took:?}");
            }
            let page = admin(process.admin, "GET", "/metrics").await.text();
            let series = "podwright_audit_records_lost_total{reason=\"queue_full\"} ";
            let lost = page.lines().find_map(|line| line.strip_prefix(series)).unwrap();
            if lost != "0" {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), lost).await.unwrap();
    drop(connection);
    process.signal(Signal::TERM);
    // Two seconds are waited for the pipe.
    let began = std::time::Instant::now();
    assert_eq!(process.exit().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    process.log("audit records were not written before the end");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_told_once_and_stops_nothing() {
    let mut process = Process::local(&["--audit-log=missing/audit.log"]);
    let mut connection = connect(process.listen, process.roots.clone()).await.unwrap();
    for number in 0..5 {
        let answer = connection.ask(post("/mutate", violating(&format!("u-{number}"), 1, 10))).await;
        assert_eq!(answer.json()["response"]["status"]["code"], 403);
    }
    drop(connection);
    process.signal(Signal::TERM);
    assert_eq!(process.exit().code(), Some(0));
    let warnings = process.rest().into_iter().filter(|line| line["level"] == "WARN").collect::<Vec<_>>();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert_eq!(warning["place"], "missing/audit.log");
    assert!(warning["error"].as_str().unwrap().starts_with("No such file"), "{warning}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_a_record_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let rotation = Rotation { path: path.clone(), max_size: 1 << 20, max_files: NonZeroUsize::MIN };
    let metrics = Metrics::register(&mut Registry::default());
    let sink = Sink::start(Target::File(rotation), metrics).unwrap();
    let app = |metrics| App::deciding(by_uid, metrics).recording(sink.recorder());
    let webhook = Bound::serving(settings(), app).await.run();
    let mut connection = webhook.open().await;
    for uid in ["panic", "fault", "patched", "allowed"] {
        connection.ask(post("/mutate", review(uid).to_string())).await;
    }
    drop(sink);
    let records = records(&path);
    let seen = records.iter().map(|record| {
        let text = |field: &str| record[field].as_str().unwrap();
        (text("uid"), text("outcome"), record["fault"] == true, record["refusal"]["code"].as_u64())
    });
    let expected = [
        ("panic", "error", true, Some(500)),
        ("fault", "allowed", true, None),
        ("patched", "patched", false, None),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}
