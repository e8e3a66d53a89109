//! From a request to its answer: which review it is, and how long it may take.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, Body};
use super::app::App;
use super::body::{self, Budget, Received};
use super::judge::{self, Judged, judge};
use crate::engine::Endpoint;
use crate::telemetry::Metrics;
use crate::view::{Answer as Found, Asked, SetName};

/// How long a review may take where the request does not say: what the API server waits by default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that an API server can be told to wait.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// An answer takes its way back, of which this much is held back at most.
const MAX_MARGIN: Duration = Duration::from_millis(500);

/// Answers requests.
#[derive(Debug)]
pub(super) struct Routes {
    app: Arc<App>,
    budget: Budget,
    /// Large reviews are decided by no more threads than there are CPUs: more would only take memory.
    deciding: Arc<Semaphore>,
    /// The largest body whose review is decided on the spot, in bytes.
    inline_body: usize,
}

/// A request for a review.
#[derive(Debug, Clone, Copy)]
struct Route {
    endpoint: Endpoint,
    arrived: Instant,
    deadline: Instant,
}

impl Routes {
    pub(super) fn new(app: App, budget: Budget, inline_body: usize) -> Self {
        let cpus = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { app: Arc::new(app), budget, deciding: Arc::new(Semaphore::new(cpus)), inline_body }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.app.metrics
    }

    /// Answers one request. What few requests need is boxed here and below: a future that may be all of it is moved with
    /// every request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let answer = match route(&request) {
            Ok(route) => self.review(route, request.into_body()).await,
            Err(answer) => Box::pin(unwanted(request, answer)).await,
        };
        if answer.status.as_u16() >= 400 {
            self.metrics().http_error(answer.status.as_u16());
        }
        answer.into_response()
    }

    async fn review(&self, route: Route, body: Incoming) -> Answer {
        let received = match self.budget.read(body, route.arrived, route.deadline).await {
            Ok(received) => received,
            Err(error) => return without_body(&error),
        };
        let judged = match self.judge(route, &received, None).await {
            Judged::Lacking(set) => Box::pin(self.judge_knowing(set, route, &received)).await,
            judged => judged,
        };
        match judged {
            Judged::Answered(answer) => answer,
            Judged::Late | Judged::Lacking(_) => {
                judge::late(&self.app, route.endpoint, &received.bytes, route.arrived.elapsed())
            }
        }
    }

    async fn judge_knowing(&self, set: SetName, route: Route, received: &Received) -> Judged {
        let answer = self.look(&set, route).await;
        self.judge(route, received, Some(Asked { name: set, answer })).await
    }

    async fn judge(&self, route: Route, received: &Received, asked: Option<Asked>) -> Judged {
        if received.bytes.len() <= self.inline_body {
            return judge(&self.app, route.endpoint, &received.bytes, route.deadline, asked.as_ref());
        }
        Box::pin(self.judge_apart(route, received, asked)).await
    }

    /// Judges on a thread of its own, which can be given up in time.
    async fn judge_apart(&self, route: Route, received: &Received, asked: Option<Asked>) -> Judged {
        let Route { endpoint, arrived, deadline } = route;
        let app = Arc::clone(&self.app);
        let deciding = Arc::clone(&self.deciding);
        let apart = received.clone();
        let judged = async move {
            let turn = deciding.acquire_owned().await;
            // Its turn is taken, and what was received counts as memory, until it is done: whoever still waits.
            let judge =
                move || (judge(&app, endpoint, &apart.bytes, deadline, asked.as_ref()), turn, apart).0;
            spawn_blocking(judge).await
        };
        match timeout_at(deadline, judged).await {
            Ok(Ok(judged)) => judged,
            Err(_) => Judged::Late,
            Ok(Err(_)) => {
                Judged::Answered(judge::panicked(&self.app, endpoint, &received.bytes, arrived.elapsed()))
            }
        }
    }

    /// Asks the API server for a StatefulSet, for as long as there is time to tell what came of it.
    async fn look(&self, set: &SetName, route: Route) -> Found {
        let until = route.deadline - (route.deadline - route.arrived) / 10;
        let late = || Found::Unreachable("the API server gave no answer in time".to_owned());
        let answer = match &self.app.look {
            Some(look) => timeout_at(until, look(set.clone())).await.unwrap_or_else(|_| late()),
            None => late(),
        };
        let outcome = match &answer {
            Found::Found(_) => "found",
            Found::Absent => "absent",
            Found::Unreachable(error) => {
                tracing::warn!(%set, error, "a StatefulSet that the watch had not told of could not be read");
                "failed"
            }
        };
        self.metrics().stateful_set_read(outcome);
        answer
    }
}

