//! `me/confirm/`: proving anew who one is, for what needs a login of a moment ago.

use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Header, payload::Json, types::Example};
use secrecy::SecretString;
use shared::{
    auth::{
        confirm::{ConfirmByCode, ConfirmError},
        passwords::ConfirmByPassword,
    },
    config::LoginMethod,
    idempotency::Caller,
    otp::Purpose,
    telemetry::OTP_CHECKS,
};
use tokio::time::Instant;

use super::{
    Tag,
    authenticate::{read_request_id, refuse_code},
    otp::{Asked, SendOtpResponse, asks_for_async, example_handle, example_preference, send_code},
    passwords::turn,
};
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    idempotency::IdempotencyKey,
    input::{Fields, FromFields, Input, Text},
    limits,
    state::{SharedState, State},
};

/// A proof of who one is: a password, or a code.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Confirm {
    /// The account's password, if it has one.
    password: Option<String>,
    /// The code that `me/confirm/send/` sent, also in Persian or Arabic digits.
    #[oai(validator(max_length = 64))]
    code: Option<String>,
    /// The handle that the send returned. With it, other people's guesses cannot use up the
    /// attempts.
    #[oai(validator(pattern = "^[0-9a-f]{32}$"))]
    request_id: Option<String>,
}

impl Example for Confirm {
    fn example() -> Self {
        let (code, request_id) = (Some("40719365".to_owned()), Some(example_handle()));
        Self { password: None, code, request_id }
    }
}

/// A proof, read.
pub(crate) enum Proof {
    Password(SecretString),
    Code { code: String, request_id: Option<String> },
}

/// The password comes first, for clients that send what they have.
impl FromFields for Proof {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        if fields.has("password") {
            return fields.secret("password").map(Self::Password);
        }
        let code = fields.text("code", Text::max(64).or_blank());
        let request_id = read_request_id(fields);
        Some(Self::Code { code: code?, request_id })
    }
}

/// What a proof is good for.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Confirmed {
    /// A sentence for people.
    details: String,
    /// Seconds for which this session counts as one of somebody who proved who they are.
    expires_in: u32,
}

impl Example for Confirmed {
    fn example() -> Self {
        Self { details: "Confirmed.".to_owned(), expires_in: 600 }
    }
}

problems!(
    /// What can go wrong with a proof.
    pub(crate) ConfirmProblem: 400, 401, 403, 408, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with asking for a code.
    pub(crate) SendConfirmationProblem: 400, 401, 408, 409, 413, 422, 429, 500, 502, 503
);

/// The operations.
pub(crate) struct ConfirmApi;

#[OpenApi(tag = "Tag::Account")]
impl ConfirmApi {
    /// Ask for a code that proves who you are
    ///
    /// Sends a code to your own number. It is good for `me/confirm/` only.
    #[oai(path = "/me/confirm/send", method = "post", operation_id = "sendConfirmation")]
    async fn send_confirmation(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        key: IdempotencyKey,
        /// `respond-async`: answer 202 at once.
        #[oai(name = "Prefer", example = "example_preference")]
        prefer: Header<Option<String>>,
    ) -> Result<SendOtpResponse, SendConfirmationProblem> {
        let phone = state.auth.number_to_confirm(caller.user_id).await;
        let phone = phone.map_err(|error| failed(error).unwrap_or_else(no_phone))?;
        let phone = phone.ok_or_else(no_phone)?;
        let own = Caller::User(caller.user_id);
        let keyed = key.keyed(own, "sendConfirmation", &phone.as_e164());
        let asked = Asked {
            phone,
            purpose: Purpose::Confirm,
            ip: caller.ip,
            wait: !prefer.0.is_some_and(|prefer| asks_for_async(&prefer)),
            keyed,
            request: caller.request,
            mount: None,
        };
        Ok(send_code(state.0, asked, &caller.measured).await?)
    }

    /// Prove who you are
    ///
    /// With your password, or with a code that `me/confirm/send/` sent. This session then counts as one of a moment ago, for
    /// operations that need that.
    #[oai(path = "/me/confirm", method = "post", operation_id = "confirm")]
    async fn confirm(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        input: Input<Proof, Confirm>,
    ) -> Result<Json<Confirmed>, ConfirmProblem> {
        match input.0 {
            Proof::Password(password) => by_password(state.0, &caller, &password).await?,
            Proof::Code { code, request_id } => {
                by_code(state.0, &caller, &code, request_id.as_deref()).await?;
            }
        }
        let expires_in = state.config.auth.step_up_seconds;
        Ok(Json(Confirmed { details: "Confirmed.".to_owned(), expires_in }))
    }
}

async fn by_code(
    state: &State,
    caller: &SignedIn,
    code: &str,
    request_id: Option<&str>,
) -> Result<(), Problem> {
    let started = Instant::now();
    let (user_id, session_id) = (caller.user_id, caller.session_id);
    let trace = &caller.trace();
    let confirm = ConfirmByCode { user_id, session_id, code, request_id, trace };
    if let Err(error) = state.auth.confirm_by_code(&confirm).await {
        let Some(problem) = failed(error) else {
            let (ip, measured) = (caller.ip, &caller.measured);
            return Err(refuse_code(state, Code::OtpNotValid, ip, measured, started).await);
        };
        return Err(problem);
    }
    OTP_CHECKS.with_label_values(&["accepted"]).inc();
    Ok(())
}

/// Wrong passwords share their limit with those of `me/password/`.
async fn by_password(
    state: &State,
    caller: &SignedIn,
    password: &SecretString,
) -> Result<(), Problem> {
    state.need_method(LoginMethod::Password)?;
    let name = format!("#{}", caller.user_id);
    let failures = limits::password_failures(&state.config.limits, caller.ip.0, &name);
    let turn = turn(state, &caller.measured, &failures).await?;
    let (user_id, session_id) = (caller.user_id, caller.session_id);
    let confirm = ConfirmByPassword { user_id, session_id, password };
    let Err(error) = state.auth.confirm_by_password(&turn, &confirm).await else { return Ok(()) };
    if let Some(problem) = failed(error) {
        return Err(problem);
    }
    caller.measured.ask(state, &failures).await?;
    let message = "Your password was entered incorrectly. Please enter it again.";
    Err(Problem::new(Code::Validation).with_field("password", "password_incorrect", message))
}

/// `None`: the proof is not good.
fn failed(error: ConfirmError) -> Option<Problem> {
    match error {
        ConfirmError::Wrong => None,
        ConfirmError::AccountDisabled => Some(Problem::new(Code::UserInactive)),
        ConfirmError::Database(error) => Some(error.into()),
        ConfirmError::Write(error) => Some(error.into()),
    }
}

fn no_phone() -> Problem {
    Problem::new(Code::NoPhone)
}
