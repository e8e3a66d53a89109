//! A client as the API server is one: it keeps connections and waits for each answer.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use podwright::tls::local;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for both servers.
pub(crate) struct Certificates {
    folder: TempDir,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        local::certificate(folder.path()).unwrap();
        let beside = |name| folder.path().join(name);
        Self { certificate: beside("tls.crt"), key: beside("tls.key"), folder }
    }

    /// A file beside it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whom their clients trust.
    pub(crate) fn authority_pem(&self) -> String {
        fs::read_to_string(self.file("ca.crt")).unwrap()
    }

    fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority_pem().as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(roots)
            .with_no_client_auth();
        // The API server resumes no sessions.
        config.resumption = rustls::client::Resumption::disabled();
        TlsConnector::from(Arc::new(config))
    }
}

/// Where to ask.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    connector: TlsConnector,
}

impl Target {
    pub(crate) fn new(address: SocketAddr, certificates: &Certificates) -> Self {
        Self { address, connector: certificates.connector() }
    }

    /// One answer over a connection of its own.
    pub(crate) async fn try_ask_once(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut connection = self.connect().await?;
        let body = connection.ask(request).await?;
        Ok(connection.answer[body..].to_vec())
    }

    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let stream = self.connector.connect(name, tcp).await?;
        Ok(Connection { stream, answer: Vec::with_capacity(64 * 1024) })
    }
}

/// One open connection.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    answer: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads its answer; returns where the body begins in it.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<usize> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.answer.clear();
        let (mut body, mut end) = (0, usize::MAX);
        while self.answer.len() < end {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if end == usize::MAX
                && let Some((at, length)) = head(&self.answer)
            {
                (body, end) = (at, at + length);
            }
        }
        Ok(body)
    }
}

/// Where the body begins and how long it is, once the head is there. Anything but 200 is a failure of the run.
fn head(answer: &[u8]) -> Option<(usize, usize)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    Some((end + 4, length.expect("an answer without a content-length")))
}

/// How the server is asked.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// Over this many connections at once, each waiting for its answer before it asks again.
    Connections(usize),
    /// One after the other, each over a connection of its own.
    Reconnecting,
}

impl Load {
    pub(crate) async fn open(self, target: &Target) -> Clients {
        let mut connections = Vec::new();
        if let Self::Connections(count) = self {
            for _ in 0..count {
                connections.push(target.connect().await.unwrap());
            }
        }
        Clients { target: target.clone(), connections }
    }
}

/// The open connections of one round; none where each request opens its own.
pub(crate) struct Clients {
    target: Target,
    connections: Vec<Connection>,
}

/// What was seen in one round.
pub(crate) struct Sample {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) took: Duration,
}

impl Clients {
    /// Asks for so long.
    pub(crate) async fn run(&mut self, request: &[u8], span: Duration) -> Sample {
        let begun = Instant::now();
        let until = begun + span;
        let mut latencies = Vec::new();
        if self.connections.is_empty() {
            while Instant::now() < until {
                let asked = Instant::now();
                self.target.connect().await.unwrap().ask(request).await.unwrap();
                latencies.push(asked.elapsed());
            }
        } else {
            let asking = self.connections.iter_mut().map(|connection| async move {
                let mut latencies = Vec::with_capacity(64 * 1024);
                let mut asked = Instant::now();
                while asked < until {
                    connection.ask(request).await.unwrap();
                    let answered = Instant::now();
                    latencies.push(answered - asked);
                    asked = answered;
                }
                latencies
            });
            latencies = futures::future::join_all(asking).await.concat();
        }
        Sample { latencies, took: begun.elapsed() }
    }
}
