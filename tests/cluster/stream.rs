//! Pods in a steady stream, while everything that may change changes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::api::{Api, Namespace, SOON};
use crate::balancer::Balancer;
use crate::instance::{Instance, SECRET, Setup, certificate, count, part, shake_hands};
use crate::pods;
use crate::process::within;
use crate::world::{World, has_sidecar};

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const CONFIGURATION: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/podwright";
const LABEL: &str = "in-the-stream";
const CREATORS: usize = 4;
/// Between two Pods of one creator.
const PACE: Duration = Duration::from_millis(60);
/// Between two handshakes.
const HANDSHAKES: Duration = Duration::from_millis(25);
/// How old a `caBundle` may be that the handshakes trust: an API server hears of a new one by its watch.
const STALE: Duration = Duration::from_secs(2);

pub(crate) fn nothing_is_lost(world: &World) {
    let api = world.api();
    let setup = Setup::new(world);
    let mut policies = Policies { setup: &setup, written: 0 };
    policies.write(false);
    let mut instances = Setup::ports().map(|ports| setup.start(ports));
    instances.iter_mut().for_each(Instance::ready);
    agree_on_one_authority(api, &instances);

    let balancer = Balancer::start();
    instances.iter().for_each(|instance| balancer.add(instance.port));
    register(api, &balancer);
    let namespace = api.namespace(&[LABEL]);
    within(SOON, "the webhook to be in force", || {
        namespace.dry_run_pod(&pods::logging()).ok().filter(has_sidecar)
    })
    .unwrap();

    let stream = Stream::default();
    let [first, second] = instances;
    let instances = thread::scope(|scope| {
        let _ends = StopOnDrop(&stream.is_over);
        (0..CREATORS).for_each(|_| drop(scope.spawn(|| stream.create(&namespace))));
        scope.spawn(|| stream.shake_hands(api, &balancer));
        stream.wait_for(20);

        let both = [first, second];
        rotate(api, &both, "certificate");
        (0..5).for_each(|_| policies.change(&both));
        let old = (part(api, "ca.crt"), certificate(api));
        ask(api, "authority");
        within(SOON, "the new authority to be trusted", || (count(&bundle(api)) == 2).then_some(())).unwrap();
        assert_eq!(certificate(api), old.1, "the new authority signs nothing yet");
        (0..5).for_each(|_| policies.change(&both));
        within(SOON, "another certificate", || (certificate(api) != old.1).then_some(())).unwrap();
        served(api, &both);
        assert!(part(api, "ca.crt").ends_with(&old.0), "the old authority stays trusted");

        let [first, second] = both;
        let ports = first.ports();
        first.terminate();
        let mut first = setup.start(ports);
        first.ready();
        let pods = stream.created();
        stream.wait_for(pods + 50);
        [first, second]
    });
    eprintln!("{}", stream.told());
    stream.is_whole();
    break_and_mend(api, &instances);
    kill(api, &setup, &balancer, instances, &namespace);
}

/// Both hold and serve what one of them made, though nobody told them who.
fn agree_on_one_authority(api: &Api, instances: &[Instance; 2]) {
    let ca = part(api, "ca.crt");
    assert_eq!(count(&ca), 1);
    for instance in instances {
        assert_eq!(shake_hands(instance.port, &ca), Ok(Some(certificate(api))));
    }
    let made = |instance: &&Instance| instance.process.log().contains("certificates made and kept");
    assert_eq!(instances.iter().filter(made).count(), 1);
}

fn register(api: &Api, balancer: &Balancer) {
    let url = format!("https://{}/mutate", balancer.address());
    let rule =
        json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]});
    let configuration = json!({
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "podwright"},
        "webhooks": [{
            "name": "mutate.podwright.dev",
            "clientConfig": {"url": url},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {LABEL: "on"}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "NoneOnDryRun",
            "timeoutSeconds": 5,
            "failurePolicy": "Fail",
        }],
    });
    api.create(CONFIGURATIONS, &configuration).unwrap();
    within(SOON, "the caBundle", || (bundle(api) == part(api, "ca.crt")).then_some(())).unwrap();
}

