//! A connection's bytes, watched on both sides of TLS, so that it is known whether a request is on its way.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// Nothing: its client may or may not send a request.
    Idle,
    /// The first part of a request has come, but not yet its whole head.
    Head,
    /// A request is being answered.
    Busy,
}

/// What is known of a connection. One task writes and reads it; the atomics only let that task move.
#[derive(Debug, Default)]
pub(super) struct Progress {
    requests: AtomicU64,
    answering: AtomicBool,
    blocked: AtomicBool,
    /// Bytes have come since the last answer: as the client sent them,
    encrypted: AtomicBool,
    /// and as TLS gave them on.
    plain: AtomicBool,
    probe: AtomicBool,
    pending: AtomicBool,
}

impl Progress {
    /// A request is being answered, until the result is dropped.
    pub(super) fn answering(&self) -> Answering<'_> {
        self.requests.store(self.requests() + 1, Ordering::Relaxed);
        self.answering.store(true, Ordering::Relaxed);
        Answering(self)
    }

    /// How many requests have come.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn activity(&self) -> Activity {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        if is(&self.answering) || is(&self.blocked) {
            Activity::Busy
        } else if is(&self.plain) {
            Activity::Head
        } else {
            Activity::Idle
        }
    }

    /// From here on, every read that finds nothing asks the kernel itself: the runtime may not have heard of
    /// bytes that are there already.
    pub(super) fn probe(&self) {
        self.probe.store(true, Ordering::Relaxed);
    }

    /// Whether any part of a request has reached this host, if the probe is on.
    pub(super) fn has_pending(&self) -> bool {
        self.encrypted.load(Ordering::Relaxed) || self.pending.load(Ordering::Relaxed)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering<'a>(&'a Progress);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        for flag in [&self.0.answering, &self.0.encrypted, &self.0.plain] {
            flag.store(false, Ordering::Relaxed);
        }
    }
}

/// How much is read from a socket at once: TLS asks for 4 KiB, and a review would take several reads. Of a buffer of
/// this size only what was ever filled takes memory.
const READ_AHEAD: usize = 32 * 1024;

/// The socket below TLS. A write that makes no headway for too long fails: its client does not read.
#[derive(Debug)]
pub(super) struct Wire {
    tcp: BufReader<TcpStream>,
    progress: Arc<Progress>,
    patience: Duration,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(super) fn new(tcp: TcpStream, patience: Duration, progress: Arc<Progress>) -> Self {
        Self { tcp: BufReader::with_capacity(READ_AHEAD, tcp), progress, patience, stall: None }
    }

    pub(super) fn into_tcp(self) -> TcpStream {
        self.tcp.into_inner()
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.progress.blocked.store(written.is_pending(), Ordering::Relaxed);
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let patience = self.patience;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.encrypted.store(true, Ordering::Relaxed);
        }
        if self.progress.probe.load(Ordering::Relaxed) {
            let there = read.is_ready()
                || SockRef::from(self.tcp.get_ref()).peek(&mut [MaybeUninit::uninit()]).is_ok();
            self.progress.pending.store(there, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(context, bytes);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

/// The stream above TLS.
#[derive(Debug)]
pub(super) struct Plain<T> {
    stream: T,
    progress: Arc<Progress>,
}

impl<T> Plain<T> {
    pub(super) fn new(stream: T, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }

    pub(super) fn into_inner(self) -> T {
        self.stream
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Plain<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.plain.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Plain<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
