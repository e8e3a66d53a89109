//! Accepting connections, no more than the limit, down to the last one in the backlog.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::Settings;
use super::app::App;
use super::body::Budget;
use super::connection;
use super::drain::Drain;
use super::routes::Routes;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Held;

/// How long a connection above the limit waits for an idle one to make room. All that come behind it wait too.
const ROOM_PATIENCE: Duration = Duration::from_millis(5);
/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Connections that would make room if they were asked.
#[derive(Default)]
pub(super) struct Movable {
    count: Gauge,
    asked: Notify,
}

/// What every connection shares.
pub(super) struct Gate {
    pub(super) settings: Settings,
    pub(super) tls: TlsAcceptor,
    pub(super) drain: Drain,
    pub(super) routes: Routes,
    slots: Arc<Semaphore>,
    /// Those that have taken too long over a handshake or a request's head are asked for room before
    pub(super) stalled: Movable,
    /// those that do nothing.
    pub(super) idle: Movable,
    /// Whether the last connection could not be accepted for want of a file descriptor.
    is_short: AtomicBool,
}

impl Gate {
    pub(super) fn new(settings: Settings, tls: rustls::ServerConfig, app: App) -> Self {
        let budget = Budget::new(settings.max_body, settings.body_timeout);
        Self {
            tls: TlsAcceptor::from(Arc::new(tls)),
            drain: Drain::default(),
            routes: Routes::new(app, budget, settings.inline_body),
            slots: Arc::new(Semaphore::new(settings.max_connections)),
            stalled: Movable::default(),
            idle: Movable::default(),
            is_short: AtomicBool::new(false),
            settings,
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.routes.metrics()
    }

    /// Done when the caller's connection, one of these, is to make room for another. Of several callers the one that has
    /// waited longest goes.
    pub(super) async fn asked_for_room(&self, among: &Movable) {
        let _held = Held::new(&among.count);
        loop {
            among.asked.notified().await;
            if self.slots.available_permits() == 0 || self.is_short.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Whether there is one who can make room, and is asked to.
    fn ask_for_room(&self) -> bool {
        let asked = [&self.stalled, &self.idle].into_iter().find(|movable| movable.count.get() > 0);
        asked.is_some_and(|movable| {
            movable.asked.notify_one();
            true
        })
    }

    fn try_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// A place for one more connection, if there is or soon will be one. Where nobody can make room it is not waited
    /// for: of a crowd each would wait behind all that came before it.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let slot = self.try_slot();
        if slot.is_some() || !self.ask_for_room() {
            return slot;
        }
        timeout(ROOM_PATIENCE, Arc::clone(&self.slots).acquire_owned()).await.ok()?.ok()
    }
}

/// Accepts until connections are to end, then what is left in the backlog.
///
/// At the limit a connection is still accepted: the longest stalled or idle one is asked to go, and for a moment the new
/// one waits for its place; without it, it is closed. Not accepting it would leave it in the backlog, where
/// the API server waits out its whole timeout for it, while a closed one fails over to the webhook's
/// `failurePolicy` in no time. What waits is bounded by the backlog, what is open by the limit and one.
pub(super) async fn accept(listener: TcpListener, gate: Arc<Gate>) {
    let mut closing = pin!(gate.drain.closing());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut closing => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                gate.is_short.store(false, Ordering::Relaxed);
                match gate.slot().await {
                    Some(slot) => start(&gate, tcp, slot),
                    None => refuse(&gate, peer),
                }
            }
            Err(error) => rest(&gate, &error).await,
        }
    }
    if let Err(error) = accept_backlog(listener, &gate) {
        tracing::warn!(%error, "accepting the last connections failed");
    }
}

fn start(gate: &Arc<Gate>, tcp: TcpStream, slot: OwnedSemaphorePermit) {
    let shared = Arc::clone(gate);
    gate.drain.spawn(async move {
        connection::serve(&shared, tcp).await;
        drop(slot);
    });
}

fn refuse(gate: &Gate, peer: SocketAddr) {
    gate.metrics().connections_refused.inc();
    tracing::debug!(%peer, limit = gate.settings.max_connections, "refused a connection above the limit");
}

/// The kernel has these already: their clients take them for open, and would lose what they sent. The runtime
/// may not have heard of all of them, so the kernel itself is asked.
fn accept_backlog(listener: TcpListener, gate: &Arc<Gate>) -> io::Result<()> {
    let listener = listener.into_std()?;
    loop {
        match listener.accept() {
            Ok((tcp, peer)) => {
                tcp.set_nonblocking(true)?;
                match gate.try_slot() {
                    Some(slot) => start(gate, TcpStream::from_std(tcp)?, slot),
                    None => refuse(gate, peer),
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Without a file descriptor the next connection waits in the backlog; an idle one is asked for its own.
async fn rest(gate: &Gate, error: &io::Error) {
    if is_of_one_connection(error) {
        return;
    }
    if !gate.is_short.swap(true, Ordering::Relaxed) {
        tracing::warn!(%error, "accepting a connection failed; idle connections make room for it");
    }
    sleep(if gate.ask_for_room() { ROOM_PATIENCE } else { ACCEPT_REST }).await;
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::engine::Decision;
    use crate::tls::{RotatingCertificate, local, server_config};

    #[tokio::test]
    async fn the_backlog_is_accepted_to_the_last_and_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = RotatingCertificate::new(local::certificate(folder.path()).unwrap().certified);
        let tls = server_config(Arc::new(certificate)).unwrap();
        let app = App::deciding(|_| Decision::default(), Metrics::register(&mut Registry::default()));
        let settings = Settings { max_connections: 20, ..Settings::default() };
        let gate = Arc::new(Gate::new(settings, tls, app));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..25 {
            waiting.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        }
        gate.drain.close();
        accept(listener, Arc::clone(&gate)).await;
        assert_eq!((gate.drain.open(), gate.metrics().connections_refused.get()), (20, 5));
    }
}
