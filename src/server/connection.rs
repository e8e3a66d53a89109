//! One connection: its handshake, its requests, its end. Each takes a bounded time.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::{AlertDescription, Error as TlsError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::listener::Gate;
use super::watch::{SETTLED, Step, Watch};
use super::wire::{Plain, Progress, Wire};
use crate::telemetry::metrics::Held;

/// How long a client may take to read the last answer and to close its side.
const FAREWELL: Duration = Duration::from_secs(1);
/// The largest part of a request that hyper holds, in bytes.
const READ_BUFFER: usize = 64 * 1024;

/// The answer to a request whose head does not come to its end: hyper has none for it.
const HEAD_LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 79\r\n\
    connection: close\r\n\r\n\
    The request's head did not come in time; send it whole within --body-timeout.\r\n";

/// Serves one connection to its end.
pub(super) async fn serve(gate: &Arc<Gate>, tcp: TcpStream) {
    let _held = Held::new(&gate.metrics().connections);
    // Nagle's algorithm would hold back a small answer for 40 ms.
    let _ = tcp.set_nodelay(true);
    let progress = Arc::new(Progress::default());
    match shake_hands(gate, Wire::new(tcp, gate.settings.body_timeout, Arc::clone(&progress))).await {
        Ok(tls) => converse(gate, tls, &progress).await,
        Err(reason) => {
            gate.metrics().tls_handshake_failure(reason);
            tracing::debug!(reason, "a TLS handshake failed");
        }
    }
}

async fn shake_hands(gate: &Gate, wire: Wire) -> Result<TlsStream<Wire>, &'static str> {
    let room = async {
        sleep(SETTLED).await;
        gate.asked_for_room(&gate.stalled).await;
    };
    tokio::select! {
        biased;
        done = timeout(gate.settings.handshake_timeout, gate.tls.accept(wire)) => match done {
            Ok(accepted) => accepted.map_err(|error| reason(&error)),
            Err(_elapsed) => Err("timeout"),
        },
        () = room => Err("made_room"),
    }
}

/// The value of the label `reason`. A client that does not trust the certificate is what a stale `caBundle`
/// looks like from here.
fn reason(error: &io::Error) -> &'static str {
    use AlertDescription as Alert;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(TlsError::AlertReceived(
            Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRevoked
            | Alert::UnsupportedCertificate
            // An authority of the same name, but with another key.
            | Alert::DecryptError,
        )) => "client_certificate_check",
        Some(TlsError::AlertReceived(_)) => "client_alert",
        Some(TlsError::NoCertificatesPresented | TlsError::InvalidCertificate(_)) => "client_not_trusted",
        Some(TlsError::InvalidMessage(_)) => "not_tls",
        Some(TlsError::PeerIncompatible(_)) => "incompatible",
        Some(TlsError::NoApplicationProtocol) => "application_protocol",
        Some(_) => "protocol",
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            "closed"
        }
        None => "io",
    }
}

async fn converse(gate: &Gate, tls: TlsStream<Wire>, progress: &Arc<Progress>) {
    let service = service_fn(move |request| {
        let answering = progress.answering();
        async move {
            let mut response = gate.routes.answer(request).await;
            if gate.drain.is_announced() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            drop(answering);
            Ok::<_, Infallible>(response)
        }
    });
    let io = TokioIo::new(Plain::new(tls, Arc::clone(progress)));
    // Without `pipeline_flush`: with it hyper never sends its answer to a head that does not parse.
    let mut connection = http1::Builder::new()
        // hyper's timeout does not tell an idle connection from a head that does not come to its end.
        .header_read_timeout(None)
        .max_buf_size(READ_BUFFER)
        .serve_connection(io, service);
    let mut watch = Watch::new(gate, progress);
    let mut left = false;
    let result = poll_fn(|context| {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(context) {
                return Poll::Ready(Some(result));
            }
            match watch.poll(context) {
                Step::Wait => return Poll::Pending,
                Step::Again => {}
                Step::Leave => {
                    left = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                Step::HeadLate => return Poll::Ready(None),
                Step::Cut => {
                    left = true;
                    return Poll::Ready(Some(Ok(())));
                }
            }
        }
    })
    .await;

    let mut tls = connection.into_parts().io.into_inner().into_inner();
    match result {
        // Its client has sent nothing that could be lost, or no more than part of a head in all its time.
        Some(Ok(())) if left => return,
        Some(Ok(())) => {}
        Some(Err(error)) if error.is_parse() => count_unread(gate, &error),
        Some(Err(error)) => return tracing::debug!(%error, "a connection failed"),
        None => {
            gate.metrics().http_error(StatusCode::REQUEST_TIMEOUT.as_u16());
            // Who does not read it gets no other.
            let _ = timeout(FAREWELL, tls.write_all(HEAD_LATE)).await;
        }
    }
    take_leave(tls).await;
}

/// hyper has answered it.
fn count_unread(gate: &Gate, error: &hyper::Error) {
    let status = if error.is_parse_too_large() {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else {
        StatusCode::BAD_REQUEST
    };
    gate.metrics().http_error(status.as_u16());
}

/// Closes our side and waits for the client's. A socket that is closed with bytes unread resets the
/// connection, and the client may lose the answer that it was given before it sent them.
async fn take_leave(mut tls: TlsStream<Wire>) {
    let farewell = async {
        let _ = tls.shutdown().await;
        let mut tcp = tls.into_inner().0.into_tcp();
        let mut unread = vec![0; 16 * 1024];
        while tcp.read(&mut unread).await.is_ok_and(|length| length > 0) {}
    };
    let _ = timeout(FAREWELL, farewell).await;
}
