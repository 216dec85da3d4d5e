//! `/.well-known/jwks.json`: the public keys that access tokens are signed with.

use poem::{
    IntoResponse, Request, Response, handler,
    http::{StatusCode, header},
    web::Data,
};
use shared::auth::tokens::KEYS_FRESH_SECONDS;

use crate::state::SharedState;

/// RFC 7517. Symmetric keys are never in it. A key appears before it signs and goes when its overlap
/// ends, so whoever keeps a copy for `max-age` is never without the key of a good token.
#[handler]
pub(crate) fn jwks(request: &Request, Data(state): Data<&SharedState>) -> Response {
    let keys = state.auth.bearers().tokens().key_set(state.auth.now());
    let etag = format!("\"{}\"", keys.tag);
    let response = if is_known(request, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        keys.json.with_content_type("application/json").into_response()
    };
    response
        .with_header(header::CACHE_CONTROL, format!("public, max-age={KEYS_FRESH_SECONDS}"))
        .with_header(header::ETAG, etag)
        .into_response()
}

/// Whether the client has this very version (RFC 9110, 13.1.2).
fn is_known(request: &Request, etag: &str) -> bool {
    let known = request.headers().get_all(header::IF_NONE_MATCH).into_iter();
    let mut known = known.filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','));
    known.any(|tag| matches!(tag.trim().trim_start_matches("W/"), tag if tag == etag || tag == "*"))
}
