//! `sessions/`: where one is logged in.

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use shared::{
    sessions::{self, EndReason, Listed, Method, Which},
    users,
};

use super::Tag;
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    state::{SharedState, State},
    timestamp::Timestamp,
};

/// Sessions of a page unless asked otherwise, and at most.
const PAGE: i64 = 100;
/// What the old system called a device, or a browser, that it did not know.
const UNKNOWN: &str = "Other";

/// How a login was proven.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SessionMethod {
    /// By a one-time code.
    Otp,
    /// By a password.
    Password,
    /// By a refresh token of the system Peyk replaces.
    Import,
}

impl From<Method> for SessionMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Otp => Self::Otp,
            Method::Password => Self::Password,
            Method::Import => Self::Import,
        }
    }
}

/// A login on one device that goes on.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Session {
    /// The session's number.
    id: i64,
    /// Whose it is.
    user: i64,
    /// Whether this request belongs to it.
    current: bool,
    /// How the login was proven.
    method: SessionMethod,
    /// What the client called itself at the login; empty if it did not.
    user_agent: String,
    /// Where it was last seen; absent if that is not known.
    #[oai(skip_serializing_if_is_none)]
    ip_address: Option<String>,
    /// The kind of device, as far as `user_agent` tells.
    device: String,
    /// The browser, or what an app calls itself, as far as `user_agent` tells.
    browser: String,
    /// The operating system, as far as `user_agent` tells.
    os: String,
    /// When its tokens were last used, to about a minute.
    last_seen: Timestamp,
    /// When it began.
    created_at: Timestamp,
    /// When it ends unless its tokens are refreshed.
    expires_at: Timestamp,
}

impl Session {
    fn seen_from(current: i64, listed: Listed) -> Self {
        let told = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
        let device = listed.origin.device;
        Self {
            id: listed.id,
            user: listed.user_id,
            current: listed.id == current,
            method: listed.method.into(),
            user_agent: listed.origin.user_agent.unwrap_or_default(),
            ip_address: listed.origin.ip.map(|ip| ip.to_canonical().to_string()),
            device: told(device.device),
            browser: told(device.browser),
            os: told(device.os),
            last_seen: Timestamp(listed.last_seen_at),
            created_at: Timestamp(listed.created_at),
            expires_at: Timestamp(listed.expires_at),
        }
    }
}

impl Example for Session {
    fn example() -> Self {
        let at = |seconds| Timestamp(DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds));
        Self {
            id: 41,
            user: 17,
            current: true,
            method: SessionMethod::Otp,
            user_agent: "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
                .to_owned(),
            ip_address: Some("203.0.113.7".to_owned()),
            device: "smartphone".to_owned(),
            browser: "Firefox".to_owned(),
            os: "Android".to_owned(),
            last_seen: at(3_600),
            created_at: at(0),
            expires_at: at(86_400),
        }
    }
}

/// The sessions, as a bare list, as it always was.
#[derive(ApiResponse)]
pub(crate) enum ListSessionsResponse {
    /// The sessions that go on.
    #[oai(status = 200)]
    Listed(
        Json<Vec<Session>>,
        /// Where the next page is, with `rel="next"` (RFC 8288); absent on the last one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

/// What was ended.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct EndedSessions {
    /// How many sessions ended.
    ended: u32,
}

impl Example for EndedSessions {
    fn example() -> Self {
        Self { ended: 1 }
    }
}

problems!(
    /// What can go wrong with the list.
    pub(crate) ListSessionsProblem: 400, 401, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with ending a session.
    pub(crate) EndSessionProblem: 400, 401, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with ending the others.
    pub(crate) EndOtherSessionsProblem: 401, 408, 413, 500, 503
);

/// The operations.
pub(crate) struct SessionsApi;

#[OpenApi(tag = "Tag::Sessions")]
impl SessionsApi {
    /// List your sessions
    ///
    /// Those that go on, newest first.
    #[oai(path = "/sessions", method = "get", operation_id = "listSessions")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// Only sessions before this id.
        #[oai(example = "example_id")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<ListSessionsResponse, ListSessionsProblem> {
        let limit = limit.0.unwrap_or(PAGE).clamp(1, PAGE);
        let now = state.auth.now();
        let found = sessions::list(&state.pool, caller.user_id, before.0, limit + 1, now).await;
        let mut found = found.map_err(Problem::from)?;
        if found.is_empty() {
            need_active(state.0, caller.user_id).await?;
        }
        let more = i64::try_from(found.len()).is_ok_and(|count| count > limit);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = found.last().filter(|_| more).map(|session| session.id);
        let link = last.map(|id| link(state.0, id, limit));
        let own = found.into_iter().map(|one| Session::seen_from(caller.session_id, one)).collect();
        Ok(ListSessionsResponse::Listed(Json(own), link))
    }

    /// End a session
    ///
    /// One of yours, wherever it is: its tokens open nothing within a second. Ending the current one
    /// logs you out.
    #[oai(path = "/sessions/:id", method = "delete", operation_id = "endSession")]
    async fn end(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The session.
        #[oai(example = "example_session")]
        id: Path<i64>,
    ) -> Result<Json<EndedSessions>, EndSessionProblem> {
        let is_current = id.0 == caller.session_id;
        let reason = if is_current { EndReason::Logout } else { EndReason::Revoked };
        let ended = end(state.0, &caller, Which::One(id.0), reason).await?;
        if ended.ended == 0 {
            return Err(Problem::new(Code::NotFound).into());
        }
        Ok(Json(ended))
    }

    /// End your other sessions
    ///
    /// All but the one this request belongs to.
    #[oai(path = "/sessions/revoke_others", method = "post", operation_id = "endOtherSessions")]
    async fn end_others(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
    ) -> Result<Json<EndedSessions>, EndOtherSessionsProblem> {
        let others = Which::AllBut(caller.session_id);
        Ok(Json(end(state.0, &caller, others, EndReason::Revoked).await?))
    }
}

async fn end(
    state: &State,
    caller: &SignedIn,
    which: Which,
    reason: EndReason,
) -> Result<EndedSessions, Problem> {
    let ended = state.auth.end_sessions_now(caller.user_id, which, reason).await?;
    Ok(EndedSessions { ended: u32::try_from(ended).unwrap_or(u32::MAX) })
}

/// An account that was disabled while the token was good has no sessions to show.
async fn need_active(state: &State, user_id: i64) -> Result<(), Problem> {
    let profile = users::profile(&state.pool, user_id).await?;
    profile.map(drop).ok_or_else(|| Problem::new(Code::UserInactive))
}

fn link(state: &State, before: i64, limit: i64) -> String {
    let prefix = state.config.http.prefixes.first().map_or("", String::as_str);
    let url = format!("{}{prefix}/sessions/", state.config.http.public_url);
    format!("<{url}?before={before}&limit={limit}>; rel=\"next\"")
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_id() -> Option<i64> {
    Some(141)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_limit() -> Option<i64> {
    Some(100)
}

fn example_session() -> i64 {
    41
}
