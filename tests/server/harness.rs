//! A webhook on ports of its own, and a client that sends exactly what it is told.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use podwright::engine::{Decision, Question};
use podwright::server::{App, Drained, Health, Server, Settings};
use podwright::telemetry::Metrics;
use podwright::tls::{self, RotatingCertificate, files, local};
use prometheus_client::registry::Registry;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

/// Longer than anything that these tests wait for; a test that meets it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running webhook.
pub(crate) struct Webhook {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) health: Arc<Health>,
    pub(crate) certificate: Arc<RotatingCertificate>,
    pub(crate) stop: CancellationToken,
    pub(crate) hurry: CancellationToken,
    pub(crate) roots: Arc<RootCertStore>,
    running: JoinHandle<Drained>,
    _folder: TempDir,
}

/// A webhook that listens but does not accept yet.
pub(crate) struct Bound {
    server: Server,
    health: Arc<Health>,
    certificate: Arc<RotatingCertificate>,
    roots: Arc<RootCertStore>,
    folder: TempDir,
}

/// Settings that keep tests short.
pub(crate) fn settings() -> Settings {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings { listen: local, admin_listen: local, drain_delay: Duration::ZERO, ..Settings::default() }
}

pub(crate) fn allow(_: &Question<'_>) -> Decision {
    Decision::default()
}

impl Bound {
    pub(crate) async fn new<F>(settings: Settings, decide: F) -> Self
    where
        F: Fn(&Question<'_>) -> Decision + Send + Sync + 'static,
    {
        Self::serving(settings, |metrics| App::deciding(decide, metrics)).await
    }

    pub(crate) async fn serving(settings: Settings, app: impl FnOnce(Metrics) -> App) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = local::certificate(folder.path()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(files::chain(&local.ca_path).unwrap().remove(0)).unwrap();
        let certificate = Arc::new(RotatingCertificate::new(local.certified));
        let tls = tls::server_config(Arc::clone(&certificate)).unwrap();
        let mut registry = Registry::default();
        let app = app(Metrics::register(&mut registry));
        let health = Arc::new(Health::default());
        let server = Server::bind(settings, tls, app, Arc::clone(&health), registry).await.unwrap();
        Self { server, health, certificate, roots: Arc::new(roots), folder }
    }

    pub(crate) fn run(self) -> Webhook {
        let (listen, admin) = (self.server.listen(), self.server.admin_listen());
        let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
        let (stopped, hurried) = (stop.clone().cancelled_owned(), hurry.clone().cancelled_owned());
        let running = tokio::spawn(self.server.run(stopped, hurried));
        let Self { health, certificate, roots, folder, .. } = self;
        Webhook { listen, admin, health, certificate, stop, hurry, roots, running, _folder: folder }
    }

    pub(crate) async fn open_tcp(&self) -> TcpStream {
        TcpStream::connect(self.server.listen()).await.unwrap()
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::new(client_config(self.roots.clone()))
    }
}

impl Webhook {
    pub(crate) async fn start() -> Self {
        Self::start_with(settings(), allow).await
    }

    pub(crate) async fn start_with<F>(settings: Settings, decide: F) -> Self
    where
        F: Fn(&Question<'_>) -> Decision + Send + Sync + 'static,
    {
        Bound::new(settings, decide).await.run()
    }

    pub(crate) async fn open(&self) -> Connection {
        connect(self.listen, self.roots.clone()).await.unwrap()
    }

    pub(crate) async fn open_tcp(&self) -> TcpStream {
        TcpStream::connect(self.listen).await.unwrap()
    }

    /// The value of one series, named as the metrics page names it; 0 where there is none.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let page = self.get("/metrics").await.text();
        page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0)
    }

    /// Waits until a series has this value.
    pub(crate) async fn metric_becomes(&self, series: &str, value: u64) {
        let reached = async {
            while self.metric(series).await != value {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(PATIENCE, reached).await.is_err() {
            panic!("{series} did not become {value}:\n{}", self.get("/metrics").await.text());
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        admin(self.admin, "GET", path).await
    }

    /// Stops the webhook and waits until it has drained.
    pub(crate) async fn stopped(self) -> Drained {
        self.stop.cancel();
        timeout(PATIENCE, self.running).await.unwrap().unwrap()
    }

    /// Waits until it has drained, having been stopped before.
    pub(crate) async fn drained(self) -> Drained {
        timeout(PATIENCE, self.running).await.unwrap().unwrap()
    }
}

pub(crate) async fn admin(address: SocketAddr, method: &str, path: &str) -> Answer {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
    let mut all = Vec::new();
    timeout(PATIENCE, tcp.read_to_end(&mut all)).await.unwrap().unwrap();
    let end = head_end(&all).unwrap();
    Answer { body: all.split_off(end), ..Answer::head(&all) }
}

pub(crate) fn client_config(roots: Arc<RootCertStore>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(crate) async fn connect(address: SocketAddr, roots: Arc<RootCertStore>) -> std::io::Result<Connection> {
    let tcp = TcpStream::connect(address).await?;
    shake_hands(tcp, Arc::new(client_config(roots))).await
}

pub(crate) async fn shake_hands(tcp: TcpStream, config: Arc<ClientConfig>) -> std::io::Result<Connection> {
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    let tls = TlsConnector::from(config).connect(name, tcp).await?;
    Ok(Connection { tls, read: Vec::new() })
}

/// One connection, over which exactly what is told is sent.
pub(crate) struct Connection {
    pub(crate) tls: TlsStream<TcpStream>,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.tls.write_all(bytes.as_ref()).await?;
        self.tls.flush().await
    }

    /// The next answer, or `None` where the connection ends before it begins.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer()).await.expect("no answer in time").unwrap()
    }

    pub(crate) async fn try_answer(&mut self) -> std::io::Result<Option<Answer>> {
        timeout(PATIENCE, self.read_answer()).await?
    }

    async fn read_answer(&mut self) -> std::io::Result<Option<Answer>> {
        let end = loop {
            if let Some(end) = head_end(&self.read) {
                break end;
            }
            if self.tls.read_buf(&mut self.read).await? == 0 {
                return if self.read.is_empty() {
                    Ok(None)
                } else {
                    Err(std::io::ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let answer = Answer::head(&self.read[..end]);
        let length = answer.header("content-length").parse::<usize>().unwrap();
        while self.read.len() < end + length {
            if self.tls.read_buf(&mut self.read).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.read.split_off(end + length);
        let body = self.read.split_off(end);
        self.read = rest;
        Ok(Some(Answer { body, ..answer }))
    }

    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await.expect("the connection was closed instead of an answer")
    }

    /// Whether the server ends the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        timeout(PATIENCE, self.tls.read_u8()).await.expect("the connection stays open").is_err()
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn head(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let mut lines = text.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: Vec::new() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection") == "close"
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|start| start + 4)
}

/// The body of a review.
pub(crate) fn review(uid: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "name": "app",
            "namespace": "team",
            "operation": "CREATE",
            "userInfo": {"username": "someone"},
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": {"containers": []}},
        },
    })
}

/// A whole request.
pub(crate) fn post(path: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut request = head(path, body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

/// The head of a request whose body has this many bytes.
pub(crate) fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Runs `future` and tells how long it took.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let result = future.await;
    (result, start.elapsed())
}
