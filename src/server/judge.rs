//! One review: from its body to its answer, and what is told of it. Nothing here waits: what has to be asked of the
//! API server first is given back.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use hyper::StatusCode;
use jiff::Timestamp;
use tokio::time::Instant;

use super::answer::Answer;
use super::app::App;
use super::refusal;
use crate::audit::Record;
use crate::engine::{Decision, Endpoint, Question, Refusal};
use crate::pod;
use crate::policy::elided;
use crate::review::{API_VERSION, Error, Reply, Request, Review};
use crate::telemetry::metrics::{Held, Outcome};
use crate::view::{Asked, SetName};

/// The longest text of a request's that a log line holds, in bytes: longer than any name of Kubernetes'.
const LONGEST_LOGGED: usize = 512;

/// What became of a review.
#[derive(Debug)]
pub(super) enum Judged {
    /// It is answered.
    Answered(Answer),
    /// The deadline has passed. Nothing is counted, and the caller answers [`late`].
    Late,
    /// It is to be judged again when this is known.
    Lacking(SetName),
}

/// Answers one review, as far as it can with what was asked for it.
pub(super) fn judge(
    app: &App,
    endpoint: Endpoint,
    body: &[u8],
    deadline: Instant,
    asked: Option<&Asked>,
) -> Judged {
    let _held = Held::new(&app.metrics.in_flight_reviews);
    let started = Instant::now();
    // Overload: nobody waits for this one any more, and others do.
    if started >= deadline {
        return Judged::Late;
    }
    match Review::parse(body) {
        Ok(review) => decided(app, endpoint, &review.request, started, deadline, asked),
        Err(error) => {
            let answer = unreadable(&error);
            app.metrics.review(endpoint.as_str(), Outcome::Error, started.elapsed());
            // Whoever reaches the port can send these, so they must not fill the logs.
            let (endpoint, error) = (endpoint.as_str(), error.to_string());
            tracing::debug!(endpoint, error = &*short(&error), "a review does not read");
            Judged::Answered(answer)
        }
    }
}

/// Answers a review that nobody waits for any more, or will not for long. As after a timeout of its own, the
/// API server does what the webhook's `failurePolicy` says.
pub(super) fn late(app: &App, endpoint: Endpoint, body: &[u8], took: Duration) -> Answer {
    app.metrics.review(endpoint.as_str(), Outcome::Error, took);
    tracing::warn!(
        endpoint = endpoint.as_str(),
        bytes = body.len(),
        ?took,
        "a review was not answered in time"
    );
    let status = StatusCode::GATEWAY_TIMEOUT;
    failed(status, status, body, "Podwright did not come to a decision in time; try again")
}

/// Answers a review whose answer was lost to a panic beside the decision.
pub(super) fn panicked(app: &App, endpoint: Endpoint, body: &[u8], took: Duration) -> Answer {
    app.metrics.panics.inc();
    app.metrics.review(endpoint.as_str(), Outcome::Error, took);
    let message = "answering the review panicked, which is a bug of Podwright's";
    failed(StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR, body, message)
}

fn decided(
    app: &App,
    endpoint: Endpoint,
    request: &Request<'_>,
    started: Instant,
    deadline: Instant,
    asked: Option<&Asked>,
) -> Judged {
    let question = Question { endpoint, request, now: Timestamp::now(), asked };
    let may_ask = asked.is_none() && app.look.is_some();
    let decide = || {
        let decision = (app.decide)(&question);
        let reply = reply(request, &decision);
        (decision, reply)
    };
    // What the decision works on is its own: nothing half-changed outlives it.
    let decided = catch_unwind(AssertUnwindSafe(decide));
    let ended = Instant::now();
    let answer = match decided {
        Ok(_) if ended >= deadline => return Judged::Late,
        Ok((decision, Ok(reply))) => {
            if let Some(lack) = decision.lack().filter(|_| may_ask) {
                return Judged::Lacking(lack.clone());
            }
            tell(app, &question, &decision, ended - started);
            Answer::json(StatusCode::OK, reply)
        }
        Ok((_, Err(error))) => {
            bug(app, &question, &format!("its answer does not serialize: {error}"), started)
        }
        Err(_) => {
            app.metrics.panics.inc();
            bug(app, &question, "the decision panicked", started)
        }
    };
    Judged::Answered(answer)
}

fn reply(request: &Request<'_>, decision: &Decision) -> Result<Vec<u8>, serde_json::Error> {
    let refusal = decision.refusal.as_ref();
    let patch = match decision.operations.as_slice() {
        operations if refusal.is_none() && !operations.is_empty() => Some(pod::patch_json(operations)),
        _ => None,
    };
    Reply {
        api_version: API_VERSION,
        uid: &request.uid,
        refusal: refusal.map(|refusal| (refusal.code, refusal.message.as_str())),
        patch: patch.as_deref(),
        warnings: &decision.warnings,
        audit_annotations: &decision.audit_annotations,
    }
    .to_json()
}

