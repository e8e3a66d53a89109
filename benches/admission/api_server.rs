//! The way through a real API server: dry-run creations of one Pod, with no webhook, with one that does nothing, and
//! with Podwright, of which the Pod asks for logs, `/proc` and another time. And what is gained by sending a list that
//! several edits change as one operation: two webhooks answer what was worked out before, one in operations as Podwright
//! sends them, one in an operation for each entry.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use podwright::review::Request;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Plan;
use crate::api::{Api, Namespace};
use crate::client::Certificates;
use crate::control_plane::{self, ControlPlane, HOW_TO_GET_IT};
use crate::pods::with_logs;
use crate::report::{Figures, Report};
use crate::webhook::{Endpoint, Registering, Registration, Webhook};
use crate::{edits, null};

const CLIENTS: [(&str, usize); 2] = [("1 client", 1), ("8 clients", 8)];

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let Some(binaries) = control_plane::binaries() else {
        return println!("Through the API server: skipped, for want of one: {HOW_TO_GET_IT}.\n");
    };
    let control_plane = match ControlPlane::start(&binaries) {
        Ok(control_plane) => control_plane,
        Err(error) => return println!("Through the API server: skipped, it does not start: {error}\n"),
    };
    let api = control_plane.api();
    let kubeconfig = control_plane.kubeconfig();
    let webhook = Webhook::start(api, &["--kubeconfig", kubeconfig.to_str().unwrap()]).unwrap();
    let is_injected = |pod: &Value| pod.to_string().contains("podwright-filebeat");
    let _podwright = register(api, "podwright", webhook.endpoint(), is_injected);
    let nothing = Agreeing::start(api, |_| None);
    let _nothing = register(api, "nothing", &nothing.endpoint, |_| nothing.was_asked());
    let (whole, apart) = (OnceLock::new(), OnceLock::new());
    let whole =
        Agreeing::start(api, move |request| Some(whole.get_or_init(|| edits::whole(request)).clone()));
    let _whole = register(api, "whole", &whole.endpoint, |_| whole.was_asked());
    let apart =
        Agreeing::start(api, move |request| Some(apart.get_or_init(|| edits::apart(request)).clone()));
    let _apart = register(api, "apart", &apart.endpoint, |_| apart.was_asked());

    report.api_server(control_plane.version());
    for (label, clients) in CLIENTS {
        let through = |labels: &[&str]| {
            Figures::of_latencies(create(plan, clients, &kubeconfig, &api.namespace(labels), api))
        };
        let webhooks = [&[][..], &["nothing"], &["podwright"], &["whole"], &["apart"]];
        report.creations(label, webhooks.map(through));
    }
    println!();
}

fn register(api: &Api, name: &str, endpoint: &Endpoint, in_force: impl Fn(&Value) -> bool) -> Registration {
    let registering =
        Registering { name, label: name, endpoint, failure_policy: "Fail", reinvocation_policy: "Never" };
    registering.register(api, &pod(), in_force).unwrap()
}

/// A Pod for any namespace.
fn pod() -> Value {
    let mut pod = with_logs("");
    pod["metadata"].as_object_mut().unwrap().remove("namespace");
    pod["metadata"]["annotations"]["lxcfs.podwright.dev/mount"] = json!("true");
    pod["metadata"]["annotations"]["faketime.podwright.dev/time"] = json!("+2d");
    pod
}

/// How long each creation takes, over all clients, each over a connection of its own.
fn create(plan: &Plan, clients: usize, kubeconfig: &Path, namespace: &Namespace, api: &Api) -> Vec<Duration> {
    let pod = pod();
    let path = format!("{}?dryRun=All", namespace.path("/api/v1", "pods"));
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let creating = || {
        let api = Api::new(&text, api.runtime().clone()).unwrap();
        let create = || {
            let begun = Instant::now();
            api.create(&path, &pod).unwrap();
            begun.elapsed()
        };
        // The first few open connections.
        for _ in 0..plan.creations / 10 {
            create();
        }
        (0..plan.creations).map(|_| create()).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..clients).map(|_| scope.spawn(creating)).collect();
        running.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

/// A webhook that agrees to everything.
struct Agreeing {
    endpoint: Endpoint,
    asked: Arc<AtomicUsize>,
    _certificates: Certificates,
}

impl Agreeing {
    fn start<F>(api: &Api, patch: F) -> Self
    where
        F: Fn(&Request<'_>) -> Option<Bytes> + Send + Sync + 'static,
    {
        let certificates = Certificates::make();
        let acceptor = null::acceptor(&certificates.certificate, &certificates.key);
        let listener = api.runtime().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let (asked, patch) = (Arc::new(AtomicUsize::new(0)), Arc::new(patch));
        let patch = move |request: &Request<'_>| patch(request);
        api.runtime().spawn(null::agree(listener, acceptor, Arc::clone(&asked), patch));
        let endpoint = Endpoint { url, authority: certificates.authority_pem() };
        Self { endpoint, asked, _certificates: certificates }
    }

    fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed) > 0
    }
}
