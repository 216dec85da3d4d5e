//! The worker's health and metrics, on a private port.

use std::{sync::Arc, time::Duration};

use poem::{
    EndpointExt, IntoResponse, Response, Route, Server, get, handler,
    http::StatusCode,
    listener::TcpAcceptor,
    web::{Data, Json},
};
use serde_json::json;
use shared::{db, queue::LastFetch, telemetry};
use tokio_util::sync::CancellationToken;

use crate::Environment;

/// A consumer that has not heard from Redis for longer is not ready.
const FETCH_LIMIT: Duration = Duration::from_secs(15);

#[derive(Clone)]
struct State {
    env: Arc<Environment>,
    last_fetch: LastFetch,
}

/// Serves `/livez`, `/readyz` and `/metrics` until `shutdown`.
///
/// # Errors
/// When serving fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    env: Arc<Environment>,
    last_fetch: LastFetch,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = Route::new()
        .at("/livez", get(livez))
        .at("/readyz", get(readyz))
        .at("/metrics", get(metrics))
        .data(State { env, last_fetch });
    let acceptor = TcpAcceptor::from_tokio(listener)?;
    Server::new_with_acceptor(acceptor)
        .idle_timeout(Duration::from_secs(30))
        .run_with_graceful_shutdown(app, shutdown.cancelled_owned(), Some(Duration::from_secs(1)))
        .await
}

#[handler]
fn livez() -> &'static str {
    "ok"
}

#[handler]
async fn readyz(Data(state): Data<&State>) -> Response {
    let database = db::schema_is_current(&state.env.pool).await;
    let fetched = state.last_fetch.age();
    let ready = matches!(database, Ok(true)) && fetched < FETCH_LIMIT;
    let body = json!({
        "ready": ready,
        "database": database.is_ok(),
        "schema": database.unwrap_or(false),
        "last_fetch_ms": u64::try_from(fetched.as_millis()).unwrap_or(u64::MAX),
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Json(body).with_status(status).into_response()
}

#[handler]
fn metrics() -> Response {
    telemetry::metrics_text().with_content_type("text/plain; version=0.0.4").into_response()
}
