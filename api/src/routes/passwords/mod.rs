//! `register/`, `login/`, `me/password/` and `password/reset/…`: accounts with a password.

mod problems;
mod reset_types;
mod types;

use std::time::Duration;

use poem::web::Data;
use poem_openapi::{OpenApi, payload::Json};
use shared::{
    auth::{
        LoggedIn,
        passwords::{
            ChangeError, NewAccount, PasswordChange, PasswordLogin, PasswordLoginError,
            PasswordReset, Proof, ResetError, Turn,
            rules::{self, Owner},
        },
    },
    config::LoginMethod,
    ids,
    jobs::Queue,
    limits::Ask,
    login_events::Trace,
    otp::NewSend,
    phone::PhoneNumber,
    telemetry::{OTP_CHECKS, PASSWORD_LOGINS},
    users::username::normal_form,
};
use tokio::time::{Instant, sleep_until};

pub(super) use self::types::Credentials;
use self::{
    reset_types::{
        PasswordResetResponse, PasswordResetResult, Reset, ResetAsked, ResetPassword,
        SendPasswordReset,
    },
    types::{
        Change, ChangePassword, Login, PasswordResult, Register, RegisterResponse, Registered,
        Registration, refused,
    },
};
use super::{
    Tag,
    authenticate::{AuthenticateResult, allowed_group, refuse_code},
    parse_phone,
};
use crate::{
    caller::{Client, SignedIn},
    error::{Code, Problem, problems},
    input::Input,
    limits::{self, Measured},
    middleware::{ClientIp, RequestId},
    state::{SharedState, State},
};

/// How long asking for a code to set a new password takes at least: longer than accepting a text takes
/// on a bad day, so that the clock does not tell whether one was.
const ASKING_TAKES: Duration = Duration::from_millis(300);

problems!(
    /// What can go wrong with making an account.
    pub(crate) RegisterProblem: 400, 403, 408, 409, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with a login.
    pub(crate) LoginProblem: 400, 401, 403, 408, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with a change of one's password.
    pub(crate) ChangePasswordProblem: 400, 401, 403, 408, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with asking for a code.
    pub(crate) SendPasswordResetProblem: 400, 403, 408, 409, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with setting a new password.
    pub(crate) ResetPasswordProblem: 400, 401, 403, 408, 413, 415, 429, 500, 503
);

/// The operations. `auth.methods` without `password` closes all of them.
pub(crate) struct PasswordApi;