/// What the API server trusts now.
fn bundle(api: &Api) -> Vec<u8> {
    let configuration = api.get(CONFIGURATION).unwrap();
    BASE64
        .decode(configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default())
        .unwrap()
}

fn ask(api: &Api, what: &str) {
    api.patch(SECRET, &json!({"metadata": {"annotations": {"podwright.dev/rotate": what}}})).unwrap();
}

/// Asks for a rotation as an operator does, and waits until both serve what comes of it.
fn rotate(api: &Api, instances: &[Instance; 2], what: &str) {
    let before = certificate(api);
    ask(api, what);
    within(SOON, "another certificate", || (certificate(api) != before).then_some(())).unwrap();
    served(api, instances);
}

/// Waits until both serve what the Secret holds, and the API server trusts all that is in it.
fn served(api: &Api, instances: &[Instance; 2]) {
    let is_settled = || {
        let (ca, certificate) = (bundle(api), certificate(api));
        let shown = |instance: &Instance| shake_hands(instance.port, &ca) == Ok(Some(certificate.clone()));
        let secret = api.get(SECRET).unwrap();
        let is_asked = secret["metadata"]["annotations"]["podwright.dev/rotate"].is_string();
        (ca == part(api, "ca.crt") && instances.iter().all(shown) && !is_asked).then_some(())
    };
    within(SOON, "the certificate to be served by both", is_settled).unwrap();
}

/// The policies of both instances.
struct Policies<'a> {
    setup: &'a Setup,
    written: usize,
}

impl Policies<'_> {
    /// Writes other ones than before; every fifth is broken.
    fn change(&mut self, instances: &[Instance; 2]) {
        let is_broken = self.written % 5 == 2;
        let outcome = if is_broken { "failure" } else { "success" };
        let series = format!("podwright_policy_reloads_total{{outcome=\"{outcome}\"}}");
        let before = instances.each_ref().map(|instance| instance.metric(&series));
        self.write(is_broken);
        within(SOON, "the policies to be seen", || {
            (instances.each_ref().map(|instance| instance.metric(&series)) == before.map(|count| count + 1))
                .then_some(())
        })
        .unwrap();
    }

    fn write(&mut self, is_broken: bool) {
        let policy = include_str!("../../policies/filebeat.yaml");
        let text = if is_broken {
            policy.replace("image: ", "imagge: ")
        } else {
            policy.replace("filebeat:9.1.5", &format!("filebeat:9.1.{}", self.written))
        };
        self.setup.policy(&text);
        self.written += 1;
    }
}

