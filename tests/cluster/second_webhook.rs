//! Another team's mutating webhook: it adds a label, an annotation and a container to every Pod.

use std::convert::Infallible;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::pki::Authority;
use crate::webhook::Endpoint;

/// What it adds: the label's and the container's name, and the annotation's key.
pub(crate) const ADDED: &str = "second-webhook";

/// A running server, stopped when it is dropped.
pub(crate) struct SecondWebhook {
    endpoint: Endpoint,
    accepting: JoinHandle<()>,
}

impl SecondWebhook {
    pub(crate) fn start(runtime: &Handle) -> Self {
        let authority = Authority::new(ADDED);
        let (certificate, key) = authority.issue();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let tls =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls));

        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let accepting = runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(tls.clone(), stream));
            }
        });
        Self { endpoint: Endpoint { url, authority: authority.pem() }, accepting }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Drop for SecondWebhook {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(tls: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = tls.accept(stream).await else { return };
    // The caller closes when it likes; there is nothing to do about an error.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let patch = patch(&review["request"]["object"]);
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"],
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": BASE64.encode(patch.to_string()),
        },
    });
    Ok(Response::new(Full::from(review.to_string())))
}

fn patch(pod: &Value) -> Value {
    let with = |field: &str| {
        let mut map = pod["metadata"][field].as_object().cloned().unwrap_or_default();
        map.insert(ADDED.to_owned(), json!("was-here"));
        json!({"op": "add", "path": format!("/metadata/{field}"), "value": map})
    };
    let container = json!({"name": ADDED, "image": "registry.example/second:1"});
    json!([with("labels"), with("annotations"), {"op": "add", "path": "/spec/containers/-", "value": container}])
}