#[OpenApi]
impl PasswordApi {
    /// Make an account with a name and a password
    #[oai(
        path = "/register",
        method = "post",
        operation_id = "register",
        tag = "Tag::Authentication"
    )]
    async fn register(
        &self,
        state: Data<&SharedState>,
        ip: ClientIp,
        measured: Measured,
        input: Input<Registration, Register>,
    ) -> Result<RegisterResponse, RegisterProblem> {
        state.need_method(LoginMethod::Password)?;
        let Registration { username, password, email } = input.0;
        let group = allowed_group(state.0, None)?;
        let asks = limits::registrations_ip(&state.config.limits, ip.0);
        measured.ask(&state, &asks).await.map_err(Problem::from)?;
        let new = NewAccount { username: &username, email: &email, group, password: &password };
        let mut rng = rand::make_rng::<rand::rngs::StdRng>();
        let user = state.auth.register(&new, &mut rng).await.map_err(Problem::from)?;
        Ok(RegisterResponse::Made(Json(Registered::new(user, email))))
    }

    /// Log in with a name and a password
    ///
    /// A wrong password, an unknown name, an account without a password and a disabled one are
    /// answered alike. Failures are counted by address, and by name and address; when they are too
    /// many, also the right password has to wait there, and nowhere else.
    #[oai(path = "/login", method = "post", operation_id = "login", tag = "Tag::Authentication")]
    async fn login(
        &self,
        state: Data<&SharedState>,
        client: Client,
        measured: Measured,
        input: Input<Credentials, Login>,
    ) -> Result<Json<AuthenticateResult>, LoginProblem> {
        Ok(Json(enter(state.0, &client, &measured, &input.0).await?.into()))
    }

    /// Set or change your password
    ///
    /// Ends all other sessions. Changing it needs the current one; setting the first one needs a
    /// login or a confirmation of a moment ago.
    #[oai(
        path = "/me/password",
        method = "post",
        operation_id = "changePassword",
        tag = "Tag::Account"
    )]
    async fn change(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        input: Input<Change, ChangePassword>,
    ) -> Result<Json<PasswordResult>, ChangePasswordProblem> {
        state.need_method(LoginMethod::Password)?;
        let Change { current, new } = input.0;
        let has_one = state.auth.prepare_change(caller.user_id, &new).await;
        let proof = match (has_one.map_err(Problem::from)?, &current) {
            (true, None) => return Err(Problem::from(ChangeError::CurrentMissing).into()),
            (true, Some(current)) => Proof::Current(current),
            (false, _) => {
                caller.need_recent(&state).await?;
                Proof::Recent
            }
        };
        change(
            state.0,
            &caller,
            PasswordChange {
                user_id: caller.user_id,
                session_id: caller.session_id,
                proof,
                new: &new,
            },
        )
        .await?;
        Ok(Json(PasswordResult::changed()))
    }

    /// Ask for a code to set a new password with
    ///
    /// Answers the same, and as fast, whether the number has an account or not; where it has none,
    /// no text is sent.
    #[oai(
        path = "/password/reset",
        method = "post",
        operation_id = "sendPasswordReset",
        tag = "Tag::Authentication"
    )]
    async fn send_reset(
        &self,
        state: Data<&SharedState>,
        ip: ClientIp,
        measured: Measured,
        request: RequestId,
        input: Input<ResetAsked, SendPasswordReset>,
    ) -> Result<PasswordResetResponse, SendPasswordResetProblem> {
        state.need_method(LoginMethod::Password)?;
        let phone = parse_phone(&state.phones, "mobile_number", &input.0.mobile_number)?;
        let group = allowed_group(state.0, input.0.group)?;
        let asks = limits::password_resets(&state.config, ip.0, &phone);
        measured.ask(&state, &asks).await.map_err(|limited| {
            if limited.policy.name == limits::RESET_COOLDOWN {
                return Problem::new(Code::OtpCooldown).with_retry_after(limited.retry_after);
            }
            limited.into()
        })?;
        let request_id = send_reset(state.0, &phone, group, ip, &request).await?;
        let resend_after = state.config.otp.resend_after().as_secs();
        let result = PasswordResetResult::new(request_id, resend_after);
        Ok(PasswordResetResponse::Accepted(Json(result)))
    }

    /// Set a new password with a code
    ///
    /// Ends all sessions of the account and begins none: log in with the new password.
    #[oai(
        path = "/password/reset/confirm",
        method = "post",
        operation_id = "resetPassword",
        tag = "Tag::Authentication"
    )]
    async fn reset(
        &self,
        state: Data<&SharedState>,
        ip: ClientIp,
        measured: Measured,
        request: RequestId,
        input: Input<Reset, ResetPassword>,
    ) -> Result<Json<PasswordResult>, ResetPasswordProblem> {
        state.need_method(LoginMethod::Password)?;
        let started = Instant::now();
        let input = input.0;
        let phone = parse_phone(&state.phones, "mobile_number", &input.mobile_number)?;
        let group = allowed_group(state.0, input.group)?;
        // What can be said of the password without the account costs no attempt.
        let broken = rules::check(&input.new, &Owner { phone: Some(&phone), ..Owner::default() });
        if !broken.is_empty() {
            return Err(refused(broken).into());
        }
        let trace = Trace { ip: Some(ip.0), request_id: Some(request.as_str().to_owned()) };
        let reset = PasswordReset {
            trace: &trace,
            phone: &phone,
            group,
            code: &input.code,
            request_id: input.request_id.as_deref(),
            new: &input.new,
        };
        let mut rng = rand::make_rng::<rand::rngs::StdRng>();
        let code = match state.auth.reset_password(&reset, &mut rng).await {
            Ok(()) => {
                OTP_CHECKS.with_label_values(&["accepted"]).inc();
                return Ok(Json(PasswordResult::changed()));
            }
            Err(ResetError::NoSuchCode) => Code::OtpNotFound,
            Err(ResetError::AccountDisabled) => Code::UserInactive,
            Err(ResetError::Broken(broken)) => return Err(refused(broken).into()),
            Err(ResetError::Busy(busy)) => return Err(Problem::from(busy).into()),
            Err(ResetError::Database(error)) => return Err(Problem::from(error).into()),
            Err(ResetError::Write(error)) => return Err(Problem::from(error).into()),
        };
        Err(refuse_code(state.0, code, ip, &measured, started).await.into())
    }
}

