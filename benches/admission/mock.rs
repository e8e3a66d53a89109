//! A mock API server: it lists a cluster of any size and then has nothing to tell. A real one takes many minutes to be
//! filled with that many objects.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::pods::OWNER_UID;

/// How many objects there are.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) stateful_sets: usize,
    pub(crate) namespaces: usize,
    pub(crate) volumes: usize,
}

/// A running mock. It ends with the process.
pub(crate) struct Mock {
    folder: TempDir,
}

impl Mock {
    pub(crate) fn start(sizes: Sizes) -> Self {
        let (sender, address) = mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(sizes, &sender));
        });
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mock = Self { folder };
        fs::write(mock.kubeconfig(), kubeconfig(address.recv().unwrap()).to_string()).unwrap();
        mock
    }

    /// Access to it, as a file.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        Path::new(self.folder.path()).join("kubeconfig")
    }
}

fn kubeconfig(address: SocketAddr) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "mock",
        "contexts": [{"name": "mock", "context": {"cluster": "mock", "user": "mock"}}],
        "users": [{"name": "mock", "user": {}}],
        "clusters": [{"name": "mock", "cluster": {"server": format!("http://{address}")}}],
    })
}

async fn serve(sizes: Sizes, address: &mpsc::Sender<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    address.send(listener.local_addr().unwrap()).unwrap();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(sizes, &request)) });
        // A client that goes ends its connection.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service));
    }
}

fn answer(sizes: Sizes, request: &Request<Incoming>) -> Response<Told> {
    let query = request.uri().query().unwrap_or_default();
    let value_of = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let number_of = |key: &str| value_of(key).and_then(|text| text.parse::<usize>().ok());
    let (kind, count, make): (_, _, fn(usize) -> Value) = match request.uri().path() {
        "/version" => return told(&json!({"major": "1", "minor": "33"})),
        "/api/v1/nodes" => ("Node", 3, node),
        "/api/v1/namespaces" => ("Namespace", sizes.namespaces, namespace),
        "/api/v1/pods" => ("Pod", 0, node),
        "/api/v1/persistentvolumes" => ("PersistentVolume", sizes.volumes, volume),
        "/apis/apps/v1/statefulsets" => ("StatefulSet", sizes.stateful_sets, stateful_set),
        _ => {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                "reason": "NotFound", "message": "not found"});
            let mut response = told(&status);
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        }
    };
    if value_of("watch").is_some() {
        return Response::new(Told(None));
    }
    let from = number_of("continue").unwrap_or(0);
    let to = count.min(from.saturating_add(number_of("limit").unwrap_or(count)));
    let next = if to < count { to.to_string() } else { String::new() };
    let api = if kind == "StatefulSet" { "apps/v1" } else { "v1" };
    let metadata = json!({"resourceVersion": "1", "continue": next});
    let items: Vec<_> = (from..to).map(make).collect();
    told(&json!({"kind": format!("{kind}List"), "apiVersion": api, "metadata": metadata, "items": items}))
}

/// An answer; `None` is a watch, which stays open and silent.
struct Told(Option<Bytes>);

fn told(value: &Value) -> Response<Told> {
    let mut response = Response::new(Told(Some(value.to_string().into())));
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            None => Poll::Pending,
            Some(bytes) if bytes.is_empty() => Poll::Ready(None),
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }
}

fn metadata(name: &str, number: usize) -> Value {
    json!({
        "name": name,
        "uid": format!("00000000-0000-4000-8000-{number:012}"),
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {
            "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "storefront",
            "team": format!("team-{}", number % 100), "environment": "production",
        },
        // As large as they are, nothing of them is kept.
        "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {}}, "f:spec": {"f:replicas": {}, "f:template": {}}}}],
    })
}

fn node(number: usize) -> Value {
    let kubelet = json!({"kubeletVersion": "v1.33.0"});
    json!({"metadata": metadata(&format!("node-{number}"), number), "status": {"nodeInfo": kubelet}})
}

fn namespace(number: usize) -> Value {
    let name = if number == 0 { "shop".to_owned() } else { format!("team-{number}") };
    json!({"metadata": metadata(&name, number), "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
}

/// Of a node each: of others nothing is kept.
fn volume(number: usize) -> Value {
    json!({
        "metadata": metadata(&format!("pvc-00000000-0000-4000-8000-{number:012}"), number),
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "local-path",
            "hostPath": {"path": format!("/opt/local-path-provisioner/pvc-{number}"), "type": "DirectoryOrCreate"},
            "claimRef": {"kind": "PersistentVolumeClaim", "namespace": format!("team-{}", number % 2000),
                "name": format!("data-{number}")},
        },
        "status": {"phase": "Bound"},
    })
}

/// The first, whose network tests/cases/together grants, is the one whose Pods the bench asks about; each has a list of addresses of its own.
fn stateful_set(number: usize) -> Value {
    let (name, namespace) = match number {
        0 => ("shop".to_owned(), "shop".to_owned()),
        number => (format!("redis-{number}"), format!("team-{}", number % 2000)),
    };
    let mut metadata = metadata(&name, number);
    metadata["namespace"] = namespace.into();
    metadata["uid"] = if number == 0 { OWNER_UID.into() } else { metadata["uid"].take() };
    let (high, low) = (20 + (number + 9) / 250, (number + 9) % 250);
    metadata["annotations"] =
        json!({"ipam.podwright.dev/addresses": format!("10.{high}.{low}.10-10.{high}.{low}.12")});
    let labels = json!({"app": name});
    json!({
        "metadata": metadata,
        "spec": {
            "serviceName": name, "replicas": 3, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "redis",
                "image": "registry.example.com/redis:7", "ports": [{"containerPort": 6379}]}]}},
        },
        "status": {"replicas": 3, "readyReplicas": 3},
    })
}
