//! What is answered to one request.

use std::fmt::Display;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use crate::policy::elided;

/// The longest sentence that is answered, in bytes: it may quote the request.
const LONGEST_SENTENCE: usize = 4096;

/// The body of every answer.
pub(super) type Body = Full<Bytes>;

/// What is answered to one request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    content_type: &'static str,
    allow: Option<&'static str>,
    close: bool,
    body: Bytes,
}

impl Answer {
    /// One sentence, for people.
    pub(super) fn text(status: StatusCode, sentence: impl Display) -> Self {
        let sentence = sentence.to_string();
        let text = format!("{}\n", elided(&sentence, LONGEST_SENTENCE));
        Self::typed(status, "text/plain; charset=utf-8", text)
    }

    /// A review's answer.
    pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Self {
        Self::typed(status, "application/json", body)
    }

    /// Anything else.
    pub(super) fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, allow: None, close: false, body: body.into() }
    }

    /// Names the methods that would have been right.
    pub(super) fn allowing(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }

    /// Ends the connection with this answer: what follows on it is not the next request.
    pub(super) fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
