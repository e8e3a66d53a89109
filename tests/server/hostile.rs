//! Whatever is sent to whatever path: no panic, and an answer that the API server can read.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use podwright::engine::{Question, decide};
use podwright::policy_set::PolicySet;
use podwright::view::View;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::generators::{json, pods};
use crate::harness::{Answer, Connection, Webhook, head, review, settings};

/// How many bodies, and the seed that they come from, where `PODWRIGHT_HOSTILE` and `PODWRIGHT_SEED` do not say.
const BODIES: u64 = 1_500;
const SEED: u64 = 20_261_122;

static POLICIES: LazyLock<PolicySet> = LazyLock::new(|| {
    let file = |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    PolicySet::load(&[file("tests/cluster/judge.yaml"), file("policies/host-path.yaml")]).unwrap()
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_is_answered() {
    let asked = |variable, or| std::env::var(variable).map_or(or, |count| count.parse().unwrap());
    let (count, seed) = (asked("PODWRIGHT_HOSTILE", BODIES), asked("PODWRIGHT_SEED", SEED));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (bodies, paths) = (body().boxed(), select(PATHS));

    let decide = |question: &Question<'_>| decide(&POLICIES, &View::default(), question);
    let webhook = Webhook::start_with(settings(), decide).await;
    let mut connection = webhook.open().await;
    let mut fates = BTreeMap::new();
    for _ in 0..count {
        let body = bodies.new_tree(&mut runner).unwrap().current();
        let path = paths.new_tree(&mut runner).unwrap().current();
        let answer = ask(&mut connection, path, &body).await;
        let fate = fate(&answer, &body)
            .unwrap_or_else(|flaw| panic!("{flaw}: {}\n{}", answer.text(), String::from_utf8_lossy(&body)));
        *fates.entry(fate).or_insert(0) += 1;
        if answer.closes() {
            connection = webhook.open().await;
        }
    }
    println!("{count} bodies of seed {seed} were answered: {fates:?}");
    assert_eq!(webhook.metric("podwright_panics_total").await, 0);
    assert_eq!(webhook.metric("podwright_verification_failures_total").await, 0);
    assert_eq!(webhook.metric("podwright_in_flight_reviews").await, 0);
    for fate in ["patched", "allowed", "refused with 422", "HTTP 400", "HTTP 404"] {
        let seen = fates.get(fate).copied().unwrap_or(0);
        assert!(seen > count / 100, "only {seen} of {count} are {fate}: {fates:?}");
    }
}

const PATHS: &[&str] = &[
    "/mutate",
    "/mutate",
    "/mutate",
    "/mutate?timeout=30s",
    "/validate",
    "/validate",
    "/healthz",
    "/mutate/x",
];

async fn ask(connection: &mut Connection, path: &str, body: &[u8]) -> Answer {
    connection.send(head(path, body.len())).await;
    connection.send(body).await;
    connection.answer().await.expect("the connection was closed instead of an answer")
}

/// Any bytes, any JSON, and reviews of Pods with something wrong in the JSON or in its text.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let bytes = vec(any::<u8>(), 0..300);
    let any_json = json::json().prop_map(|json| json.to_string().into_bytes());
    let sound = prop_oneof![2 => pods::pod(), 1 => pods::broken_pod(), 1 => json::json()].prop_map(of_object);
    let sound = sound.boxed();
    let mistyped = (sound.clone(), vec(change(), 1..4)).prop_map(|(mut review, changes)| {
        changes.into_iter().for_each(|change| change.apply(&mut review));
        review
    });
    let torn = (sound.clone(), vec(tear(), 1..4)).prop_map(|(review, tears)| {
        tears.into_iter().fold(review.to_string().into_bytes(), |text, tear| tear.apply(text))
    });
    let text = |review: Value| review.to_string().into_bytes();
    prop_oneof![
        1 => bytes.boxed(),
        1 => any_json.boxed(),
        4 => sound.prop_map(text).boxed(),
        4 => mistyped.prop_map(text).boxed(),
        4 => torn.boxed(),
    ]
}

fn of_object(object: Value) -> Value {
    let mut review = review("705ab4f5-6393-11e8-b7cc-42010a800002");
    review["request"]["object"] = object;
    review
}

/// One value of a review, and what becomes of it.
#[derive(Debug, Clone)]
enum Change {
    Remove(Index),
    Replace(Index, Value),
    /// A copy of one value in the place of another.
    Copy(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), json::json()).prop_map(|(at, value)| Change::Replace(at, value)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Copy(from, to)),
    ]
}

impl Change {
    fn apply(self, review: &mut Value) {
        let mut pointers = Vec::new();
        json::collect(review, String::new(), &mut pointers);
        let pointer = |index: Index| index.get(&pointers).clone();
        match self {
            Self::Remove(at) => {
                let at = pointer(at);
                let Some((upper, key)) = at.rsplit_once('/') else { return };
                match review.pointer_mut(upper) {
                    Some(Value::Object(map)) => drop(map.remove(&key.replace("~1", "/").replace("~0", "~"))),
                    Some(Value::Array(list)) => drop(list.remove(key.parse().unwrap())),
                    _ => {}
                }
            }
            Self::Replace(at, value) => *review.pointer_mut(&pointer(at)).unwrap() = value,
            Self::Copy(from, to) => {
                let copy = review.pointer(&pointer(from)).unwrap().clone();
                *review.pointer_mut(&pointer(to)).unwrap() = copy;
            }
        }
    }
}

