//! The wire types of one `AdmissionReview` v1: the request, borrowed from the body, and the reply.
//!
//! Source of the shapes: `k8s.io/api/admission/v1/types.go`. They are our own because the patch must travel as
//! base64 and the object must stay raw: a Pod that no policy selects is never parsed.

mod cursor;
mod request;
pub(crate) mod span;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The one version of the review that Podwright speaks.
pub const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind that a review names.
pub const KIND: &str = "AdmissionReview";
/// With the widest instructions that the machine has, which is found out once.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

/// One review as it came in, borrowed from the request's body.
#[derive(Debug)]
pub struct Review<'a> {
    /// What the API server asks.
    pub request: Request<'a>,
}

/// What the API server asks about one object.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// Names this review; the reply carries it back.
    #[serde(borrow)]
    pub uid: Text<'a>,
    /// The kind of the object, as the webhook registered for it.
    #[serde(borrow, default)]
    pub kind: GroupVersionKind<'a>,
    /// The resource, by its name in URLs.
    #[serde(borrow, default)]
    pub resource: Resource<'a>,
    /// What is done below the object (`ephemeralcontainers`, `scale`), if anything.
    #[serde(borrow, default)]
    pub sub_resource: Option<Text<'a>>,
    /// The object's name; absent or empty while the API server has yet to make one from `generateName`.
    #[serde(borrow, default)]
    pub name: Option<Text<'a>>,
    /// The namespace; the object itself may not carry it.
    #[serde(borrow, default)]
    pub namespace: Option<Text<'a>>,
    /// What is done to the object.
    pub operation: Operation,
    /// Who asks.
    #[serde(borrow, default)]
    pub user_info: UserInfo<'a>,
    /// The object after the operation; `None` for `DELETE` and for a JSON null.
    #[serde(borrow, default)]
    pub object: Option<Raw<'a>>,
    /// The object before the operation; `None` for `CREATE`.
    #[serde(borrow, default)]
    pub old_object: Option<Raw<'a>>,
    /// Whether nothing of this will be kept.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// A kind with its group and version.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct GroupVersionKind<'a> {
    /// The API group; empty for the core group.
    #[serde(borrow, default)]
    pub group: Text<'a>,
    /// The API version.
    #[serde(borrow, default)]
    pub version: Text<'a>,
    /// The kind.
    #[serde(borrow, default)]
    pub kind: Text<'a>,
}

/// A resource with its group.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Resource<'a> {
    /// The API group; empty for the core group.
    #[serde(borrow, default)]
    pub group: Text<'a>,
    /// Its name in URLs: `statefulsets`.
    #[serde(borrow, default)]
    pub resource: Text<'a>,
}

/// Who asks.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UserInfo<'a> {
    /// The user's name.
    #[serde(borrow, default)]
    pub username: Option<Text<'a>>,
}

/// What is done to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// The object is created.
    Create,
    /// The object is changed.
    Update,
    /// The object is deleted.
    Delete,
    /// A connection to the object is opened (`exec`, `portforward`).
    Connect,
}

/// A string that is borrowed from the body unless it holds escapes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

/// A JSON value as it stands in the body.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// Its JSON.
    #[must_use]
    pub const fn get(self) -> &'a str {
        self.0
    }
}

impl<'a> From<&'a RawValue> for Raw<'a> {
    fn from(value: &'a RawValue) -> Self {
        Self(value.get())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(from).map(Self::from)
    }
}

