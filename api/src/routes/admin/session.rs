//! `admin/session/`: who is in the console.

use chrono::DateTime;
use poem::{FromRequest, Request, RequestBody, web::Data};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, payload::Json, types::Example};
use shared::{
    admin::roles::{Action, Role},
    audit::{Actor, Source},
    auth::{LoggedIn, console::Key},
    config::LoginMethod,
    sessions::{EndReason, Which, console::Open},
    users,
};

use super::types::{StaffDone, StaffRole};
use crate::{
    caller::{
        Client,
        console::{AtConsole, cookie_name, is_https, is_own},
    },
    error::{Code, Problem, problems},
    input::{Fields, FromFields, Input},
    language::Language,
    limits::Measured,
    middleware::RequestId,
    routes::{
        Tag,
        authenticate::{self, Authenticate},
        otp::example_handle,
        passwords::{self, Credentials},
    },
    state::{SharedState, State},
    timestamp::Timestamp,
};

/// A login to the console: with a code, or with a name and a password.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ConsoleLogin {
    /// The number a code of `otp/send/` was sent to.
    mobile_number: Option<String>,
    /// That code.
    code: Option<String>,
    /// Which of the number's accounts; 0 unless given.
    group: Option<i32>,
    /// The handle that `otp/send/` returned.
    #[oai(validator(pattern = "^[0-9a-f]{32}$"))]
    request_id: Option<String>,
    /// The account's name, where it is opened with a password.
    username: Option<String>,
    /// Its password.
    password: Option<String>,
}

impl Example for ConsoleLogin {
    fn example() -> Self {
        Self {
            mobile_number: Some("09123456789".to_owned()),
            code: Some("40719365".to_owned()),
            group: Some(0),
            request_id: Some(example_handle()),
            username: None,
            password: None,
        }
    }
}

/// [`ConsoleLogin`], read.
pub(crate) enum Entry {
    Code(Authenticate),
    Password(Credentials),
}

impl FromFields for Entry {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        if fields.has("password") {
            return Credentials::from_fields(fields).map(Self::Password);
        }
        Authenticate::from_fields(fields).map(Self::Code)
    }
}

/// A way to prove anew who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ConsoleProof {
    /// With the password.
    Password,
    /// With a code that `me/confirm/send/` sends.
    Code,
}

/// A language of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ConsoleLanguage {
    /// Persian.
    Fa,
    /// English.
    En,
}

/// Somebody in the console.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ConsoleSession {
    /// The account.
    user_id: i64,
    /// Its unique name.
    username: String,
    /// Empty unless given.
    first_name: String,
    /// What its owner is on the staff.
    role: StaffRole,
    /// What this role may do, in words such as `look_at_users`.
    may: Vec<String>,
    /// How they can prove anew who they are.
    confirm_by: Vec<ConsoleProof>,
    /// What `X-CSRF-Token` has to say in every request that changes something.
    csrf_token: String,
    /// The language the client wants most.
    language: ConsoleLanguage,
    /// When they have to log in again in any case.
    expires_at: Timestamp,
}

impl Example for ConsoleSession {
    fn example() -> Self {
        Self {
            user_id: 3,
            username: "sara.ahmadi".to_owned(),
            first_name: "Sara".to_owned(),
            role: StaffRole::Support,
            may: vec!["look_at_users".to_owned(), "see_personal_data".to_owned()],
            confirm_by: vec![ConsoleProof::Password, ConsoleProof::Code],
            csrf_token: "3f8a".repeat(8),
            language: ConsoleLanguage::Fa,
            expires_at: Timestamp(DateTime::UNIX_EPOCH),
        }
    }
}

/// A session that began.
#[derive(ApiResponse)]
pub(crate) enum BegunResponse {
    /// They are in.
    #[oai(status = 200)]
    Begun(
        Json<ConsoleSession>,
        /// The cookie of the console.
        #[oai(header = "Set-Cookie")]
        String,
    ),
}

/// A session that ended.
#[derive(ApiResponse)]
pub(crate) enum EndedResponse {
    /// They are out.
    #[oai(status = 200)]
    Ended(
        Json<StaffDone>,
        /// Takes the cookie away.
        #[oai(header = "Set-Cookie")]
        String,
    ),
}

problems!(
    /// What can go wrong with coming in.
    pub(crate) BeginConsoleSessionProblem: 400, 401, 403, 408, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with a look at who is in.
    pub(crate) ConsoleSessionProblem: 401, 403, 408, 413, 500, 503
);

/// Refuses what another page may have a browser send: it would log somebody in to an account that is
/// not theirs.
pub(crate) struct OwnPage;

impl<'a> FromRequest<'a> for OwnPage {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let state: &SharedState = request.data().expect("the router gives every request the state");
        if is_own(request, state) { Ok(Self) } else { Err(Problem::new(Code::CsrfFailed).into()) }
    }
}

/// The operations.
pub(crate) struct ConsoleSessionApi;