/// Refuses, whatever `failurePolicy` says: whoever can make a decision fail must not get past the rules by it.
fn bug(app: &App, question: &Question<'_>, what: &str, started: Instant) -> Answer {
    let (endpoint, uid) = (question.endpoint.as_str(), &*question.request.uid);
    let message = format!(
        "deciding the review {uid}: {what}, which is a bug of Podwright's; please report it with this uid"
    );
    let answer = refusal(StatusCode::OK, uid, API_VERSION, StatusCode::INTERNAL_SERVER_ERROR, &message);
    app.metrics.review(endpoint, Outcome::Error, started.elapsed());
    tracing::error!(endpoint, uid = &*short(uid), what, "a review met a bug of Podwright's");
    let refusal = Some(Refusal { code: 500, message });
    let decision = Decision { refusal, fault: Some(what.to_owned()), ..Decision::default() };
    record(app, question, &decision, Outcome::Error, started.elapsed());
    answer
}

fn unreadable(error: &Error) -> Answer {
    let status = StatusCode::BAD_REQUEST;
    match error {
        Error::Foreign { uid, api_version, message } => refusal(status, uid, api_version, status, message),
        error => Answer::text(status, error),
    }
}

fn failed(status: StatusCode, code: StatusCode, body: &[u8], message: &str) -> Answer {
    match Review::parse(body) {
        Ok(review) => refusal(status, &review.request.uid, API_VERSION, code, message),
        Err(error) => unreadable(&error),
    }
}

fn refusal(status: StatusCode, uid: &str, api_version: &str, code: StatusCode, message: &str) -> Answer {
    let reply = Reply {
        api_version,
        uid,
        refusal: Some((code.as_u16(), message)),
        patch: None,
        warnings: &[],
        audit_annotations: &BTreeMap::new(),
    };
    match reply.to_json() {
        Ok(body) => Answer::json(status, body),
        Err(error) => Answer::text(code, error),
    }
}

fn tell(app: &App, question: &Question<'_>, decision: &Decision, took: Duration) {
    let (endpoint, request, outcome) = (question.endpoint.as_str(), question.request, outcome(decision));
    app.metrics.review(endpoint, outcome, took);
    for mutation in decision.made() {
        app.metrics.edit(mutation.kind, &mutation.policy);
    }
    for violation in &decision.violations {
        app.metrics.violation(violation.kind, &violation.policy, violation.action.as_str());
    }
    if let Some(fault) = &decision.fault {
        app.metrics.verification_failures.inc();
        let (uid, fault) = (&*short(&request.uid), &*short(fault));
        tracing::error!(endpoint, uid, fault, "edits did not verify and were dropped; a bug of Podwright's");
    }
    log(endpoint, request, decision, outcome, took);
    record(app, question, decision, outcome, took);
    if let Some(tell) = &app.refused
        && let Some(refused) = refusal::of(request, decision)
    {
        tell(refused);
    }
}

/// Hands the record over as the line that it will be. To write it here costs an answer that has something to tell a few
/// microseconds, no more than to copy what it is made of; so the queue holds bytes of a known number, and never a body
/// or an object. All other answers cost nothing.
fn record(app: &App, question: &Question<'_>, decision: &Decision, outcome: Outcome, took: Duration) {
    let Some(recorder) = &app.recorder else { return };
    if let Some(record) = Record::of(question, decision, outcome, took) {
        recorder.record(&record);
    }
}

fn log(endpoint: &str, request: &Request<'_>, decision: &Decision, outcome: Outcome, took: Duration) {
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                $level,
                endpoint,
                outcome = outcome.as_str(),
                uid = &*short(&request.uid),
                kind = &*short(&request.kind.kind),
                namespace = &*short(request.namespace.as_deref().unwrap_or("")),
                name = &*short(request.name.as_deref().unwrap_or("")),
                operations = decision.operations.len(),
                violations = decision.violations.len(),
                micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                "reviewed"
            )
        };
    }
    if outcome == Outcome::Allowed && decision.violations.is_empty() {
        line!(tracing::Level::DEBUG);
    } else {
        line!(tracing::Level::INFO);
    }
}

/// A text of the request's, as a log line takes it: a Pod that is being created can have any name.
fn short(text: &str) -> Cow<'_, str> {
    elided(text, LONGEST_LOGGED)
}

fn outcome(decision: &Decision) -> Outcome {
    match &decision.refusal {
        Some(refusal) if refusal.code >= 500 => Outcome::Error,
        Some(_) => Outcome::Denied,
        None if decision.operations.is_empty() => Outcome::Allowed,
        None => Outcome::Patched,
    }
}
