//! Reading a request's body: bounded in size, in time, and over all connections in memory.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Bodies up to this many bytes are not counted against the memory for large ones: nearly every review is
/// smaller, and the connection limit bounds them.
const SMALL: usize = 64 * 1024;
/// How many bodies of the largest size are in memory at once.
const LARGEST_AT_ONCE: usize = 8;
/// An unwanted body up to this many bytes is read, so that its connection can be kept.
const UNWANTED: u64 = 64 * 1024;
/// How long an unwanted body is waited for.
const UNWANTED_PATIENCE: Duration = Duration::from_secs(1);
const KIB: usize = 1024;

/// What a body may take.
#[derive(Debug)]
pub(super) struct Budget {
    max: usize,
    patience: Duration,
    /// KiB left for large bodies.
    large: Arc<Semaphore>,
}

/// A whole body, in one piece.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    _memory: Option<Arc<OwnedSemaphorePermit>>,
}

/// Why there is no whole body.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("reading the body: it is larger than {max} bytes, which --max-body allows")]
    TooLarge { max: usize },
    #[error("reading the body: it did not come whole within {0:?}; send it at once")]
    Late(Duration),
    #[error("reading the body: too many large bodies are being read already; try again")]
    Busy,
    #[error("reading the body: it broke off: {0}")]
    Broken(hyper::Error),
}

impl Budget {
    pub(super) fn new(max: usize, patience: Duration) -> Self {
        let large = max.saturating_mul(LARGEST_AT_ONCE) / KIB;
        Self { max, patience, large: Arc::new(Semaphore::new(large.min(Semaphore::MAX_PERMITS))) }
    }

    /// Reads the body of a request that has arrived at `start`, until `deadline` at the latest.
    pub(super) async fn read(
        &self,
        mut body: Incoming,
        start: Instant,
        deadline: Instant,
    ) -> Result<Received, Error> {
        let declared = body.size_hint().exact();
        if declared.is_some_and(|size| size > self.max as u64) {
            return Err(Error::TooLarge { max: self.max });
        }
        let deadline = deadline.min(start + self.patience);
        let mut reading = pin!(self.collect(&mut body, declared, deadline));
        if let Some(received) = soon(reading.as_mut()).await {
            return received;
        }
        match timeout_at(deadline, reading).await {
            Ok(received) => received,
            Err(_elapsed) => Err(Error::Late(deadline - start)),
        }
    }

    async fn collect(
        &self,
        body: &mut Incoming,
        declared: Option<u64>,
        deadline: Instant,
    ) -> Result<Received, Error> {
        let first = next(body).await?.unwrap_or_default();
        if body.is_end_stream() {
            return Ok(Received { bytes: self.checked(first)?, _memory: None });
        }
        // Checked against the maximum already; 0 where the body is sent in chunks.
        let declared = declared.and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let mut memory = self.reserve(declared, deadline).await?;
        let mut bytes = BytesMut::with_capacity(declared.max(first.len()));
        bytes.extend_from_slice(&first);
        while let Some(chunk) = next(body).await? {
            if bytes.len() + chunk.len() > self.max {
                return Err(Error::TooLarge { max: self.max });
            }
            if memory.is_none() && bytes.len() + chunk.len() > SMALL {
                memory = self.reserve(self.max, deadline).await?;
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Received { bytes: bytes.freeze(), _memory: memory.map(Arc::new) })
    }

    fn checked(&self, bytes: Bytes) -> Result<Bytes, Error> {
        if bytes.len() > self.max { Err(Error::TooLarge { max: self.max }) } else { Ok(bytes) }
    }

    async fn reserve(&self, size: usize, deadline: Instant) -> Result<Option<OwnedSemaphorePermit>, Error> {
        if size <= SMALL {
            return Ok(None);
        }
        let kib = u32::try_from(size / KIB).unwrap_or(u32::MAX);
        // A little before the deadline, so that it is told apart from a slow client.
        let by = deadline - Duration::from_millis(10);
        match timeout_at(by, Arc::clone(&self.large).acquire_many_owned(kib)).await {
            Ok(Ok(memory)) => Ok(Some(memory)),
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }
}

/// What a body becomes when it is here already. hyper hands nothing over until it has been asked, so it is asked twice:
/// most reviews then need no timer.
async fn soon<F: Future>(mut reading: Pin<&mut F>) -> Option<F::Output> {
    let mut is_asked = false;
    poll_fn(|context| match reading.as_mut().poll(context) {
        Poll::Ready(received) => Poll::Ready(Some(received)),
        Poll::Pending if is_asked => Poll::Ready(None),
        Poll::Pending => {
            is_asked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// Reads and drops a body that nobody wants. Whether it came to its end, so that another request can follow.
pub(super) async fn discard(mut body: Incoming) -> bool {
    if body.is_end_stream() {
        return true;
    }
    if body.size_hint().exact().is_none_or(|size| size > UNWANTED) {
        return false;
    }
    let read = async {
        while let Ok(chunk) = next(&mut body).await {
            if chunk.is_none() {
                return true;
            }
        }
        false
    };
    timeout(UNWANTED_PATIENCE, read).await.unwrap_or(false)
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        // What is no data is a trailer, which nobody asked for.
        if let Ok(data) = frame.map_err(Error::Broken)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
