//! `authenticate/`: log in with a one-time code.

use std::time::Duration;

use poem::web::Data;
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use serde_json::Value;
use shared::{
    auth::{CodeLogin, LoggedIn, LoginError},
    config::LoginMethod,
    config::UserField,
    ids,
    phone::PhoneNumber,
    telemetry::OTP_CHECKS,
    users::User,
};

use super::{Tag, otp::example_handle, parse_phone};
use crate::{
    caller::Client,
    error::{Code, Problem, problems},
    input::{Fields, FromFields, Input, Text},
    limits::{self, Measured},
    middleware::ClientIp,
    state::{SharedState, State},
};

/// A number with the code that was sent to it.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Authenticate {
    /// The number the code was sent to, in any usual form.
    #[oai(validator(min_length = 1, max_length = 64))]
    mobile_number: String,
    /// The code, also in Persian or Arabic digits.
    #[oai(validator(max_length = 64))]
    code: String,
    /// Which of the number's accounts; 0 unless given. Only configured groups are accepted.
    group: Option<i32>,
    /// The handle that `otp/send/` returned. With it, other people's guesses cannot use up the
    /// attempts.
    #[oai(validator(pattern = "^[0-9a-f]{32}$"))]
    request_id: Option<String>,
}

impl Example for Authenticate {
    fn example() -> Self {
        Self {
            mobile_number: "09123456789".to_owned(),
            code: "40719365".to_owned(),
            group: Some(0),
            request_id: Some(example_handle()),
        }
    }
}

impl FromFields for Authenticate {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let mobile_number = fields.text("mobile_number", Text::any());
        // The old system took null for a code like any other wrong one.
        let code = if fields.is_null("code") {
            Some(String::new())
        } else {
            fields.text("code", Text::max(64).or_blank())
        };
        let group = fields.value("group").as_ref().and_then(read_group);
        let request_id = read_request_id(fields);
        Some(Self { mobile_number: mobile_number?, code: code?, group, request_id })
    }
}

/// Numbers, and strings that hold one; anything else means the default group, as it always did.
fn read_group(value: &Value) -> Option<i32> {
    match value {
        Value::Number(number) => number.as_i64().map(|n| i32::try_from(n).unwrap_or(i32::MAX)),
        Value::String(text) => {
            let text: String =
                text.trim().chars().map(|c| shared::phone::ascii_digit(c).unwrap_or(c)).collect();
            text.parse().ok()
        }
        _ => None,
    }
}

pub(crate) fn read_request_id(fields: &mut Fields) -> Option<String> {
    if fields.is_null("request_id") {
        return None;
    }
    let request_id = fields.optional_text("request_id", Text::max(64))?;
    if !ids::is_handle(&request_id) {
        fields.error("request_id", "invalid", "Not a request_id of otp/send/.");
        return None;
    }
    Some(request_id)
}

/// The account.
#[derive(Debug, Object)]
#[oai(rename = "User")]
pub(crate) struct UserBody {
    /// The account's number.
    id: i64,
    /// Its unique name.
    username: String,
    /// Its mobile number, in the national form for Iran; absent if it has none.
    #[oai(skip_serializing_if_is_none)]
    mobile_number: Option<String>,
    /// Its group.
    group: i32,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            mobile_number: user.phone.as_ref().map(PhoneNumber::to_national),
            group: user.group,
        }
    }
}

/// A successful login.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct AuthenticateResult {
    /// Access token (JWT): send it as `Authorization: Bearer …`.
    access: String,
    /// Refresh token (JWT), for new access tokens.
    refresh: String,
    /// Who logged in.
    user: UserBody,
}

impl From<LoggedIn> for AuthenticateResult {
    fn from(LoggedIn { user, tokens, .. }: LoggedIn) -> Self {
        Self { access: tokens.access, refresh: tokens.refresh, user: user.into() }
    }
}

impl Example for AuthenticateResult {
    fn example() -> Self {
        let user = UserBody {
            id: 17,
            username: "G0-09123456789".to_owned(),
            mobile_number: Some("09123456789".to_owned()),
            group: 0,
        };
        Self {
            access: "eyJhbGciOiJFUzI1NiJ9.eyJ1c2VyX2lkIjoiMTcifQ.c2lnbmF0dXJl".to_owned(),
            refresh: "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiI1ZjBjIn0.c2lnbmF0dXJl".to_owned(),
            user,
        }
    }
}

