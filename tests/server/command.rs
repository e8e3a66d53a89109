//! The `serve` command as a process.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::process::Signal;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::harness::{admin, connect, post, review};
use crate::process::{Process, podwright, roots};

#[test]
fn what_cannot_be_done_is_said_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--listen={}", taken.local_addr().unwrap());
    for (args, part) in [
        (&["serve"][..], "none is given; give --tls-cert and --tls-key, --self-managed to keep"),
        (&["serve", "--tls-cert=a"], "--tls-key <FILE>"),
        (&["serve", "--local", "--tls-cert=a", "--tls-key=b"], "cannot be used with"),
        (&["serve", "--local", "--client-ca=missing.crt"], "reading \\\"missing.crt\\\": No such file"),
        (&["serve", "--self-managed", "--local"], "cannot be used with"),
        (&["serve", "--self-managed", "--tls-cert=a", "--tls-key=b"], "cannot be used with"),
        (&["serve", "--self-managed", "--no-cluster"], "cannot be used with"),
        (
            &["serve", "--self-managed"],
            "keeping the certificate: there is no cluster; name one by --kubeconfig",
        ),
        (&["serve", "--self-managed", "--tls-name=https://a"], "expected a DNS name or an address such as"),
        (&["serve", "--tls-cert=missing.crt", "--tls-key=b"], "missing.crt"),
        (&["serve", "--local", "--admin-listen=127.0.0.1:0", &taken], "for reviews: Address already in use"),
        (&["serve", "--drain-delay=soon"], "expected a duration such as 5s, 500ms or 1m30s"),
        (&["serve", "--idle-timeout=0s"], "expected more than 0s"),
        (&["serve", "--reload-interval=0s"], "expected more than 0s"),
        (&["serve", "--max-body=much"], "expected a size such as 7MiB or 500kB"),
        (&["serve", "--max-connections=0"], "--max-connections"),
        (&["serve", "--audit-max-files=0"], "--audit-max-files"),
        (&["serve", "--audit-max-size=big"], "expected a size such as 7MiB or 500kB"),
        (&["serve", "--kubeconfig=a", "--no-cluster"], "cannot be used with"),
        (&["serve", "--policies=a", "--watch-policies"], "cannot be used with"),
        (&["serve", "--watch-policies", "--no-cluster"], "cannot be used with"),
        (
            &["serve", "--local", "--watch-policies"],
            "watching policies: no cluster is given; name one by --kubeconfig",
        ),
        (&["serve", "--log-level=podwright=loud"], "expected error, warn, info"),
        (&["servet"], "serve"),
        (&[], "Usage: podwright <COMMAND>"),
    ] {
        let output = podwright(args).current_dir(folder.path()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for (args, part) in [
        (&["--help"][..], "70  a bug of Podwright's"),
        (&["serve", "--help"], "terminationGracePeriodSeconds"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let output = podwright(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains(part), "{args:?}");
    }
}

#[tokio::test]
async fn what_local_prints_is_ready_to_use() {
    let mut process = Process::local(&[]);
    let lines = process.stdout(4);
    let asking = lines.iter().find(|line| line.starts_with("curl ")).unwrap();
    let address = format!("https://{}/mutate", process.listen);
    assert!(asking.ends_with(&address), "{asking}");
    assert!(asking.contains("--cacert certs/local/ca.crt -H 'Content-Type: application/json'"), "{asking}");
    let body = asking.split("-d '").nth(1).unwrap().split('\'').next().unwrap();

    let bundle = lines.iter().find_map(|line| line.strip_prefix("caBundle: ")).unwrap();
    let pem = BASE64.decode(bundle).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let mut connection = connect(process.listen, Arc::new(roots)).await.unwrap();
    let answer = connection.ask(post("/mutate", body)).await;
    assert_eq!(answer.json()["response"]["allowed"], true);
}

#[tokio::test]
async fn variables_stand_in_for_flags() {
    let made = Process::local(&[]);
    let folder = tempfile::tempdir().unwrap();
    let local = made.folder.path().join("certs/local");
    let mut command = podwright(&["serve"]);
    command
        .current_dir(folder.path())
        .env("PODWRIGHT_LISTEN", "127.0.0.1:0")
        .env("PODWRIGHT_ADMIN_LISTEN", "127.0.0.1:0")
        .env("PODWRIGHT_TLS_CERT", local.join("tls.crt"))
        .env("PODWRIGHT_TLS_KEY", local.join("tls.key"))
        .env("PODWRIGHT_DRAIN_DELAY", "0s")
        .env("PODWRIGHT_NO_CLUSTER", "true")
        .env("PODWRIGHT_LOG", "debug");
    let mut process = Process::start(command, folder);
    let mut connection = connect(process.listen, made.roots.clone()).await.unwrap();
    assert_eq!(connection.ask(post("/mutate", review("u-1").to_string())).await.status, 200);
    let reviewed = process.log("reviewed");
    assert_eq!((&reviewed["uid"], &reviewed["outcome"]), (&"u-1".into(), &"allowed".into()));
    let line = reviewed.to_string();
    assert!(!line.contains("containers"), "an object is in the logs: {line}");
    process.signal(Signal::TERM);
    assert_eq!(process.exit().code(), Some(0));
}

#[tokio::test]
async fn logs_that_nobody_reads_hold_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = podwright(&["serve", "--local", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]);
    command
        .args(["--log-level=debug"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let listening: Value = stderr
        .by_ref()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
        .find(|line| line["message"] == "listening")
        .unwrap();
    let mut process = Process {
        child,
        logs: mpsc::channel().1,
        passed: RefCell::default(),
        listen: listening["listen"].as_str().unwrap().parse().unwrap(),
        admin: listening["admin"].as_str().unwrap().parse().unwrap(),
        roots: roots(&folder),
        folder,
    };
    // More than the pipe and the lines that wait can hold.
    let mut connection = connect(process.listen, process.roots.clone()).await.unwrap();
    let request = post("/mutate", review("u-1").to_string());
    let lost = async {
        loop {
            for _ in 0..500 {
                assert_eq!(connection.ask(&request).await.status, 200);
            }
            let page = admin(process.admin, "GET", "/metrics").await.text();
            if page
                .lines()
                .any(|line| line.starts_with("podwright_log_lines_lost_total ") && !line.ends_with(" 0"))
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), lost).await.unwrap();
    drop(connection);
    process.signal(Signal::TERM);
    assert_eq!(process.exit().code(), Some(0));
}

#[tokio::test]
async fn either_signal_stops_it_and_a_second_one_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::local(&["--drain-delay=60s"]);
        process.signal(signal);
        process.log("draining");
        assert_eq!(admin(process.admin, "GET", "/readyz").await.status, 503);
        process.signal(signal);
        process.log("drained");
        assert_eq!(process.exit().code(), Some(0));
    }
}

#[tokio::test]
async fn without_its_cluster_it_waits_for_the_first_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": {}}],
        "clusters": [{"name": "a", "cluster": {"server": format!("http://{closed}")}}],
    });
    fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
    let mut command = podwright(&["serve", "--self-managed", "--kubeconfig=kubeconfig"]);
    let local = ["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--drain-delay=0s"];
    command.args(local).current_dir(folder.path()).env("NO_PROXY", "127.0.0.1");
    let mut process = Process::start(command, folder);
    let ready = admin(process.admin, "GET", "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("there is no certificate yet"), "{}", ready.text());
    assert_eq!(admin(process.admin, "GET", "/healthz").await.status, 200);
    assert!(connect(process.listen, process.roots.clone()).await.is_err());
    process.signal(Signal::TERM);
    assert_eq!(process.exit().code(), Some(0));
}
