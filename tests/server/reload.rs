//! New certificates and policies, taken from files while serving.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::RootCertStore;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::harness::{Connection, PATIENCE, admin, connect, post, review};
use crate::process::{Process, podwright};
use crate::volume::{Issued, Volume};

/// `podwright serve` with these flags, looking at its files all the time.
fn serve(folder: TempDir, flags: &[&str]) -> Process {
    let fixed =
        ["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--no-cluster", "--reload-interval=5ms"];
    let mut command: Command = podwright(&["serve"]);
    command.args(fixed).args(flags).current_dir(folder.path());
    Process::start(command, folder)
}

async fn page(process: &Process) -> String {
    admin(process.admin, "GET", "/metrics").await.text()
}

/// Waits until all of these lines stand on the metrics page.
async fn told(process: &Process, lines: &[&str]) {
    let reached = async {
        loop {
            let page = page(process).await;
            if lines.iter().all(|line| page.lines().any(|found| found == *line)) {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(PATIENCE, reached).await.is_err() {
        panic!("{lines:?} are not told:\n{}", page(process).await);
    }
}

/// A new connection, once the server has a certificate that these trust.
async fn connected(process: &Process, roots: &Arc<RootCertStore>) -> Connection {
    let reached = async {
        loop {
            if let Ok(connection) = connect(process.listen, Arc::clone(roots)).await {
                return connection;
            }
        }
    };
    timeout(PATIENCE, reached).await.expect("the certificate is not served")
}

/// Asks over one connection until it is told to stop; how many answers came. A request without one is a panic.
fn keep_asking(
    mut connection: Connection,
    stop: CancellationToken,
    asked: Arc<AtomicUsize>,
) -> JoinHandle<usize> {
    let request = post("/mutate", review("u").to_string());
    tokio::spawn(async move {
        let mut count = 0;
        while !stop.is_cancelled() {
            let answer = connection.ask(&request).await;
            assert!(answer.status == 200 && !answer.closes());
            count += 1;
            asked.fetch_add(1, Ordering::Relaxed);
        }
        count
    })
}

async fn more_than(asked: &AtomicUsize, count: usize) {
    while asked.load(Ordering::Relaxed) <= count {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_exchanged_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let first = Issued::new();
    let volume = Volume::new(folder.path().join("tls"), &first.files());
    let process = serve(folder, &["--tls-cert=tls/tls.crt", "--tls-key=tls/tls.key"]);
    let expiry = format!("podwright_certificate_expiry_timestamp_seconds {}", first.expiry);
    told(&process, &[&expiry, "podwright_certificate_last_reload_successful 1"]).await;

    let (stop, asked) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for _ in 0..4 {
        let connection = connect(process.listen, first.roots.clone()).await.unwrap();
        clients.push(keep_asking(connection, stop.clone(), Arc::clone(&asked)));
    }
    more_than(&asked, 50).await;
    for round in 1..=3 {
        let next = Issued::new();
        volume.update(&next.files());
        let mut connection = connected(&process, &next.roots).await;
        assert_eq!(connection.ask(post("/mutate", review("u").to_string())).await.status, 200);
        assert!(connect(process.listen, first.roots.clone()).await.is_err(), "the first is served still");
        let reloads = format!("podwright_certificate_reloads_total{{outcome=\"success\"}} {round}");
        let expiry = format!("podwright_certificate_expiry_timestamp_seconds {}", next.expiry);
        told(&process, &[&reloads, &expiry]).await;
    }
    // Those that were open before all of this go on.
    more_than(&asked, asked.load(Ordering::Relaxed) + 100).await;
    stop.cancel();
    let mut answered = 0;
    for client in clients {
        answered += client.await.unwrap();
    }
    assert_eq!(answered, asked.load(Ordering::Relaxed));
    told(&process, &["podwright_certificate_reloads_total{outcome=\"failure\"} 0"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_certificate_leaves_the_old_one_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let (first, next) = (Issued::new(), Issued::new());
    let volume = Volume::new(folder.path().join("tls"), &first.files());
    let process = serve(folder, &["--tls-cert=tls/tls.crt", "--tls-key=tls/tls.key"]);

    volume.update(&[("tls.crt", &next.certificate), ("tls.key", &first.key)]);
    let line = process.log("the certificate does not load; the last good one is still served");
    let error = line["error"].as_str().unwrap();
    assert!(
        error.starts_with("pairing the certificate \"tls/tls.crt\" with the key \"tls/tls.key\""),
        "{error}"
    );
    let failed = "podwright_certificate_reloads_total{outcome=\"failure\"} 1";
    told(&process, &[failed, "podwright_certificate_last_reload_successful 0"]).await;
    connect(process.listen, first.roots.clone()).await.unwrap();
    assert_eq!(admin(process.admin, "GET", "/readyz").await.status, 200);

    volume.update(&next.files());
    connected(&process, &next.roots).await;
    // Told and counted once, however often it was looked at.
    told(&process, &[failed, "podwright_certificate_last_reload_successful 1"]).await;
}

/// A policy on paths of the node.
fn policy(action: &str) -> String {
    format!(
        "apiVersion: podwright.dev/v1alpha1\nkind: HostPath\nmetadata: {{name: paths}}\nspec: {{action: {action}}}\n"
    )
}

/// Whether a Pod with a path of the node is admitted.
async fn admits(process: &Process) -> bool {
    let mut review = review("u");
    review["request"]["object"]["spec"]["volumes"] = json!([{"name": "v", "hostPath": {"path": "/srv"}}]);
    let mut connection = connect(process.listen, process.roots.clone()).await.unwrap();
    let answer = connection.ask(post("/validate", review.to_string())).await;
    answer.json()["response"]["allowed"].as_bool().unwrap()
}

async fn generation(process: &Process) -> String {
    let page = page(process).await;
    page.lines().find(|line| line.starts_with("podwright_policy_generation_info")).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_are_exchanged_and_the_last_good_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = folder.path().join("policies");
    let volume = Volume::new(mounted.clone(), &[("paths.yaml", &policy("deny"))]);
    let process = Process::local_in(folder, &["--policies=policies", "--reload-interval=5ms"]);
    let before = generation(&process).await;
    assert!(!admits(&process).await);

    let broken =
        [("paths.yaml", policy("denny") + "---\n" + &policy("warn").replace("HostPath", "HostPaths"))];
    volume.update(&broken.each_ref().map(|(name, text)| (*name, text.as_str())));
    for expected in ["policies/paths.yaml:4:16: \"denny\" is not known here", "policies/paths.yaml:5:1: kind"]
    {
        let line = process.log("a policy does not load; the last good policies stay in force");
        let error = line["error"].as_str().unwrap();
        assert!(error.starts_with(expected), "{error}");
    }
    let failed_once = "podwright_policy_reloads_total{outcome=\"failure\"} 1";
    told(&process, &[failed_once, "podwright_policy_last_reload_successful 0", &before]).await;
    assert!(!admits(&process).await);
    assert_eq!(admin(process.admin, "GET", "/readyz").await.status, 200);

    volume.update(&[("paths.yaml", &policy("audit"))]);
    let reloaded = process.log("policies reloaded");
    let after = generation(&process).await;
    let reloaded = reloaded["generation"].as_str().unwrap();
    assert!(after != before && after.contains(reloaded), "{after}");
    let ready = admin(process.admin, "GET", "/readyz").await;
    assert_eq!((ready.status, ready.text()), (200, format!("ok, policies {reloaded}\n")));
    told(&process, &[failed_once, "podwright_policy_last_reload_successful 1"]).await;
    assert!(admits(&process).await);

    // A file more, which is no link through `..data`.
    fs::write(mounted.join("more.yaml"), policy("deny").replace("paths", "more")).unwrap();
    process.log("policies reloaded");
    assert!(!admits(&process).await);

    fs::rename(&mounted, process.folder.path().join("gone")).unwrap();
    let line = process.log("a policy does not load; the last good policies stay in force");
    assert!(line["error"].as_str().unwrap().starts_with("policies: "), "{line}");
    told(&process, &["podwright_policy_last_reload_successful 0"]).await;
    assert!(!admits(&process).await);
    assert_eq!(admin(process.admin, "GET", "/readyz").await.status, 200);
}
