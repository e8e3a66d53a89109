//! The states of a server that stops, as its connections see them.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a connection that is cut may take to notice.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// What came of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// How many connections had to be cut, because they did not end in time.
    pub cut: usize,
}

/// Where the server is on its way down. It only ever goes on.
#[derive(Debug, Default)]
pub(super) struct Drain {
    announced: AtomicBool,
    closing: CancellationToken,
    cut: CancellationToken,
    connections: TaskTracker,
}

impl Drain {
    /// Runs a connection, which is then waited for.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.connections.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = connection => {}
            }
        });
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.connections.len()
    }

    /// From here on every answer asks its client to leave.
    pub(super) fn announce(&self) {
        self.announced.store(true, Ordering::Relaxed);
    }

    /// Whether answers ask their clients to leave.
    pub(super) fn is_announced(&self) -> bool {
        self.announced.load(Ordering::Relaxed)
    }

    /// From here on connections end as soon as they have nothing to answer.
    pub(super) fn close(&self) {
        self.announce();
        self.closing.cancel();
    }

    /// Done once connections are to end.
    pub(super) async fn closing(&self) {
        self.closing.cancelled().await;
    }

    /// Waits until every connection has ended, and cuts those that have not after `patience`.
    pub(super) async fn wait(&self, patience: Duration) -> Drained {
        self.connections.close();
        if timeout(patience, self.connections.wait()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = self.connections.len();
        self.cut.cancel();
        // Whoever does not notice is dropped with the runtime.
        let _ = timeout(CUT_GRACE, self.connections.wait()).await;
        Drained { cut }
    }
}
