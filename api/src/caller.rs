//! Who calls an operation for programs: an API key, or nobody where a deployment lets nobody in.

use poem::{FromRequest, Request, RequestBody, Result, http::header::AUTHORIZATION};
use shared::auth::api_keys::{self, ApiKey, KeyError, Scope};

use crate::{
    error::{Code, Problem},
    idempotency::IdempotencyKey,
    limits::Measured,
    middleware::{ClientIp, RequestId},
    state::State,
};

/// The header of API keys.
pub(crate) const API_KEY_HEADER: &str = "x-api-key";

/// Who asks, unchecked: the key a request came with (`X-API-Key: …`, or `Authorization: Bearer …`
/// for clients that can set no other header), from where, and what it was measured by.
pub(crate) struct Credentials {
    key: Option<String>,
    pub(crate) ip: ClientIp,
    pub(crate) measured: Measured,
}

/// Somebody without credentials: from where, what the request was measured by and is called.
pub(crate) struct Stranger {
    pub(crate) ip: ClientIp,
    pub(crate) measured: Measured,
    pub(crate) key: IdempotencyKey,
    pub(crate) request: RequestId,
}

impl<'a> FromRequest<'a> for Stranger {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        Ok(Self {
            ip: ClientIp::from_request(request, body).await?,
            measured: Measured::from_request(request, body).await?,
            key: IdempotencyKey::from_request(request, body).await?,
            request: RequestId::from_request(request, body).await?,
        })
    }
}

impl<'a> FromRequest<'a> for Credentials {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let bearer = || {
            let (scheme, token) = header(AUTHORIZATION.as_str())?.trim().split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        };
        Ok(Self {
            key: header(API_KEY_HEADER).map(str::trim).or_else(bearer).map(str::to_owned),
            ip: ClientIp::from_request(request, body).await?,
            measured: Measured::from_request(request, body).await?,
        })
    }
}

impl Credentials {
    /// The key, checked for one use; `None` if the request has none.
    ///
    /// # Errors
    /// 401 for a key that is not valid, 403 for one that may not do this, or not from there.
    pub(crate) async fn key(&self, state: &State, scope: Scope) -> Result<Option<ApiKey>, Problem> {
        let Some(key) = &self.key else { return Ok(None) };
        let now = state.messages.now();
        match api_keys::check(&state.pool, key, self.ip.0, scope, now).await {
            Ok(key) => Ok(Some(key)),
            Err(KeyError::Unknown) => Err(Problem::new(Code::ApiKeyNotValid)),
            Err(KeyError::Address | KeyError::Scope) => Err(Problem::new(Code::PermissionDenied)),
            Err(KeyError::Database(error)) => Err(error.into()),
        }
    }

    /// The key, checked for one use, for operations that need one.
    ///
    /// # Errors
    /// As [`Credentials::key`], and 401 without a key.
    pub(crate) async fn need_key(&self, state: &State, scope: Scope) -> Result<ApiKey, Problem> {
        self.key(state, scope).await?.ok_or_else(|| Problem::new(Code::NotAuthenticated))
    }
}
