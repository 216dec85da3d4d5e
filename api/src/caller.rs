//! Who calls: somebody who logged in, a program with an API key, or a stranger.

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
    admin::{
        Acting,
        roles::{Action, Role},
    },
    audit::{Actor, Source},
    auth::{
        api_keys::{self, ApiKey, KeyError, Scope},
        bearers::{Bearer, TokenError},
        security,
    },
    device::Device,
    sessions::{self, Origin},
    sms::messages::{Owner, Sender},
    users,
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
        };
        Ok(Self { ip, origin })
    }
}

/// Somebody who logged in: `Authorization: Bearer <access token>`, checked. An operation that takes
/// one answers 401 to everybody else.
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
        let Bearer { user_id, session_id, .. } = bearer(request.headers(), state)?;
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
    /// Who does what this request asks for, and from where: for the audit log.
    pub(crate) fn source(&self) -> Source {
        Source {
            actor: Actor::User(self.user_id),
            ip: Some(self.ip.0),
            request_id: Some(self.request.as_str().to_owned()),
        }
    }
}

/// Somebody on the staff, logged in. What they are is read for each request: no token says it. An
/// operation that takes one answers 401 to strangers and 403 to everybody else.
pub(crate) struct Staff {
    /// Whose request it is.
    pub(crate) caller: SignedIn,
    /// What they are.
    pub(crate) role: Role,
}

impl<'a> FromRequest<'a> for Staff {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let caller = SignedIn::from_request(request, body).await?;
        let state: &SharedState = request.data().expect("the router gives every request the state");
        let role = state.admin.role_of(caller.user_id).await.map_err(Problem::from)?;
        let role = role.ok_or_else(|| Problem::new(Code::PermissionDenied))?;
        Ok(Self { caller, role })
    }
}

impl Staff {
    /// Demands that their role may do this and, where it changes somebody's account, that they proved
    /// not long ago who they are.
    ///
    /// # Errors
    /// 403 otherwise.
    pub(crate) async fn need(&self, state: &State, action: Action) -> Result<(), Problem> {
        if !self.role.may(action) {
            let (user, role) = (self.caller.user_id, self.role.as_str());
            tracing::info!(user.id = user, role, ?action, "refused to staff");
            return Err(Problem::new(Code::PermissionDenied));
        }
        if action.needs_recent_login() { self.caller.need_recent(state).await } else { Ok(()) }
    }

    /// For actions that ask the table of roles again, about whom they touch.
    pub(crate) fn acting(&self) -> Acting {
        let source = self.caller.source();
        Acting { user_id: self.caller.user_id, role: self.role, source }
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

/// The header of API keys.
pub(crate) const API_KEY_HEADER: &str = "x-api-key";

/// Who asks, unchecked: what the request came with, from where, and what it was measured by.
pub(crate) struct Credentials {
    shown: Option<Shown>,
    pub(crate) ip: ClientIp,
    pub(crate) measured: Measured,
}

/// What opens operations for programs.
enum Shown {
    /// `X-API-Key: …`, or `Authorization: Bearer …` for clients that can set no other header.
    Key(String),
    /// `Authorization: Bearer …` with anything else: an access token.
    Token(String),
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
        Ok(Self {
            shown: shown(request),
            ip: ClientIp::from_request(request, body).await?,
            measured: Measured::from_request(request, body).await?,
        })
    }
}

fn shown(request: &Request) -> Option<Shown> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = header(API_KEY_HEADER) {
        return Some(Shown::Key(key.trim().to_owned()));
    }
    let (scheme, token) = header(AUTHORIZATION.as_str())?.trim().split_once(' ')?;
    let token = token.trim().to_owned();
    let shown = if api_keys::is_marked(&token) { Shown::Key(token) } else { Shown::Token(token) };
    scheme.eq_ignore_ascii_case("bearer").then_some(shown)
}

impl Credentials {
    /// Who sends, checked for one use; `None` if the request does not say.
    ///
    /// # Errors
    /// 401 for a key or token that is not valid and for an account that is not active, 403 for one
    /// that may not do this, or not from there.
    pub(crate) async fn sender(
        &self,
        state: &State,
        scope: Scope,
    ) -> Result<Option<Sender>, Problem> {
        Ok(match &self.shown {
            None => None,
            Some(Shown::Key(key)) => Some(Sender::from(&self.key(state, key, scope).await?)),
            Some(Shown::Token(token)) => Some(user(state, token, scope).await?),
        })
    }

    /// The same for operations that need to know.
    ///
    /// # Errors
    /// As [`Credentials::sender`], and 401 without credentials.
    pub(crate) async fn need_sender(&self, state: &State, scope: Scope) -> Result<Sender, Problem> {
        let sender = self.sender(state, scope).await?;
        sender.ok_or_else(|| Problem::new(Code::NotAuthenticated))
    }

    /// The key, checked for one use, for what no account may do.
    ///
    /// # Errors
    /// As [`Credentials::need_sender`], and 403 for any account.
    pub(crate) async fn need_key(&self, state: &State, scope: Scope) -> Result<ApiKey, Problem> {
        match &self.shown {
            None => Err(Problem::new(Code::NotAuthenticated)),
            Some(Shown::Key(key)) => self.key(state, key, scope).await,
            Some(Shown::Token(token)) => {
                user(state, token, scope).await?;
                Err(Problem::new(Code::PermissionDenied))
            }
        }
    }

    async fn key(&self, state: &State, key: &str, scope: Scope) -> Result<ApiKey, Problem> {
        let now = state.messages.now();
        let checked = api_keys::check(&state.pool, key, self.ip.0, scope, now).await;
        checked.map_err(|error| match error {
            KeyError::Unknown => Problem::new(Code::ApiKeyNotValid),
            KeyError::Address | KeyError::Scope => Problem::new(Code::PermissionDenied),
            KeyError::Database(error) => error.into(),
        })
    }
}

/// Somebody who logged in, with what their account may do at this moment: no token says that.
async fn user(state: &State, token: &str, scope: Scope) -> Result<Sender, Problem> {
    let bearer = state.auth.bearers().check(token, state.auth.now()).map_err(refused)?;
    let scopes = users::scopes(&state.pool, bearer.user_id).await?;
    let scopes = scopes.ok_or_else(|| Problem::new(Code::UserInactive))?;
    if !scopes.iter().any(|word| Scope::parse(word) == Some(scope)) {
        return Err(Problem::new(Code::PermissionDenied));
    }
    Ok(Sender {
        owner: Owner::User(bearer.user_id),
        daily_sends: Some(state.config.sms.user_daily_sends.into()),
        daily_spend_rials: None,
    })
}
