//! `token/…` and `logout/`: what becomes of the tokens of a login.

use poem::web::Data;
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use shared::auth::{bearers::TokenError, refresh::RefreshError};

use super::Tag;
use crate::{
    caller::{Client, MaybeSignedIn},
    error::{Code, Problem, problems},
    input::{Fields, FromFields, Input, Text},
    state::SharedState,
};

/// A refresh token.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Refresh {
    /// The refresh token of a login, or of the latest refresh.
    #[oai(validator(min_length = 1))]
    refresh: String,
}

impl FromFields for Refresh {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { refresh: fields.text("refresh", Text::any())? })
    }
}

impl Example for Refresh {
    fn example() -> Self {
        Self { refresh: "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiI1ZjBjIn0.c2lnbmF0dXJl".to_owned() }
    }
}

/// A token of either type.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct AnyToken {
    /// An access or a refresh token.
    #[oai(validator(min_length = 1))]
    token: String,
}

impl FromFields for AnyToken {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { token: fields.text("token", Text::any())? })
    }
}

impl Example for AnyToken {
    fn example() -> Self {
        Self { token: "eyJhbGciOiJFUzI1NiJ9.eyJ1c2VyX2lkIjoiMTcifQ.c2lnbmF0dXJl".to_owned() }
    }
}

/// What to log out of; nothing if the request has an access token.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct LogOut {
    /// A refresh token of the session, for callers whose access token has expired.
    refresh: Option<String>,
}

impl FromFields for LogOut {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let given = !fields.is_null("refresh");
        Some(Self {
            refresh: given.then(|| fields.optional_text("refresh", Text::any())).flatten(),
        })
    }
}

impl Example for LogOut {
    fn example() -> Self {
        Self { refresh: Some(Refresh::example().refresh) }
    }
}

/// The next tokens.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Refreshed {
    /// Access token (JWT): send it as `Authorization: Bearer …`.
    access: String,
    /// The next refresh token; the one that was sent is used up.
    refresh: String,
}

impl Example for Refreshed {
    fn example() -> Self {
        Self { access: AnyToken::example().token, refresh: Refresh::example().refresh }
    }
}

/// Nothing more to say.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Nothing {}

impl Example for Nothing {
    fn example() -> Self {
        Self {}
    }
}

problems!(
    /// What can go wrong with a token.
    pub(crate) TokenProblem: 400, 401, 408, 413, 415, 429, 500, 503
);

/// The sentences of simplejwt.
fn refuse(error: RefreshError) -> Problem {
    match error {
        RefreshError::Token(TokenError::NotReady) => {
            Problem::new(Code::Unavailable).with_retry_after(1).with_cause(TokenError::NotReady)
        }
        RefreshError::Token(error) => Problem::new(Code::TokenNotValid).sentence(error.to_string()),
        RefreshError::Inactive => Problem::new(Code::NoActiveAccount)
            .sentence("No active account found for the given token."),
        RefreshError::Database(error) => error.into(),
        RefreshError::Write(error) => error.into(),
    }
}

/// The operations.
pub(crate) struct TokenApi;

#[OpenApi(tag = "Tag::Tokens")]
impl TokenApi {
    /// Get the next tokens
    ///
    /// A refresh token is good for one use. For some seconds (`auth.refresh_grace_seconds`) the same
    /// token is answered with the same successor, so parallel and repeated requests are safe; used
    /// after that it ends the session.
    #[oai(path = "/token/refresh", method = "post", operation_id = "refreshTokens")]
    async fn refresh(
        &self,
        state: Data<&SharedState>,
        client: Client,
        input: Input<Refresh>,
    ) -> Result<Json<Refreshed>, TokenProblem> {
        let mut rng = rand::make_rng::<rand::rngs::StdRng>();
        let refreshed = state.auth.refresh(&input.0.refresh, &client.origin, &mut rng).await;
        let tokens = refreshed.map_err(refuse)?;
        Ok(Json(Refreshed { access: tokens.access, refresh: tokens.refresh }))
    }

    /// See whether a token is good
    #[oai(path = "/token/verify", method = "post", operation_id = "verifyToken")]
    async fn verify(
        &self,
        state: Data<&SharedState>,
        input: Input<AnyToken>,
    ) -> Result<Json<Nothing>, TokenProblem> {
        state.auth.check_token(&input.0.token).await.map_err(refuse)?;
        Ok(Json(Nothing {}))
    }

    /// End the session of a refresh token
    ///
    /// Its access tokens are void within a second.
    #[oai(path = "/token/blacklist", method = "post", operation_id = "blacklistToken")]
    async fn blacklist(
        &self,
        state: Data<&SharedState>,
        input: Input<Refresh>,
    ) -> Result<Json<Nothing>, TokenProblem> {
        state.auth.log_out_by_refresh(&input.0.refresh).await.map_err(refuse)?;
        Ok(Json(Nothing {}))
    }

    /// Log out
    ///
    /// Ends the session of the access token, or of a refresh token in the body: both are void
    /// everywhere within a second. With both, one that is good is enough.
    #[oai(path = "/logout", method = "post", operation_id = "logOut")]
    async fn log_out(
        &self,
        state: Data<&SharedState>,
        caller: MaybeSignedIn,
        input: Input<LogOut>,
    ) -> Result<Json<Nothing>, TokenProblem> {
        let by_refresh = match &input.0.refresh {
            Some(refresh) => Some(state.auth.log_out_by_refresh(refresh).await.map_err(refuse)),
            None => None,
        };
        match (caller.0, by_refresh) {
            (Ok(bearer), _) => {
                let ended = state.auth.log_out(bearer.user_id, bearer.session_id).await;
                ended.map_err(Problem::from)?;
            }
            (Err(_), Some(by_refresh)) => by_refresh?,
            (Err(problem), None) => return Err(problem.into()),
        }
        Ok(Json(Nothing {}))
    }
}
