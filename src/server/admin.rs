//! Health and metrics, in the clear on a port of their own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::answer::Answer;
use super::health::Health;

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How many connections are open at once. One more, and the oldest is cut: silent ones must not keep the
/// kubelet's probe out, or it would restart us.
const MAX_CONNECTIONS: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, health: Arc<Health>, registry: Arc<Registry>) {
    let mut open = VecDeque::with_capacity(MAX_CONNECTIONS + 1);
    loop {
        match listener.accept().await {
            Ok((tcp, _peer)) => {
                let connection = converse(tcp, Arc::clone(&health), Arc::clone(&registry));
                open.push_back(tokio::spawn(connection).abort_handle());
                if open.len() > MAX_CONNECTIONS
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection on the admin port failed");
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

async fn converse(tcp: TcpStream, health: Arc<Health>, registry: Arc<Registry>) {
    let service = service_fn(|request| {
        let response = answer(&request, &health, &registry).into_response();
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(tcp), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection on the admin port failed");
    }
}

fn answer(request: &Request<Incoming>, health: &Health, registry: &Registry) -> Answer {
    let path = request.uri().path();
    if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
        let sentence = format!("There is nothing at {path:?}; there are /healthz, /readyz and /metrics.");
        return Answer::text(StatusCode::NOT_FOUND, sentence);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let sentence = format!("{} is not answered here; read it by GET.", request.method());
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, sentence).allowing("GET, HEAD");
    }
    match path {
        "/metrics" => metrics(registry),
        "/readyz" => readiness(health),
        _ => Answer::text(StatusCode::OK, "ok"),
    }
}

fn readiness(health: &Health) -> Answer {
    let reasons = health.unready();
    if !reasons.is_empty() {
        return Answer::text(StatusCode::SERVICE_UNAVAILABLE, reasons.join(", "));
    }
    match health.generation() {
        Some(generation) => Answer::text(StatusCode::OK, format!("ok, policies {generation}")),
        None => Answer::text(StatusCode::OK, "ok"),
    }
}

fn metrics(registry: &Registry) -> Answer {
    let mut page = String::with_capacity(8 * 1024);
    match text::encode(&mut page, registry) {
        Ok(()) => Answer::typed(StatusCode::OK, METRICS_TYPE, page),
        Err(error) => Answer::text(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}
