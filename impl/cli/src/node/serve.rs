//! The endpoint for status: HTTP, two pages, nothing to be changed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use razor_tokio::BoxStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::endpoint::Listener;
use super::report::Source;

/// How many may ask at once.
const ASKERS: usize = 32;

/// How long one may take to ask and to read the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of a question.
const QUESTION: usize = 16 << 10;

/// How long is waited when the operating system gives no connections.
const REST: Duration = Duration::from_millis(100);

/// Answers whoever asks, for ever.
pub(super) async fn serve(listener: Listener, source: Arc<Source>) {
    let room = Arc::new(Semaphore::new(ASKERS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let source = source.clone();
                tokio::spawn(async move {
                    let _ = timeout(PATIENCE, converse(stream, source)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "nobody can ask for the status");
                sleep(REST).await;
            }
        }
    }
}

async fn converse(stream: BoxStream, source: Arc<Source>) {
    let answer = service_fn(move |question| answer(source.clone(), question));
    let conversation = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(QUESTION)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = conversation.await {
        tracing::debug!(%error, "somebody asked for the status wrongly");
    }
}

async fn answer(source: Arc<Source>, question: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*question.method(), Method::GET | Method::HEAD) {
        let mut refusal = page(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET and HEAD\n".into());
        refusal.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return Ok(refusal);
    }
    let (kind, text) = match question.uri().path() {
        "/status" => {
            ("application/json", source.report().await.map(|it| serde_json::to_string(&it).unwrap_or_default()))
        }
        "/metrics" => ("text/plain; version=0.0.4", source.metrics().await),
        _ => return Ok(page(StatusCode::NOT_FOUND, "text/plain", "there are /status and /metrics\n".into())),
    };
    Ok(match text {
        Ok(text) => page(StatusCode::OK, kind, text),
        Err(error) => page(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{error}\n")),
    })
}

fn page(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::new(Bytes::from(text)));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    page
}
