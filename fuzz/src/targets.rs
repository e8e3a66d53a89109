//! What is fuzzed: each target takes bytes, and fails by a panic.

use std::sync::{Arc, LazyLock};

use podwright::engine::{self, Decision, Endpoint, Question};
use podwright::policy_set::{EMBEDDED, PolicySet};
use podwright::review::{API_VERSION, Error, Operation, Reply, Request, Review};
use podwright::view::{AddressList, Maker, SetName, StatefulSet, Version, View};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("review", review),
    ("annotations", annotations),
    ("addresses", addresses),
    ("faketime", faketime),
    ("policies", policies),
    ("decide", decide),
];

/// Every kind of policy, and some that serve every Pod.
static POLICIES: LazyLock<PolicySet> = LazyLock::new(|| {
    let more = ("judge.yaml", include_str!("../../tests/cluster/judge.yaml"));
    let others = EMBEDDED.iter().copied().filter(|(file, _)| {
        let is_there = |kind: &str| file.ends_with(&format!("/{kind}.yaml"));
        !["filebeat", "fixed-ip", "lxcfs", "faketime"].into_iter().any(is_there)
    });
    let texts = others.chain([more]).map(|(file, text)| (file.to_owned(), text.to_owned()));
    PolicySet::of_texts(texts).unwrap()
});

/// A cluster with one StatefulSet, with native sidecars and without.
static VIEWS: LazyLock<[View; 2]> = LazyLock::new(|| {
    [28, 33].map(|minor| {
        let set = json!({
            "metadata": {"uid": "u", "annotations": {"ipam.podwright.dev/addresses": "10.20.0.10-10.20.0.12,fd00:20::/64"}},
            "spec": {"replicas": 3},
        });
        let name = SetName { maker: Maker::Kubernetes, namespace: NAMESPACE.to_owned(), name: "redis".to_owned() };
        View {
            is_watched: true,
            api_server: Some(Version::v1(minor)),
            oldest_kubelet: Some(Version::v1(minor)),
            stateful_sets: [(name, Arc::new(StatefulSet::read(&set)))].into_iter().collect(),
            ..View::default()
        }
    })
});
const NAMESPACE: &str = "trial-shop";

/// The envelope: a review or an error that says what is wrong; and whatever is decided, an answer of the right shape.
pub fn review(data: &[u8]) {
    match Review::parse(data) {
        Ok(review) => {
            for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
                let decision = decided(endpoint, &review.request);
                answered(&review.request, &decision);
            }
        }
        Err(Error::Foreign { uid, message, .. }) => assert!(!uid.is_empty() && !message.is_empty()),
        Err(error) => assert!(error.to_string().starts_with("reading the AdmissionReview: "), "{error}"),
    }
}

/// The annotations of a Pod, one `key=value` a line.
pub fn annotations(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let mut pod = sample();
    pod["metadata"]["annotations"] = pairs.map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
    lawful(&pod.to_string(), "Pod");
}

/// A list of addresses, or two on two lines.
pub fn addresses(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let lists: Vec<AddressList> = text.lines().filter_map(|line| line.parse().ok()).collect();
    for list in &lists {
        let mut found = None;
        for family in list.families() {
            let length = list.len(family);
            let ends = [0, length / 2, length.saturating_sub(1)].map(|place| list.nth(family, place));
            for address in ends {
                let address = address.expect("a place within the list has an address");
                assert!(list.contains(address));
                found = found.or(Some(address));
            }
            assert_eq!(list.nth(family, length), None);
        }
        assert_eq!(list.first_shared(list).is_some(), found.is_some());
        let all = ["0.0.0.0/0", "::/0"].map(|network| network.parse().unwrap());
        assert_eq!(list.first_outside(&all), None);
        assert_eq!(list.first_outside(&[]).is_some(), found.is_some());
    }
    if let [one, other, ..] = lists.as_slice() {
        let shared = one.first_shared(other);
        assert_eq!(shared.is_some(), other.first_shared(one).is_some());
        assert!(shared.is_none_or(|address| one.contains(address) && other.contains(address)));
    }
}

/// A time: refused, or given to the container as it is.
pub fn faketime(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut pod = sample();
    pod["metadata"]["annotations"] = json!({"app.faketime.podwright.dev/time": text});
    let Some(patched) = lawful(&pod.to_string(), "Pod") else { return };
    let env = patched["spec"]["containers"][0]["env"].as_array().expect("a time that is no error is given");
    assert!(env.iter().any(|variable| variable["name"] == "FAKETIME" && variable["value"] == text));
    assert!(text.is_ascii() && text.len() <= 64);
}

/// Policies: errors with their place, or a set with which nothing goes wrong.
pub fn policies(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match PolicySet::of_texts([("fuzz.yaml".to_owned(), text.to_owned())]) {
        Err(errors) => assert!(!errors.0.is_empty()),
        Ok(policies) => {
            let pod = asking().to_string();
            for view in &*VIEWS {
                replayed(&pod, &about(&policies, view, Endpoint::Mutate, &pod, "Pod"));
                about(&policies, view, Endpoint::Validate, &pod, "Pod");
            }
        }
    }
}

