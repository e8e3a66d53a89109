//! The reviews that are sent: what a ReplicaSet's Pods look like when the API server asks about them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::pods::{EVERYTHING, JUDGES, of_a_stateful_set, pod, review, with_logs};

/// One scenario: what is asked, by which policies, and what is to come back.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// Below the project's folder; those that ship with Podwright where there is none.
    pub(crate) policies: &'static [&'static str],
    /// Whether the decision needs to know the cluster.
    pub(crate) in_cluster: bool,
    /// The CPU per review that it may take at most, as a ratio to null's.
    pub(crate) target: Option<f64>,
    pub(crate) request: Vec<u8>,
    pub(crate) review: String,
    /// What the patch holds; no patch where there is nothing.
    expected: &'static [&'static str],
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let (plain, logging) = (pod("shop", 1, 20), with_logs("shop"));
    vec![
        Scenario {
            target: Some(1.25),
            ..Scenario::new("unselected", "no policy selects the Pod", &pod("kube-system", 1, 20))
        },
        Scenario {
            policies: JUDGES,
            target: Some(1.7),
            ..Scenario::new("judged", "HostPath, HostPort and Probes judge it and find nothing", &plain)
        },
        Scenario {
            expected: &["podwright-filebeat"],
            target: Some(4.0),
            ..Scenario::new("filebeat", "it gets a Filebeat sidecar, by the policies that ship", &logging)
        },
        Scenario {
            policies: EVERYTHING,
            in_cluster: true,
            expected: &["podwright-filebeat", "podwright-faketime", "lxcfs", "10.20.9.11"],
            target: Some(6.0),
            ..Scenario::new(
                "everything",
                "Filebeat, FixedIP, LXCFS, Faketime, every validator; FixedIP by the view of a mock API server",
                &of_a_stateful_set(logging),
            )
        },
        Scenario {
            policies: JUDGES,
            ..Scenario::new("59 kB", "a large Pod, judged by the same three", &pod("shop", 12, 60))
        },
    ]
}

impl Scenario {
    fn new(name: &'static str, meaning: &'static str, pod: &Value) -> Self {
        let review = review(pod).to_string();
        let head = format!(
            "POST /mutate?timeout=10s HTTP/1.1\r\nHost: podwright.podwright.svc:443\r\n\
             User-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\nAccept: application/json, */*\r\n\
             Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
            review.len()
        );
        let request = [head.as_bytes(), review.as_bytes()].concat();
        let (policies, in_cluster, target, expected) = (&[] as _, false, None, &[] as _);
        Self { name, meaning, policies, in_cluster, target, request, review, expected }
    }

    /// Whether this is the right answer: what is measured has to be.
    pub(crate) fn is_expected(&self, answer: &[u8]) -> bool {
        let answer: Value = serde_json::from_slice(answer).unwrap();
        let Some(response) = answer["response"].as_object() else { return false };
        let patch = response.get("patch").and_then(Value::as_str).map(|patch| BASE64.decode(patch).unwrap());
        let patch = patch.map(|patch| String::from_utf8(patch).unwrap());
        let has = |part: &&str| patch.as_ref().is_some_and(|patch| patch.contains(*part));
        response["allowed"] == true
            && self.expected.iter().all(has)
            // Nothing but the uid and the word.
            && (response.len() == 2) == self.expected.is_empty()
    }
}
