//! The null server: the same TLS, hyper and runtime as Podwright's, and an answer that was made before.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use podwright::review::{API_VERSION, Reply, Request as ReviewRequest, Review};
use podwright::tls::{self, RotatingCertificate, files};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Makes this binary the null server; the certificate's file, the key's, and the answer's size follow.
pub(crate) const ARGUMENT: &str = "null-server";

pub(crate) fn serve(args: &[String]) {
    let [certificate, key, size] = args else { panic!("expected a certificate, a key and a size") };
    let answer = Bytes::from(vec![b'x'; size.parse().unwrap()]);
    let acceptor = acceptor(Path::new(certificate), Path::new(key));
    // As many threads as there are CPUs to use, which is Podwright's default too.
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        answer_all(&listener, &acceptor, move |_| answer.clone()).await;
    });
}

/// Answers every review by yes, which an API server takes, and perhaps a patch; `asked` counts them.
pub(crate) async fn agree<F>(listener: TcpListener, acceptor: TlsAcceptor, asked: Arc<AtomicUsize>, patch: F)
where
    F: Fn(&ReviewRequest<'_>) -> Option<Bytes> + Clone + Send + Sync + 'static,
{
    answer_all(&listener, &acceptor, move |body| {
        asked.fetch_add(1, Ordering::Relaxed);
        let review = Review::parse(body).unwrap();
        let patch = patch(&review.request);
        let reply = Reply {
            api_version: API_VERSION,
            uid: &review.request.uid,
            refusal: None,
            patch: patch.as_deref(),
            warnings: &[],
            audit_annotations: &[].into(),
        };
        reply.to_json().unwrap().into()
    })
    .await;
}

pub(crate) fn acceptor(certificate: &Path, key: &Path) -> TlsAcceptor {
    let certified = files::load(certificate, key).unwrap();
    let config = tls::server_config(Arc::new(RotatingCertificate::new(certified))).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn answer_all<F>(listener: &TcpListener, acceptor: &TlsAcceptor, answer: F)
where
    F: Fn(&[u8]) -> Bytes + Clone + Send + Sync + 'static,
{
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tokio::spawn(converse(acceptor.clone(), tcp, answer.clone()));
    }
}

async fn converse<F: Fn(&[u8]) -> Bytes>(acceptor: TlsAcceptor, tcp: TcpStream, answer: F) {
    let _ = tcp.set_nodelay(true);
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    let service = service_fn(|request: Request<Incoming>| async {
        let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        let mut response = Response::new(Full::new(answer(&body)));
        response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
        Ok::<_, Infallible>(response)
    });
    // A client that goes ends its connection.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
}