/// A whole object: a Pod, a workload or a volume.
pub fn decide(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(object) = serde_json::from_str::<Value>(text) else { return };
    lawful(text, object["kind"].as_str().unwrap_or("Pod"));
}

/// Decides an object in every way and holds the laws; gives what a Pod becomes that is admitted.
fn lawful(text: &str, kind: &str) -> Option<Value> {
    let mut result = None;
    for view in &*VIEWS {
        let first = about(&POLICIES, view, Endpoint::Mutate, text, kind);
        let once = replayed(text, &first);
        about(&POLICIES, view, Endpoint::Validate, text, kind);
        if first.refusal.is_none() {
            let again = about(&POLICIES, view, Endpoint::Mutate, &once.to_string(), kind);
            assert_eq!(again.refusal, None, "what was admitted is refused");
            assert_eq!(again.operations, [], "what was edited is edited again");
            result = Some(once);
        }
    }
    result
}

fn about(policies: &PolicySet, view: &View, endpoint: Endpoint, object: &str, kind: &str) -> Decision {
    let Ok(raw) = RawValue::from_string(object.to_owned()) else { return Decision::default() };
    let mut request: Request<'_> = serde_json::from_str(r#"{"uid": "u", "operation": "CREATE"}"#).unwrap();
    request.kind.group = match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "apps".into(),
        "Job" | "CronJob" => "batch".into(),
        _ => "".into(),
    };
    request.kind.version = "v1".into();
    request.kind.kind = kind.into();
    request.namespace = Some(NAMESPACE.into());
    request.operation = Operation::Create;
    request.object = Some((&*raw).into());
    let decision = by(policies, view, endpoint, &request);
    answered(&request, &decision);
    decision
}

fn decided(endpoint: Endpoint, request: &Request<'_>) -> Decision {
    let [_, view] = &*VIEWS;
    by(&POLICIES, view, endpoint, request)
}

fn by(policies: &PolicySet, view: &View, endpoint: Endpoint, request: &Request<'_>) -> Decision {
    let now = jiff::Timestamp::from_second(1_795_348_800).unwrap();
    let decision = engine::decide(policies, view, &Question { endpoint, request, now, asked: None });
    assert_eq!(decision.fault, None, "edits did not verify");
    if endpoint == Endpoint::Validate {
        assert!(decision.operations.is_empty(), "{:?}", decision.operations);
    }
    decision
}

/// What the object becomes.
fn replayed(object: &str, decision: &Decision) -> Value {
    let mut object: Value = serde_json::from_str(object).unwrap();
    let patch: json_patch::Patch = serde_json::from_value(json!(decision.operations)).unwrap();
    json_patch::patch(&mut object, &patch).expect("the patch applies");
    object
}

/// The answer reads as the review that it is.
fn answered(request: &Request<'_>, decision: &Decision) {
    let patch = serde_json::to_vec(&decision.operations).unwrap();
    let refusal = decision.refusal.as_ref();
    assert!(refusal.is_none_or(|refusal| (400..600).contains(&refusal.code) && !refusal.message.is_empty()));
    let reply = Reply {
        api_version: API_VERSION,
        uid: &request.uid,
        refusal: refusal.map(|refusal| (refusal.code, refusal.message.as_str())),
        patch: Some(patch.as_slice()).filter(|_| refusal.is_none() && !decision.operations.is_empty()),
        warnings: &decision.warnings,
        audit_annotations: &decision.audit_annotations,
    };
    let reply: Value = serde_json::from_slice(&reply.to_json().unwrap()).unwrap();
    assert_eq!(reply["response"]["uid"], *request.uid);
    assert_eq!(reply["response"]["allowed"], refusal.is_none());
}

/// A Pod with something of everything.
fn sample() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "redis-1", "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "redis", "uid": "u", "controller": true},
        ]},
        "spec": {
            "initContainers": [{"name": "db", "image": "a", "restartPolicy": "Always"}, {"name": "setup", "image": "a"}],
            "containers": [
                {
                    "name": "app", "image": "a", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                    "volumeMounts": [
                        {"name": "logs", "mountPath": "/app/logs", "subPathExpr": "$(POD_NAME)"},
                        {"name": "config", "mountPath": "/etc/app", "readOnly": true},
                    ],
                    "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                },
                {"name": "web", "image": "a", "volumeMounts": [{"name": "logs", "mountPath": "/var/log/web"}]},
            ],
            "volumes": [{"name": "logs", "emptyDir": {}}, {"name": "config", "configMap": {"name": "c"}}],
        },
    })
}

/// The same, asking for everything.
fn asking() -> Value {
    let mut pod = sample();
    pod["metadata"]["annotations"] = json!({
        "logs.podwright.dev/paths": "/app/logs/*.log,/srv/*.log",
        "lxcfs.podwright.dev/mount": "true",
        "faketime.podwright.dev/time": "+2d",
        "sidecar.podwright.dev/inject": "agent",
    });
    pod
}
