//! The webhook's server: reviews over TLS on one port, health and metrics in the clear on another.
//!
//! [`Server::bind`] takes the ports, [`Server::run`] serves until it is told to stop and then drains, so that
//! no request is lost:
//!
//! 1. Readiness goes off, and every answer carries `Connection: close`. New connections are still served:
//!    it takes a while until the last client knows that this endpoint is going. Idle connections are left
//!    alone, because closing one races with the request that its client is about to send.
//! 2. After [`Settings::drain_delay`] the listen backlog is accepted to the last and the port closed.
//! 3. Each connection ends once it has nothing more to answer: a request that is under way is finished, one
//!    that has reached this host is answered, a connection that has brought none yet gets a second more.
//! 4. After [`Settings::drain_timeout`] at most, the rest is cut.

mod admin;
mod answer;
mod app;
mod body;
mod connection;
mod drain;
mod health;
mod judge;
mod listener;
mod refusal;
mod routes;
mod watch;
mod wire;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub use app::{App, Decide};
pub use drain::Drained;
pub use health::Health;

use crate::policy_set::PolicySet;
use crate::view::View;
use listener::Gate;

/// How many connections may wait to be accepted; the kernel may allow fewer. Of more than wait the kernel drops the last
/// step, so that a client takes for open what the server only hears of seconds later; with the standard library's 128 a
/// burst of API servers could get there.
const BACKLOG: u32 = 4096;

/// The policies in force: read once per review, exchanged as a whole.
pub type PolicyStore = Arc<ArcSwap<PolicySet>>;

/// The cluster view: read once per review, exchanged as a whole by whoever watches the cluster.
pub type ViewStore = Arc<ArcSwap<View>>;

/// What the server listens on and what it puts up with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where reviews come in.
    pub listen: SocketAddr,
    /// Where health and metrics are read.
    pub admin_listen: SocketAddr,
    /// How long new connections are still taken after the signal to stop.
    pub drain_delay: Duration,
    /// How long what is open may take to end after that.
    pub drain_timeout: Duration,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
    /// How long a request's head may take once begun, then its body, and then its answer without being read.
    pub body_timeout: Duration,
    /// The largest body that is read, in bytes.
    pub max_body: usize,
    /// The largest body whose review is decided on the spot, in bytes. A larger one is decided on a thread of
    /// its own: it could hold up other connections, and only there can it be given up in time.
    pub inline_body: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            admin_listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(20),
            max_connections: 1024,
            handshake_timeout: Duration::from_secs(10),
            // Longer than the 90 s of Go's connection pool, so that its side closes first.
            idle_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(5),
            // An update's review holds two objects, each at most as large as etcd takes.
            max_body: 7 * 1024 * 1024,
            inline_body: 256 * 1024,
        }
    }
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is not to be had.
    #[error("listening on {address} for {purpose}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What would have been served there.
        purpose: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A server that has its ports.
pub struct Server {
    gate: Arc<Gate>,
    listener: TcpListener,
    listen: SocketAddr,
    admin: JoinHandle<()>,
    admin_listen: SocketAddr,
    health: Arc<Health>,
}

impl Server {
    /// Takes both ports. Health and metrics are served from here on; connections for reviews wait for
    /// [`Server::run`].
    ///
    /// # Errors
    /// When a port is not to be had.
    pub async fn bind(
        settings: Settings,
        tls: rustls::ServerConfig,
        app: App,
        health: Arc<Health>,
        registry: Registry,
    ) -> Result<Self, Error> {
        let (listener, listen) = take(settings.listen, "reviews")?;
        let (admin, admin_listen) = take(settings.admin_listen, "health and metrics")?;
        let admin = tokio::spawn(admin::serve(admin, Arc::clone(&health), Arc::new(registry)));
        let gate = Arc::new(Gate::new(settings, tls, app));
        Ok(Self { gate, listener, listen, admin, admin_listen, health })
    }

    /// Where reviews come in, with the port that was given for port 0.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where health and metrics are read, with the port that was given for port 0.
    #[must_use]
    pub fn admin_listen(&self) -> SocketAddr {
        self.admin_listen
    }

    /// Serves until `stop` is done, then drains. `hurry` ends the drain at once.
    pub async fn run(self, stop: impl Future<Output = ()>, hurry: impl Future<Output = ()>) -> Drained {
        let Self { gate, listener, listen, admin, admin_listen, health } = self;
        let mut accepting = tokio::spawn(listener::accept(listener, Arc::clone(&gate)));
        tracing::info!(listen = %listen, admin = %admin_listen, "listening");
        tokio::select! {
            () = stop => {}
            // Better to be restarted than to be up and deaf.
            ended = &mut accepting => if let Err(error) = ended && error.is_panic() {
                resume_unwind(error.into_panic());
            },
        }
        let drained = tokio::select! {
            drained = gate.stop(&health, accepting) => drained,
            () = hurry => Drained { cut: gate.drain.open() },
        };
        admin.abort();
        tracing::info!(cut = drained.cut, "drained");
        drained
    }
}

impl Gate {
    async fn stop(&self, health: &Health, accepting: JoinHandle<()>) -> Drained {
        let Settings { drain_delay, drain_timeout, .. } = self.settings;
        health.block("draining");
        self.drain.announce();
        tracing::info!(open = self.drain.open(), ?drain_delay, ?drain_timeout, "draining");
        sleep(drain_delay).await;
        self.drain.close();
        // The backlog is accepted when this ends.
        let _ = timeout(drain_timeout, accepting).await;
        self.drain.wait(drain_timeout).await
    }
}

fn take(address: SocketAddr, purpose: &'static str) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, purpose, source };
    let listener = bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does: what the last process left open must not keep the next from its port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