problems!(
    /// What can go wrong with a login.
    pub(crate) AuthenticateProblem: 400, 401, 403, 408, 413, 415, 429, 500, 503
);

/// The operation.
pub(crate) struct AuthenticateApi;

#[OpenApi(tag = "Tag::Authentication")]
impl AuthenticateApi {
    /// Log in with a one-time code
    ///
    /// The first login with a number makes its account. A wrong, expired, used or unknown code is
    /// answered alike.
    #[oai(path = "/authenticate", method = "post", operation_id = "authenticate")]
    async fn authenticate(
        &self,
        state: Data<&SharedState>,
        client: Client,
        measured: Measured,
        input: Input<Authenticate>,
    ) -> Result<Json<AuthenticateResult>, AuthenticateProblem> {
        Ok(Json(enter(state.0, client, &measured, &input.0).await?.into()))
    }
}

/// Logs in with a code, and counts it.
///
/// # Errors
/// 401 for wrong ones, 403 where that is closed, 429 after too many.
pub(crate) async fn enter(
    state: &State,
    client: Client,
    measured: &Measured,
    input: &Authenticate,
) -> Result<LoggedIn, Problem> {
    state.need_method(LoginMethod::Otp)?;
    state.refuse_blocked(client.ip.0)?;
    let started = tokio::time::Instant::now();
    let phone = parse_phone(&state.phones, "mobile_number", &input.mobile_number)?;
    let group = allowed_group(state, input.group)?;
    let Client { ip, origin } = client;
    let login = CodeLogin {
        phone: &phone,
        code: &input.code,
        group,
        named: UserField::Phone,
        request_id: input.request_id.as_deref(),
        origin: &origin,
    };
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    match state.auth.login_by_code(&login, &mut rng).await {
        Ok(logged_in) => {
            OTP_CHECKS.with_label_values(&["accepted"]).inc();
            // Told, never asked: no failure of others is in the way of a right code.
            measured.recall(state, &limits::verify_failure_ip(&state.config.limits, ip.0));
            Ok(logged_in)
        }
        Err(error) => Err(refuse(state, error, ip, measured, started).await),
    }
}

/// The group that was asked for, or the default one.
///
/// # Errors
/// A validation problem for one that is not configured.
pub(crate) fn allowed_group(state: &State, group: Option<i32>) -> Result<i32, Problem> {
    let groups = &state.config.auth.groups;
    let group = group.unwrap_or_else(|| {
        if groups.contains(&0) { 0 } else { groups.first().copied().unwrap_or(0) }
    });
    if groups.contains(&group) {
        return Ok(group);
    }
    let message = format!("\"{group}\" is not a valid choice.");
    Err(Problem::new(Code::Validation).with_field("group", "invalid_choice", message))
}

pub(crate) async fn refuse(
    state: &State,
    error: LoginError,
    ip: ClientIp,
    measured: &Measured,
    started: tokio::time::Instant,
) -> Problem {
    let code = match error {
        LoginError::NoSuchCode => Code::OtpNotFound,
        LoginError::AccountDisabled(_) => Code::UserInactive,
        LoginError::Database(error) => return error.into(),
        LoginError::Write(error) => return error.into(),
    };
    refuse_code(state, code, ip, measured, started).await
}

/// Somebody did not prove who they are. Every refusal takes at least the configured time, so that
/// a number with a code and one without cannot be told apart by the clock. Only failures spend the
/// address's share: a right code is never refused for what others did.
pub(crate) async fn refuse_code(
    state: &State,
    code: Code,
    ip: ClientIp,
    measured: &Measured,
    started: tokio::time::Instant,
) -> Problem {
    let failures = limits::verify_failure_ip(&state.config.limits, ip.0);
    let limited = measured.ask(state, &failures).await;
    let floor = Duration::from_millis(state.config.auth.failure_floor_ms);
    tokio::time::sleep_until(started + floor).await;
    let (label, problem) = match limited {
        Ok(()) => ("refused", Problem::new(code)),
        Err(limited) => ("limited", limited.into()),
    };
    OTP_CHECKS.with_label_values(&[label]).inc();
    problem
}