/// What was asked of the instances, and what became of it.
#[derive(Default)]
struct Stream {
    is_over: AtomicBool,
    created: AtomicUsize,
    unmutated: AtomicUsize,
    shaken: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Stream {
    /// Creates Pods until it is over.
    fn create(&self, namespace: &Namespace) {
        while !self.is_over.load(Ordering::Relaxed) {
            match namespace.create_pod(&pods::logging()) {
                Ok(pod) if has_sidecar(&pod) => drop(self.created.fetch_add(1, Ordering::Relaxed)),
                Ok(_) => drop(self.unmutated.fetch_add(1, Ordering::Relaxed)),
                Err(err) => self.failed(format!("creating a Pod: {err}")),
            }
            thread::sleep(PACE);
        }
    }

    /// Shakes hands with every instance again and again: the API server does it only now and then.
    fn shake_hands(&self, api: &Api, balancer: &Balancer) {
        let (mut trusted, mut since) = (bundle(api), Instant::now());
        while !self.is_over.load(Ordering::Relaxed) {
            if since.elapsed() > STALE {
                (trusted, since) = (bundle(api), Instant::now());
            }
            for port in balancer.ports() {
                match shake_hands(port, &trusted) {
                    Ok(Some(_)) => drop(self.shaken.fetch_add(1, Ordering::Relaxed)),
                    Ok(None) => {}
                    Err(err) => self.failed(format!("shaking hands: {err}")),
                }
            }
            thread::sleep(HANDSHAKES);
        }
    }

    fn failed(&self, what: String) {
        self.failures.lock().unwrap().push(what);
    }

    fn created(&self) -> usize {
        self.created.load(Ordering::Relaxed)
    }

    fn wait_for(&self, created: usize) {
        within(SOON, "Pods", || (self.created() >= created).then_some(())).unwrap();
    }

    fn told(&self) -> String {
        format!(
            "in the stream: {} Pods created, {} of them unmutated, {} handshakes, {} failures",
            self.created() + self.unmutated.load(Ordering::Relaxed),
            self.unmutated.load(Ordering::Relaxed),
            self.shaken.load(Ordering::Relaxed),
            self.failures.lock().unwrap().len(),
        )
    }

    /// Fails unless there were hundreds, and all of them well.
    fn is_whole(&self) {
        let failures = self.failures.lock().unwrap();
        assert!(failures.is_empty(), "{failures:#?}");
        assert_eq!(self.unmutated.load(Ordering::Relaxed), 0);
        assert!(self.created() >= 300, "{}", self.told());
    }
}

/// A trial that fails must not wait for its own stream.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What somebody breaks is mended, and what is served meanwhile stays trusted.
fn break_and_mend(api: &Api, instances: &[Instance; 2]) {
    // As one who applies an old manifest again.
    let empty = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]);
    api.json_patch(CONFIGURATION, &empty).unwrap();
    within(SOON, "the caBundle again", || (bundle(api) == part(api, "ca.crt")).then_some(())).unwrap();

    let failed = || {
        instances
            .each_ref()
            .map(|instance| instance.metric("podwright_certificate_reloads_total{outcome=\"failure\"}"))
    };
    let (before, sound) = (failed(), part(api, "tls.key"));
    api.patch(SECRET, &json!({"data": {"tls.key": BASE64.encode("rubbish")}})).unwrap();
    within(SOON, "the Secret to be mended", || (part(api, "tls.key") != b"rubbish").then_some(())).unwrap();
    assert!(part(api, "tls.key") == sound, "by what is served");
    within(SOON, "the fault to be counted", || (failed() != before).then_some(())).unwrap();
    served(api, instances);

    let old = (part(api, "ca.crt"), certificate(api));
    api.delete(SECRET).unwrap();
    within(SOON, "the Secret to be made anew", || api.get(SECRET).ok()).unwrap();
    assert_eq!(certificate(api), old.1, "the new authority signs nothing yet");
    assert!(part(api, "ca.crt").ends_with(&old.0), "whoever made the old certificate stays trusted");
    within(SOON, "another certificate", || (certificate(api) != old.1).then_some(())).unwrap();
    served(api, instances);
}

/// An instance that is killed takes along what it was answering, and nothing else. The API server does not ask again, but
/// whoever creates Pods for a living does.
fn kill(api: &Api, setup: &Setup, balancer: &Balancer, instances: [Instance; 2], namespace: &Namespace) {
    let [mut first, second] = instances;
    let stream = Stream::default();
    let ports = first.ports();
    thread::scope(|scope| {
        let _ends = StopOnDrop(&stream.is_over);
        (0..CREATORS).for_each(|_| drop(scope.spawn(|| stream.create(namespace))));
        stream.wait_for(50);
        first.process.kill();
        let pods = stream.created();
        stream.wait_for(pods + 50);
        balancer.remove(first.port);
        let mut again = setup.start(ports);
        again.ready();
        balancer.add(again.port);
        let ca = bundle(api);
        assert_eq!(shake_hands(again.port, &ca), shake_hands(second.port, &ca));
        let pods = stream.created();
        stream.wait_for(pods + 50);
    });
    eprintln!("around a SIGKILL {}", stream.told());
    let failures = stream.failures.lock().unwrap();
    assert!(failures.len() <= CREATORS, "{failures:#?}");
    assert!(failures.iter().all(|failure| failure.contains("failed calling webhook")), "{failures:#?}");
    assert_eq!(stream.unmutated.load(Ordering::Relaxed), 0);
}
