//! Health and metrics.

use poem::{
    IntoResponse, Response, handler,
    http::StatusCode,
    web::{Data, Json},
};
use serde_json::json;
use shared::{db, telemetry};

use crate::state::SharedState;

/// The process runs.
#[handler]
pub(crate) fn livez() -> &'static str {
    "ok"
}

/// Requests can be answered: PostgreSQL is there with the right schema, and it is known which
/// sessions were revoked and whom staff have blocked. Redis away is reported
/// and is no reason to be taken out: sends answer 202, logins work.
#[handler]
pub(crate) async fn readyz(Data(state): Data<&SharedState>) -> Response {
    let database = db::schema_is_current(&state.pool).await;
    let revocations = state.auth.bearers().revocations().is_loaded();
    let blocks = state.blocks.is_loaded();
    let ready = matches!(database, Ok(true)) && revocations && blocks;
    let body = json!({
        "ready": ready,
        "database": database.is_ok(),
        "schema": database.unwrap_or(false),
        "revocations": revocations,
        "blocks": blocks,
        "redis": state.redis.ping().await.is_ok() && state.waiters.is_listening(),
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Json(body).with_status(status).into_response()
}

/// Prometheus text.
#[handler]
pub(crate) fn metrics() -> Response {
    telemetry::metrics_text().with_content_type("text/plain; version=0.0.4").into_response()
}
