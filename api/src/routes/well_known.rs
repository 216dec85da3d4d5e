//! `/.well-known/jwks.json`: the public keys that access tokens are signed with.

use poem::{
    IntoResponse, Response, handler,
    http::header,
    web::{Data, Json},
};
use serde_json::json;

use crate::state::SharedState;

/// RFC 7517. Symmetric keys are never in it.
#[handler]
pub(crate) fn jwks(Data(state): Data<&SharedState>) -> Response {
    Json(json!({ "keys": state.auth.bearers().tokens().public_keys() }))
        .with_header(header::CACHE_CONTROL, "public, max-age=300")
        .into_response()
}