#[OpenApi(tag = "Tag::Staff")]
impl ConsoleSessionApi {
    /// Come into the console
    ///
    /// With a code of `otp/send/`, or with a name and a password, like any login; for staff only. The
    /// session is known by a cookie, which opens `admin/…`, `me/confirm/` and a payment's way back for
    /// pages of this server, and it is shorter than others. Counted like any login. Written down in the audit log.
    #[oai(path = "/admin/session", method = "post", operation_id = "beginConsoleSession")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn begin(
        &self,
        state: Data<&SharedState>,
        _own: OwnPage,
        client: Client,
        measured: Measured,
        request: RequestId,
        language: Language,
        input: Input<Entry, ConsoleLogin>,
    ) -> Result<BegunResponse, BeginConsoleSessionProblem> {
        let ip = client.ip;
        let LoggedIn { user, session_id, .. } = match input.0 {
            Entry::Code(entry) => authenticate::enter(state.0, client, &measured, &entry).await?,
            Entry::Password(entry) => passwords::enter(state.0, &client, &measured, &entry).await?,
        };
        let source = Source {
            actor: Actor::User(user.id),
            ip: Some(ip.0),
            request_id: Some(request.as_str().to_owned()),
        };
        let opened = open(state.0, &source, user.id, session_id).await;
        let (role, key) = match opened {
            Ok(opened) => opened,
            Err(problem) => {
                // Nobody was given its tokens.
                end(state.0, user.id, session_id).await?;
                return Err(problem.into());
            }
        };
        let expires_at = state.auth.now()
            + chrono::TimeDelta::seconds(state.config.console.session_seconds.into());
        let open = Open { id: session_id, user_id: user.id, idle_until: expires_at, expires_at };
        let session = describe(state.0, (&key, &open), role, language).await?;
        let cookie = cookie(state.0, &key.to_cookie(), state.config.console.session_seconds);
        Ok(BegunResponse::Begun(Json(session), cookie))
    }

    /// See who is in the console
    ///
    /// Whose cookie came with the request, what they may do, and the token that changes need.
    #[oai(path = "/admin/session", method = "get", operation_id = "getConsoleSession")]
    async fn look(
        &self,
        state: Data<&SharedState>,
        console: AtConsole,
        language: Language,
    ) -> Result<Json<ConsoleSession>, ConsoleSessionProblem> {
        let AtConsole { caller, key, open } = console;
        let role = state.admin.role_of(caller.user_id).await.map_err(Problem::from)?;
        let role = role.ok_or_else(|| Problem::new(Code::PermissionDenied))?;
        Ok(Json(describe(state.0, (&key, &open), role, language).await?))
    }

    /// Leave the console
    ///
    /// Its session ends at once.
    #[oai(path = "/admin/session", method = "delete", operation_id = "endConsoleSession")]
    async fn leave(
        &self,
        state: Data<&SharedState>,
        console: AtConsole,
    ) -> Result<EndedResponse, ConsoleSessionProblem> {
        end(state.0, console.caller.user_id, console.caller.session_id).await?;
        let details = "You have left the console.".to_owned();
        let done = StaffDone { details, sessions: Some(1) };
        Ok(EndedResponse::Ended(Json(done), cookie(state.0, "", 0)))
    }
}

/// Makes the session of a login one of the console, for staff.
async fn open(
    state: &State,
    source: &Source,
    user_id: i64,
    session_id: i64,
) -> Result<(Role, Key), Problem> {
    let role = state.admin.enter_console(source, user_id).await?;
    let role = role.ok_or_else(|| Problem::new(Code::PermissionDenied))?;
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let key = state.auth.open_console(session_id, &state.config.console, &mut rng).await?;
    Ok((role, key.ok_or_else(|| Problem::new(Code::NotAuthenticated))?))
}

async fn end(state: &State, user_id: i64, session_id: i64) -> Result<(), Problem> {
    let which = Which::One(session_id);
    Ok(state.auth.end_sessions_now(user_id, which, EndReason::Logout).await.map(drop)?)
}

async fn describe(
    state: &State,
    (key, open): (&Key, &Open),
    role: Role,
    language: Language,
) -> Result<ConsoleSession, Problem> {
    let profile = users::profile(&state.pool, open.user_id).await?;
    let profile = profile.ok_or_else(|| Problem::new(Code::UserInactive))?;
    let has_password =
        profile.has_password && state.config.auth.methods.contains(&LoginMethod::Password);
    let ways =
        [(has_password, ConsoleProof::Password), (profile.phone.is_some(), ConsoleProof::Code)];
    let may = Action::ALL.into_iter().filter(|action| role.may(*action));
    Ok(ConsoleSession {
        user_id: open.user_id,
        username: profile.username,
        first_name: profile.first_name,
        role: role.into(),
        may: may.map(Action::word).collect(),
        confirm_by: ways.into_iter().filter(|(has, _)| *has).map(|(_, way)| way).collect(),
        csrf_token: key.csrf_token(),
        language: match language {
            Language::Persian => ConsoleLanguage::Fa,
            Language::English => ConsoleLanguage::En,
        },
        expires_at: Timestamp(open.expires_at),
    })
}

/// `Set-Cookie`: no script reads it, and no other site's page has it sent.
fn cookie(state: &State, value: &str, seconds: u32) -> String {
    let secure = if is_https(state) { "; Secure" } else { "" };
    let name = cookie_name(state);
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}
