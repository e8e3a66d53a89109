//! Which handshakes are answered how.

use std::sync::Arc;

use podwright::tls::local;
use rustls::{ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::harness::{PATIENCE, Webhook, client_config, connect, post, review, shake_hands};

const FAILURES: &str = "podwright_tls_handshake_failures_total";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_two_sound_versions_are_spoken() {
    let webhook = Webhook::start().await;
    let versions: [(&SupportedProtocolVersion, _); 2] = [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ];
    for (version, name) in versions {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(webhook.roots.clone())
            .with_no_client_auth();
        let mut connection = shake_hands(webhook.open_tcp().await, Arc::new(config)).await.unwrap();
        assert_eq!(connection.tls.get_ref().1.protocol_version(), Some(name));
        assert_eq!(connection.ask(post("/mutate", review("u").to_string())).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_versions_are_refused() {
    let webhook = Webhook::start().await;
    for minor in [0x01, 0x02] {
        let mut tcp = webhook.open_tcp().await;
        tcp.write_all(&client_hello(minor)).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.unwrap().unwrap();
        // One alert, and a fatal one: handshake_failure (40) or protocol_version (70).
        assert!(answer[0] == 0x15 && matches!(answer[5..], [2, 40 | 70]), "TLS 1.{}: {answer:?}", minor - 1);
    }
    webhook.metric_becomes(&format!("{FAILURES}{{reason=\"incompatible\"}}"), 2).await;
}

/// The ClientHello of a client that knows nothing newer than version 3.`minor`, which is TLS 1.(`minor`-1).
fn client_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 4, 0xc0, 0x13, 0xc0, 0x09]); // ECDHE with AES-128-CBC-SHA, for RSA and ECDSA
    hello.extend([1, 0]); // no compression
    let groups = [0, 10, 0, 4, 0, 2, 0, 23]; // secp256r1
    hello.extend([0, groups.len() as u8]);
    hello.extend(groups);
    let mut message = vec![1, 0, 0, hello.len() as u8];
    message.extend(hello);
    let mut record = vec![0x16, 3, 1, 0, message.len() as u8];
    record.extend(message);
    record
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_offers_http_2_gets_http_1_1() {
    let webhook = Webhook::start().await;
    for (offered, expected) in
        [(&["h2", "http/1.1"][..], Some("http/1.1")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let mut config = client_config(webhook.roots.clone());
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut connection = shake_hands(webhook.open_tcp().await, Arc::new(config)).await.unwrap();
        let agreed = connection.tls.get_ref().1.alpn_protocol().map(|name| str::from_utf8(name).unwrap());
        assert_eq!(agreed, expected, "{offered:?}");
        assert_eq!(connection.ask(post("/mutate", review("u").to_string())).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_tls_is_closed_and_counted() {
    let webhook = Webhook::start().await;
    let mut tcp = webhook.open_tcp().await;
    tcp.write_all(b"POST /mutate HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.expect("it stays open");
    webhook.metric_becomes(&format!("{FAILURES}{{reason=\"not_tls\"}}"), 1).await;

    drop(webhook.open_tcp().await);
    webhook.metric_becomes(&format!("{FAILURES}{{reason=\"closed\"}}"), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_stale_ca_bundle_shows() {
    let webhook = Webhook::start().await;
    let stale = tempfile::tempdir().unwrap();
    let stale = local::certificate(stale.path()).unwrap();
    let mut roots = RootCertStore::empty();
    let pem = stale.ca_pem.as_bytes();
    let ca = rustls_pki_types::pem::PemObject::from_pem_slice(pem).unwrap();
    roots.add(ca).unwrap();
    assert!(connect(webhook.listen, Arc::new(roots)).await.is_err());
    webhook.metric_becomes(&format!("{FAILURES}{{reason=\"client_certificate_check\"}}"), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_exchanged_under_open_connections() {
    let webhook = Webhook::start().await;
    let mut before = webhook.open().await;
    let folder = tempfile::tempdir().unwrap();
    let fresh = local::certificate(folder.path()).unwrap();
    let served = fresh.certified.cert.clone();
    let mut roots = RootCertStore::empty();
    let ca = rustls_pki_types::pem::PemObject::from_pem_slice(fresh.ca_pem.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    webhook.certificate.replace(fresh.certified);

    let mut after = connect(webhook.listen, Arc::new(roots)).await.unwrap();
    assert_eq!(after.tls.get_ref().1.peer_certificates().unwrap(), served);
    for connection in [&mut before, &mut after] {
        assert_eq!(connection.ask(post("/mutate", review("u").to_string())).await.status, 200);
    }
}
