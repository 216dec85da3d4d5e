//! Who calls: somebody who logged in, a program with an API key, or a stranger.

pub(crate) mod console;
mod programs;
mod staff;

use chrono::TimeDelta;
use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{
        HeaderMap,
        header::{AUTHORIZATION, USER_AGENT},
    },
};
use serde_json::json;
use shared::{
    audit::{Actor, Source},
    auth::{
        bearers::{Bearer, TokenError},
        security,
    },
    device::Device,
    login_events::Trace,
    sessions::{self, Origin},
};

pub(crate) use self::{
    programs::{OneTexter, Program, Texter, scope},
    staff::{Staff, task},
};
use crate::{
    error::{Code, Problem},
    idempotency::IdempotencyKey,
    limits::Measured,
    middleware::{ClientIp, RequestId},
    state::{SharedState, State},
};

/// From where and with what somebody comes who may be about to log in.
pub(crate) struct Client {
    pub(crate) ip: ClientIp,
    pub(crate) origin: Origin,
}

impl<'a> FromRequest<'a> for Client {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let ip = ClientIp::from_request(request, body).await?;
        let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        let origin = Origin {
            ip: Some(ip.0),
            user_agent: user_agent.map(|text| text.chars().take(512).collect()),
            device: user_agent.map(Device::parse).unwrap_or_default(),
            request_id: Some(RequestId::from_request(request, body).await?.as_str().to_owned()),
        };
        Ok(Self { ip, origin })
    }
}

/// Somebody who logged in: `Authorization: Bearer <access token>`, or the cookie of the console for
/// what it calls, checked. An operation that takes one answers 401 to everybody else.
pub(crate) struct SignedIn {
    /// The account.
    pub(crate) user_id: i64,
    /// The session the request belongs to.
    pub(crate) session_id: i64,
    pub(crate) ip: ClientIp,
    pub(crate) measured: Measured,
    pub(crate) request: RequestId,
}

impl<'a> FromRequest<'a> for SignedIn {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let state: &SharedState = request.data().expect("the router gives every request the state");
        let ip = ClientIp::from_request(request, body).await?;
        let who = if let Some((_, open)) = console::find(request, state, ip).await? {
            (open.user_id, open.id)
        } else {
            let Bearer { user_id, session_id, .. } = bearer(request.headers(), state)?;
            (user_id, session_id)
        };
        Self::of(who, request, body).await
    }
}

impl SignedIn {
    /// The owner of this account in this session, who was checked.
    async fn of(
        (user_id, session_id): (i64, i64),
        request: &Request,
        body: &mut RequestBody,
    ) -> Result<Self> {
        let state: &SharedState = request.data().expect("the router gives every request the state");
        let ip = ClientIp::from_request(request, body).await?;
        state.last_seen.note(session_id, state.auth.now(), ip.0);
        Ok(Self {
            user_id,
            session_id,
            ip,
            measured: Measured::from_request(request, body).await?,
            request: RequestId::from_request(request, body).await?,
        })
    }
}

/// Whoever calls an operation that others may open too: somebody who logged in, or why not.
pub(crate) struct MaybeSignedIn(pub(crate) Result<Bearer, Problem>);

impl<'a> FromRequest<'a> for MaybeSignedIn {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let state: &SharedState = request.data().expect("the router gives every request the state");
        Ok(Self(bearer(request.headers(), state)))
    }
}

impl SignedIn {
    /// Demands that whoever calls proved not long ago who they are, see `auth.step_up_seconds`.
    ///
    /// # Errors
    /// 403 otherwise: `me/confirm/` helps.
    pub(crate) async fn need_recent(&self, state: &State) -> Result<(), Problem> {
        let within = TimeDelta::seconds(state.config.auth.step_up_seconds.into());
        let now = state.auth.now();
        if sessions::is_recent(&state.pool, self.session_id, within, now).await? {
            return Ok(());
        }
        security::denied(self.user_id, self.session_id, self.ip.0, "confirmation_required");
        Err(Problem::new(Code::ConfirmationRequired))
    }
}

impl SignedIn {
    /// From where this request comes, for what is written down of proofs that fail.
    pub(crate) fn trace(&self) -> Trace {
        Trace { ip: Some(self.ip.0), request_id: Some(self.request.as_str().to_owned()) }
    }

    /// Who does what this request asks for, and from where: for the audit log.
    pub(crate) fn source(&self) -> Source {
        Source {
            actor: Actor::User(self.user_id),
            ip: Some(self.ip.0),
            request_id: Some(self.request.as_str().to_owned()),
        }
    }
}

/// The words of Django REST framework and simplejwt for what may be wrong with the header.
pub(crate) fn bearer(headers: &HeaderMap, state: &State) -> Result<Bearer, Problem> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let mut words = header.unwrap_or_default().split_ascii_whitespace();
    if !words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer")) {
        return Err(Problem::new(Code::NotAuthenticated));
    }
    let (Some(token), None) = (words.next(), words.next()) else {
        return Err(Problem::new(Code::BadAuthorizationHeader));
    };
    check_token(state, token)
}

/// Whose access token this is.
///
/// # Errors
/// 401, in the words of simplejwt.
pub(crate) fn check_token(state: &State, token: &str) -> Result<Bearer, Problem> {
    state.auth.bearers().check(token, state.auth.now()).map_err(refused)
}

fn refused(error: TokenError) -> Problem {
    if error == TokenError::NotReady {
        return Problem::new(Code::Unavailable).with_retry_after(1).with_cause(error);
    }
    let message = json!([{
        "token_class": "AccessToken",
        "token_type": "access",
        "message": error.to_string(),
    }]);
    Problem::new(Code::TokenNotValid).with_legacy_member("messages", message)
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