/// A turn to check a password. Failures that are known here are asked for before it is waited for,
/// and those of all processes once it has come: so however many guesses come at once, only those
/// that are checked at this moment are more than the limit.
pub(super) async fn turn(
    state: &State,
    measured: &Measured,
    failures: &[Ask],
) -> Result<Turn, Problem> {
    measured.foresee(state, failures)?;
    let turn = state.auth.passwords().turn().await?;
    let looks: Vec<_> = failures.iter().cloned().map(Ask::looking).collect();
    measured.ask(state, &looks).await?;
    Ok(turn)
}

/// Logs in with a password, and counts it.
///
/// # Errors
/// 401 for wrong ones, 403 where that is closed, 429 after too many.
pub(super) async fn enter(
    state: &State,
    client: &Client,
    measured: &Measured,
    input: &Credentials,
) -> Result<LoggedIn, Problem> {
    state.need_method(LoginMethod::Password)?;
    state.refuse_blocked(client.ip.0)?;
    let result = log_in(state, client, measured, input).await;
    PASSWORD_LOGINS.with_label_values(&[label(&result)]).inc();
    result
}

async fn log_in(
    state: &State,
    client: &Client,
    measured: &Measured,
    input: &Credentials,
) -> Result<LoggedIn, Problem> {
    let Credentials { username, password } = input;
    let name = normal_form(username);
    let failures = limits::password_failures(&state.config.limits, client.ip.0, &name);
    let turn = turn(state, measured, &failures).await?;
    let started = Instant::now();
    let login = PasswordLogin { username, password, origin: &client.origin };
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    match state.auth.login_by_password(&turn, &login, &mut rng).await {
        Ok(logged_in) => Ok(logged_in),
        Err(PasswordLoginError::Database(error)) => Err(error.into()),
        Err(PasswordLoginError::Refused) => {
            let limited = measured.ask(state, &failures).await;
            drop(turn);
            let floor = Duration::from_millis(state.config.auth.failure_floor_ms);
            let floor = floor.max(state.auth.passwords().refusal_floor());
            sleep_until(started + floor).await;
            limited?;
            Err(Problem::new(Code::NoActiveAccount))
        }
    }
}

fn label(result: &Result<LoggedIn, Problem>) -> &'static str {
    match result.as_ref().map_err(Problem::code) {
        Ok(_) => "accepted",
        Err(Code::NoActiveAccount) => "refused",
        Err(Code::RateLimited) => "limited",
        Err(_) => "busy",
    }
}

/// Wrong current passwords are counted like failed logins, by the account's number: no name has a
/// `#` in it.
async fn change(
    state: &State,
    caller: &SignedIn,
    change: PasswordChange<'_>,
) -> Result<(), Problem> {
    let name = format!("#{}", caller.user_id);
    let failures = limits::password_failures(&state.config.limits, caller.ip.0, &name);
    let turn = turn(state, &caller.measured, &failures).await?;
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let result = state.auth.change_password(&turn, &change, &mut rng).await;
    if let Err(ChangeError::CurrentWrong) = result {
        caller.measured.ask(state, &failures).await?;
    }
    result.map_err(Problem::from)
}

/// The handle of a send, or one that nothing belongs to. Takes as long in either case.
async fn send_reset(
    state: &State,
    phone: &PhoneNumber,
    group: i32,
    ip: ClientIp,
    request: &RequestId,
) -> Result<String, Problem> {
    let started = Instant::now();
    let send = |purpose| NewSend {
        phone: phone.clone(),
        purpose,
        ip: Some(ip.0),
        reply_to: None,
        keyed: None,
        trace: Some(request.as_str().to_owned()),
        mount: None,
    };
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let accepted = state.auth.send_reset(phone, group, send, &mut rng).await?;
    if let Some(accepted) = &accepted {
        state.pusher.push(Queue::Otp, accepted.message);
    }
    let nobodys = ids::random_handle(&mut rng);
    sleep_until(started + ASKING_TAKES).await;
    Ok(accepted.map_or(nobodys, |accepted| accepted.request_id))
}
