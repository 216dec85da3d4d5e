//! The worker's health and metrics, on a private port.

use std::{sync::Arc, time::Duration};

use poem::{
    EndpointExt, IntoResponse, Response, Route, Server, get, handler,
    http::StatusCode,
    listener::TcpAcceptor,
    web::{Data, Json},
};
use serde_json::json;
use shared::{db, telemetry};
use tokio_util::sync::CancellationToken;

use crate::{Environment, consumers::Health};

/// A queue that has not been heard of for longer makes the process not ready.
const FETCH_LIMIT: Duration = Duration::from_secs(15);
/// Threads of jobs that have done nothing else for longer make the process not alive.
const BLOCKED_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct State {
    env: Arc<Environment>,
    health: Arc<Health>,
}

/// Serves `/livez`, `/readyz` and `/metrics` until `shutdown`.
///
/// # Errors
/// When serving fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    env: Arc<Environment>,
    health: Arc<Health>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = Route::new()
        .at("/livez", get(livez))
        .at("/readyz", get(readyz))
        .at("/metrics", get(metrics))
        .data(State { env, health });
    let acceptor = TcpAcceptor::from_tokio(listener)?;
    Server::new_with_acceptor(acceptor)
        .idle_timeout(Duration::from_secs(30))
        .run_with_graceful_shutdown(app, shutdown.cancelled_owned(), Some(Duration::from_secs(1)))
        .await
}

/// Fails when only a restart helps.
#[handler]
fn livez(Data(state): Data<&State>) -> Response {
    if state.health.threads_blocked_for() > BLOCKED_LIMIT {
        return "all threads of jobs are blocked"
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .into_response();
    }
    "ok".into_response()
}

#[handler]
async fn readyz(Data(state): Data<&State>) -> Response {
    let database = db::schema_is_current(&state.env.pool).await;
    let blocked = state.health.threads_blocked_for();
    let fetched = state.health.last_fetch_ages();
    let fetching = fetched.iter().all(|(_, age)| age.is_some_and(|age| age < FETCH_LIMIT));
    let ready = matches!(database, Ok(true)) && fetching && blocked < FETCH_LIMIT;
    let ages: serde_json::Map<_, _> = fetched
        .into_iter()
        .map(|(queue, age)| (queue.name().to_owned(), json!(age.map(milliseconds))))
        .collect();
    let body = json!({
        "ready": ready,
        "database": database.is_ok(),
        "schema": database.unwrap_or(false),
        "last_fetch_ms": ages,
        "threads_blocked_ms": milliseconds(blocked),
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Json(body).with_status(status).into_response()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[handler]
fn metrics(Data(state): Data<&State>) -> Response {
    state.health.show();
    telemetry::metrics_text().with_content_type("text/plain; version=0.0.4").into_response()
}
