//! The states of a server that stops, as its connections see them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
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
    closing: Signal,
    cut: Arc<Signal>,
    connections: TaskTracker,
}

impl Drain {
    /// Runs a connection, which is then waited for.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let cut = Arc::clone(&self.cut);
        self.connections.spawn(async move {
            tokio::select! {
                biased;
                () = cut.given() => {}
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
        self.closing.give();
    }

    /// Done once connections are to end.
    pub(super) async fn closing(&self) {
        self.closing.given().await;
    }

    /// Waits until every connection has ended, and cuts those that have not after `patience`.
    pub(super) async fn wait(&self, patience: Duration) -> Drained {
        self.connections.close();
        if timeout(patience, self.connections.wait()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = self.connections.len();
        self.cut.give();
        // Whoever does not notice is dropped with the runtime.
        let _ = timeout(CUT_GRACE, self.connections.wait()).await;
        Drained { cut }
    }
}

/// Given once, to all who wait for it. To wait costs a look at a flag with each request; the token alone would take locks
/// that all connections share.
#[derive(Debug, Default)]
struct Signal {
    is_given: AtomicBool,
    token: CancellationToken,
}

impl Signal {
    fn give(&self) {
        self.is_given.store(true, Ordering::Release);
        self.token.cancel();
    }

    async fn given(&self) {
        let mut given = pin!(self.token.cancelled());
        let mut known: Option<Waker> = None;
        poll_fn(|context| {
            if self.is_given.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            if known.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                return Poll::Pending;
            }
            known = Some(context.waker().clone());
            given.as_mut().poll(context)
        })
        .await;
    }
}
