//! Who calls: a program with an API key, or an account that may do what programs do.

use std::marker::PhantomData;

use poem::{FromRequest, Request, RequestBody, Result, http::header::AUTHORIZATION};
use shared::{
    auth::api_keys::{self, ApiKey, KeyError, Scope},
    idempotency::Caller,
    sms::messages::{Owner, Sender},
    users,
};

use super::refused;
use crate::{
    error::{Code, Problem},
    limits::Measured,
    middleware::ClientIp,
    state::{SharedState, State},
};

/// The header of API keys.
const API_KEY_HEADER: &str = "x-api-key";

/// What an operation is for, as a type.
pub(crate) trait Use {
    /// The same as a value.
    const SCOPE: Scope;
}

/// The uses.
pub(crate) mod scope {
    use super::{Scope, Use};

    macro_rules! uses {
        ($($name:ident),+) => {$(
            #[doc = concat!("See [`Scope::", stringify!($name), "`].")]
            pub(crate) enum $name {}

            impl Use for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )+};
    }

    uses!(SmsSend, SmsRead, WalletWrite, WalletRead);
}

/// A program whose API key is for this use; no account may do it.
///
/// An operation that takes one answers 401 to strangers and 403 to everybody else, whatever else is
/// wrong with the request. So it comes before all that the request brings in the operation's parameters.
pub(crate) struct Program<S> {
    key: ApiKey,
    scope: PhantomData<fn() -> S>,
}

impl<'a, S: Use> FromRequest<'a> for Program<S> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let ip = ClientIp::from_request(request, body).await?;
        let state = state_of(request);
        let key = match shown(request) {
            None => Err(Problem::new(Code::NotAuthenticated)),
            Some(Shown::Key(key)) => check_key(state, ip, &key, S::SCOPE).await,
            Some(Shown::Token(token)) => {
                check_token(state, &token, S::SCOPE).await?;
                Err(Problem::new(Code::PermissionDenied))
            }
        }?;
        Ok(Self { key, scope: PhantomData })
    }
}

impl<S> Program<S> {
    /// Whose idempotency key it is.
    pub(crate) fn caller(&self) -> Caller {
        Caller::ApiKey(self.key.id)
    }
}

/// Whoever sends texts or reads those that they sent: a program, or an account, that may do this.
///
/// As [`Program`]: it is the first that is looked at.
pub(crate) struct Texter<S> {
    /// Who sends.
    pub(crate) sender: Sender,
    pub(crate) ip: ClientIp,
    pub(crate) measured: Measured,
    scope: PhantomData<fn() -> S>,
}

impl<'a, S: Use> FromRequest<'a> for Texter<S> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let ip = ClientIp::from_request(request, body).await?;
        let sender = sender(request, ip, S::SCOPE).await?;
        Ok(Self {
            sender: sender.ok_or_else(|| Problem::new(Code::NotAuthenticated))?,
            ip,
            measured: Measured::from_request(request, body).await?,
            scope: PhantomData,
        })
    }
}

/// Whoever sends one text: as [`Texter`], or somebody without credentials, where a deployment lets them
/// in.
pub(crate) struct OneTexter {
    /// Who sends; `None`: somebody without credentials.
    pub(crate) sender: Option<Sender>,
    pub(crate) ip: ClientIp,
    pub(crate) measured: Measured,
}

impl<'a> FromRequest<'a> for OneTexter {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let ip = ClientIp::from_request(request, body).await?;
        let sender = sender(request, ip, Scope::SmsSend).await?;
        if sender.is_none() && state_of(request).config.sms.anonymous.is_none() {
            return Err(Problem::new(Code::NotAuthenticated).into());
        }
        Ok(Self { sender, ip, measured: Measured::from_request(request, body).await? })
    }
}

fn state_of(request: &Request) -> &SharedState {
    request.data().expect("the router gives every request the state")
}

/// What opens operations for programs.
enum Shown {
    /// `X-API-Key: …`, or `Authorization: Bearer …` for clients that can set no other header.
    Key(String),
    /// `Authorization: Bearer …` with anything else: an access token.
    Token(String),
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

/// Who sends, checked for one use; `None` if the request does not say.
async fn sender(request: &Request, ip: ClientIp, scope: Scope) -> Result<Option<Sender>, Problem> {
    let state = state_of(request);
    Ok(match shown(request) {
        None => None,
        Some(Shown::Key(key)) => Some(Sender::from(&check_key(state, ip, &key, scope).await?)),
        Some(Shown::Token(token)) => Some(check_token(state, &token, scope).await?),
    })
}

/// 401 for a key that is not valid, 403 for one that may not do this, or not from there.
async fn check_key(
    state: &State,
    ip: ClientIp,
    key: &str,
    scope: Scope,
) -> Result<ApiKey, Problem> {
    let checked = api_keys::check(&state.pool, key, ip.0, scope, state.messages.now()).await;
    checked.map_err(|error| match error {
        KeyError::Unknown => Problem::new(Code::ApiKeyNotValid),
        KeyError::Address | KeyError::Scope => Problem::new(Code::PermissionDenied),
        KeyError::Database(error) => error.into(),
    })
}

/// Somebody who logged in, with what their account may do at this moment: no token says that. 401 for
/// a token that is not valid and for an account that is not active, 403 for one that may not do this.
async fn check_token(state: &State, token: &str, scope: Scope) -> Result<Sender, Problem> {
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