/// Why a body is not a review that can be decided.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is not JSON, or no review's shape.
    #[error("reading the AdmissionReview: {0}; expected a JSON object with apiVersion, kind and request")]
    Malformed(#[from] serde_json::Error),
    /// The body is a review without a request, or one whose request has no uid to answer to.
    #[error("reading the AdmissionReview: {0}")]
    Incomplete(&'static str),
    /// The body is something that we do not speak, but its uid is known: the reply names it.
    #[error("reading the AdmissionReview {uid}: {message}")]
    Foreign {
        /// The uid to answer to.
        uid: String,
        /// The body's own `apiVersion`, for the reply.
        api_version: String,
        /// What is wrong, and what would be right.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow, default)]
    api_version: Text<'a>,
    #[serde(borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    request: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Uid<'a> {
    #[serde(borrow, default)]
    uid: Text<'a>,
}

impl<'a> Review<'a> {
    /// Reads a review from a request's body.
    ///
    /// # Errors
    /// When the body is no JSON, no `AdmissionReview` of [`API_VERSION`], or lacks a request or its uid. From the
    /// moment the uid is known the error carries it.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        match simdutf8::basic::from_utf8(body).ok().and_then(request::of_review) {
            Some(request) => Ok(Self { request }),
            None => Self::parse_in_parts(body),
        }
    }

    /// Reads what is unusual, or tells what is wrong with it and whom to answer.
    fn parse_in_parts(body: &'a [u8]) -> Result<Self, Error> {
        let envelope: Envelope<'a> = serde_json::from_slice(body)?;
        let Some(raw) = envelope.request else {
            return Err(Error::Incomplete("it has no request"));
        };
        if envelope.api_version.deref() == API_VERSION && envelope.kind.deref() == KIND {
            match serde_json::from_str::<Request<'a>>(raw.get()) {
                Ok(request) if request.uid.is_empty() => Err(Error::Incomplete("its request has no uid")),
                Ok(request) => Ok(Self { request }),
                Err(error) => Err(foreign(raw, API_VERSION, &format!("its request does not parse: {error}"))),
            }
        } else {
            let (version, kind) = (envelope.api_version.deref(), envelope.kind.deref());
            Err(foreign(
                raw,
                version,
                &format!("it is {kind:?} of apiVersion {version:?}; expected {KIND} of {API_VERSION}"),
            ))
        }
    }
}

fn foreign(request: &RawValue, api_version: &str, message: &str) -> Error {
    match serde_json::from_str::<Uid<'_>>(request.get()) {
        Ok(Uid { uid }) if !uid.is_empty() => Error::Foreign {
            uid: uid.0.into_owned(),
            api_version: api_version.to_owned(),
            message: message.to_owned(),
        },
        _ => Error::Incomplete("its request has no uid"),
    }
}

/// What is answered to one review.
#[derive(Debug)]
pub struct Reply<'a> {
    /// The review's `apiVersion`, given back exactly.
    pub api_version: &'a str,
    /// The review's uid.
    pub uid: &'a str,
    /// The refusal, if it is one: an HTTP code and the sentence that the user sees.
    pub refusal: Option<(u16, &'a str)>,
    /// The JSON of the RFC 6902 patch; `None` where nothing changes.
    pub patch: Option<&'a [u8]>,
    /// Sentences that `kubectl` prints.
    pub warnings: &'a [String],
    /// What goes into the cluster's own audit log.
    pub audit_annotations: &'a BTreeMap<String, String>,
}

impl Reply<'_> {
    /// The reply's JSON.
    ///
    /// # Errors
    /// Never in practice: strings and maps of strings always serialize.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let outgoing = Outgoing {
            api_version: self.api_version,
            kind: KIND,
            response: Response {
                uid: self.uid,
                allowed: self.refusal.is_none(),
                status: self.refusal.map(|(code, message)| Status { code, message }),
                warnings: self.warnings,
                audit_annotations: self.audit_annotations,
            },
        };
        let mut json = serde_json::to_string(&outgoing)?;
        if let Some(patch) = self.patch {
            put(patch, &mut json);
        }
        Ok(json.into_bytes())
    }
}

/// Puts the patch at the end of the response, which is the end of the reply. It is much longer than all else, and base64
/// holds nothing that JSON would escape.
fn put(patch: &[u8], reply: &mut String) {
    const END: &str = "}}";
    reply.truncate(reply.len().saturating_sub(END.len()));
    // The API server refuses one without the other.
    reply.push_str(r#","patchType":"JSONPatch","patch":""#);
    reply.reserve(patch.len().div_ceil(3) * 4 + END.len() + 1);
    BASE64.encode_string(patch, reply);
    reply.push('"');
    reply.push_str(END);
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing<'a> {
    api_version: &'a str,
    kind: &'a str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    message: &'a str,
}
