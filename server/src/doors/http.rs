//! The HTTP door: liveness, readiness and metrics, for people with curl and for Prometheus.
//!
//! It reads no bodies and no SQL. It must answer while everything else is busy or starting, so a handler only looks at what is already known.

mod listener;

use std::{future::IntoFuture, io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Content type of OpenMetrics 1.0 text.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The largest body a handler may take.
const MAX_BODY_BYTES: usize = 64 << 10;
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a leaving server waits for connections to end.
const GRACE: Duration = Duration::from_secs(2);

/// What the process says of itself.
pub trait Health: Send + Sync {
    /// Whether queries have been restored and statements are served.
    fn ready(&self) -> bool;

    /// What is awaited while it is not ready, as half a sentence.
    fn awaited(&self) -> String {
        "queries are being restored".to_owned()
    }

    /// All metrics as OpenMetrics text.
    fn metrics(&self) -> String;
}

/// Answers HTTP on `listener` until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    health: Arc<dyn Health>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let server = axum::serve(listener::Bounded::new(listener), router(health))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::select! {
        result = server.into_future() => result,
        () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

fn router(health: Arc<dyn Health>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(async || text(StatusCode::OK, "alive\n")))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(guard))
        .with_state(health)
}

async fn index() -> Response {
    text(
        StatusCode::OK,
        concat!(
            "Sluice ",
            env!("CARGO_PKG_VERSION"),
            "\n\n",
            "/healthz  200 while the process lives\n",
            "/readyz   200 once queries have been restored, 503 before\n",
            "/metrics  OpenMetrics, for Prometheus\n\n",
            "SQL is spoken at the Postgres and the Flight SQL door;\n",
            "the server prints their addresses when it starts.\n",
        ),
    )
}

async fn readyz(State(health): State<Arc<dyn Health>>) -> Response {
    if health.ready() {
        text(StatusCode::OK, "ready\n")
    } else {
        let body = format!("not ready: {}\n", health.awaited());
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, body);
        let soon = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, soon);
        response
    }
}

async fn metrics(State(health): State<Arc<dyn Health>>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], health.metrics()).into_response()
}

async fn not_found(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    text(
        StatusCode::NOT_FOUND,
        format!("no page at {path}\nHINT:  There are /, /healthz, /readyz and /metrics.\n"),
    )
}

async fn not_allowed(method: Method) -> Response {
    text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not served here\nHINT:  Use GET.\n"),
    )
}

/// Bounds the time of an answer and tells browsers to make nothing of it but text.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = tokio::time::timeout(ANSWER, next.run(request))
        .await
        .unwrap_or_else(|_| text(StatusCode::SERVICE_UNAVAILABLE, "took too long\n"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'"),
        ("cache-control", "no-store"),
    ] {
        response.headers_mut().insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}

fn text(status: StatusCode, body: impl Into<String>) -> Response {
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, plain, body.into()).into_response()
}

#[cfg(test)]
mod tests;