/// What is done to the text itself.
#[derive(Debug, Clone)]
enum Tear {
    Cut(Index, usize),
    /// Keys that stand twice, and brackets that do not close.
    Double(Index, usize),
    Insert(Index, &'static str),
}

fn tear() -> impl Strategy<Value = Tear> {
    let inserted: &[&str] = &[
        r"\ud800",
        r"\udc00\ud800",
        "\u{0}",
        "[[[[[[[[",
        "1e999",
        "-",
        "18446744073709551616",
        r#""uid":1,"#,
        r#""kind":"Pod","#,
        r#","request":{}"#,
        "NaN",
        "/* */",
        "\u{feff}",
    ];
    prop_oneof![
        (any::<Index>(), 1..80usize).prop_map(|(at, length)| Tear::Cut(at, length)),
        (any::<Index>(), 1..80usize).prop_map(|(at, length)| Tear::Double(at, length)),
        (any::<Index>(), select(inserted.to_vec())).prop_map(|(at, text)| Tear::Insert(at, text)),
    ]
}

impl Tear {
    fn apply(self, mut text: Vec<u8>) -> Vec<u8> {
        if text.is_empty() {
            return text;
        }
        match self {
            Self::Cut(at, length) => {
                let at = at.index(text.len());
                drop(text.drain(at..(at + length).min(text.len())));
            }
            Self::Double(at, length) => {
                let at = at.index(text.len());
                let piece = text[at..(at + length).min(text.len())].to_vec();
                drop(text.splice(at..at, piece));
            }
            Self::Insert(at, piece) => {
                let at = at.index(text.len());
                drop(text.splice(at..at, piece.bytes()));
            }
        }
        text
    }
}

/// What an answer says, or why the API server could not read it.
///
/// Source of what it checks: `VerifyAdmissionResponse` of `k8s.io/apiserver/pkg/admission/plugin/webhook/request`.
fn fate(answer: &Answer, body: &[u8]) -> Result<String, String> {
    if answer.status != 200 {
        let is_told = answer.body.len() > 20 && answer.body.len() < 8 * 1024;
        return if (400..500).contains(&answer.status) && is_told {
            Ok(format!("HTTP {}", answer.status))
        } else {
            Err(format!("HTTP {} with {} bytes", answer.status, answer.body.len()))
        };
    }
    let review: Read = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    let Ok(asked) = serde_json::from_slice::<Asked>(body) else {
        // An object is only read where a policy is concerned, so that what is none may be allowed; never more.
        let is_of_it = String::from_utf8_lossy(body).contains(&review.response.uid);
        return match review.response.patch {
            None if is_of_it => Ok("an answer to what is no JSON".to_owned()),
            _ => Err("an answer to what is no review".to_owned()),
        };
    };
    if asked.request.uid != review.response.uid {
        return Err("another uid".to_owned());
    }
    if (&*review.api_version, &*review.kind) != ("admission.k8s.io/v1", "AdmissionReview") {
        return Err("another kind".to_owned());
    }
    let Response { allowed, status, patch, patch_type, .. } = review.response;
    match (allowed, status, patch, patch_type.as_deref()) {
        (true, None, None, None) => Ok("allowed".to_owned()),
        (true, None, Some(patch), Some("JSONPatch")) => {
            let patch = BASE64.decode(patch).map_err(|error| error.to_string())?;
            let patch: json_patch::Patch =
                serde_json::from_slice(&patch).map_err(|error| error.to_string())?;
            let object = asked.request.object.ok_or("a patch of nothing")?;
            let mut object: Value = serde_json::from_str(object.get()).map_err(|error| error.to_string())?;
            json_patch::patch(&mut object, &patch).map_err(|error| error.to_string())?;
            Ok("patched".to_owned())
        }
        // A bug of ours is an answer, but not one that anybody should be able to get.
        (false, Some(status), None, None) if !status.message.is_empty() && status.code < 500 => {
            Ok(format!("refused with {}", status.code))
        }
        _ => Err("a bug, or parts that do not go together".to_owned()),
    }
}

/// What was asked; the object may be no JSON that can be read.
#[derive(Deserialize)]
struct Asked {
    request: AskedRequest,
}

#[derive(Deserialize)]
struct AskedRequest {
    uid: String,
    object: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Read {
    api_version: String,
    kind: String,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Response {
    uid: String,
    allowed: bool,
    status: Option<Status>,
    patch: Option<String>,
    patch_type: Option<String>,
    #[serde(default, rename = "warnings")]
    _warnings: Vec<String>,
    #[serde(default, rename = "auditAnnotations")]
    _audit_annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    code: i32,
    message: String,
}