/// Which review a request's head asks for.
fn route(request: &Request<Incoming>) -> Result<Route, Answer> {
    let arrived = Instant::now();
    let endpoint = match request.uri().path() {
        "/mutate" => Endpoint::Mutate,
        "/validate" => Endpoint::Validate,
        path => {
            let sentence = format!(
                "There is nothing at {path:?}; reviews go to /mutate and /validate, and /healthz, /readyz and \
                 /metrics are on the admin port."
            );
            return Err(Answer::text(StatusCode::NOT_FOUND, sentence));
        }
    };
    if request.method() != Method::POST {
        let sentence =
            format!("{} is not answered here; send the AdmissionReview by POST.", request.method());
        return Err(Answer::text(StatusCode::METHOD_NOT_ALLOWED, sentence).allowing("POST"));
    }
    check_content(request.headers())?;
    let timeout = timeout(request.uri().query().unwrap_or(""))?;
    Ok(Route { endpoint, arrived, deadline: arrived + timeout - (timeout / 10).min(MAX_MARGIN) })
}

fn check_content(headers: &HeaderMap) -> Result<(), Answer> {
    let text = |name| headers.get(name).map_or("", |value| value.to_str().unwrap_or("?"));
    let content_type = text(CONTENT_TYPE);
    let essence = content_type.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let sentence = format!(
            "The content type {content_type:?} is not read; send the AdmissionReview as application/json."
        );
        return Err(Answer::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
    }
    let encoding = text(CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        let sentence =
            format!("The content encoding {encoding:?} is not read; send the AdmissionReview uncompressed.");
        return Err(Answer::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
    }
    Ok(())
}

/// The API server's own timeout for this call, which it passes as `?timeout=10s`.
fn timeout(query: &str) -> Result<Duration, Answer> {
    let Some(text) = query.split('&').find_map(|pair| pair.strip_prefix("timeout=")) else {
        return Ok(DEFAULT_TIMEOUT);
    };
    match duration(text) {
        Some(duration) if !duration.is_zero() => Ok(duration.min(MAX_TIMEOUT)),
        _ => {
            let sentence = format!("The timeout {text:?} does not read; write it as 10s, 500ms or 1m30s.");
            Err(Answer::text(StatusCode::BAD_REQUEST, sentence))
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    // As nearly every one is, and read in a fraction of the time.
    let seconds = text.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
    seconds.map(Duration::from_secs).or_else(|| {
        text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok())
    })
}

/// The connection is kept where the body that belongs to the answer can be had out of the way.
async fn unwanted(request: Request<Incoming>, answer: Answer) -> Answer {
    // A client that waits to be told to send its body never needs to.
    let waits = request.headers().contains_key(EXPECT);
    if !waits && body::discard(request.into_body()).await { answer } else { answer.closing() }
}

fn without_body(error: &body::Error) -> Answer {
    let status = match error {
        body::Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        body::Error::Late(_) => StatusCode::REQUEST_TIMEOUT,
        body::Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        body::Error::Broken(_) => StatusCode::BAD_REQUEST,
    };
    Answer::text(status, error).closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_read_as_go_writes_them() {
        for (query, expected) in [
            ("", Some(10_000)),
            ("dryRun=All", Some(10_000)),
            ("timeout=10s", Some(10_000)),
            ("timeout=500ms", Some(500)),
            ("a=b&timeout=1.5s", Some(1_500)),
            ("timeout=15s&a=b", Some(15_000)),
            ("timeout=1m30s", Some(30_000)),
            ("timeout=1h0m0s", Some(30_000)),
            ("timeout=0s", None),
            ("timeout=-1s", None),
            ("timeout=10", None),
            ("timeout=", None),
            ("timeout=soon", None),
        ] {
            let read = timeout(query).ok().map(|duration| duration.as_millis());
            assert_eq!(read, expected, "{query:?}");
        }
    }
}
