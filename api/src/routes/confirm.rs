//! `me/confirm/`: proving anew who one is, for what needs a login of a moment ago.

use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Header, payload::Json, types::Example};
use shared::{
    auth::confirm::{ConfirmByCode, ConfirmError},
    idempotency::Caller,
    otp::Purpose,
    telemetry::OTP_CHECKS,
};

use super::{
    Tag,
    authenticate::{read_request_id, refuse_code},
    otp::{Asked, SendOtpResponse, asks_for_async, example_handle, example_preference, send_code},
};
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    idempotency::IdempotencyKey,
    input::{Fields, FromFields, Input, Text},
    state::{SharedState, State},
};

/// A proof of who one is.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Confirm {
    /// The code that `me/confirm/send/` sent, also in Persian or Arabic digits.
    #[oai(validator(max_length = 64))]
    code: String,
    /// The handle that the send returned. With it, other people's guesses cannot use up the
    /// attempts.
    #[oai(validator(pattern = "^[0-9a-f]{32}$"))]
    request_id: Option<String>,
}

impl Example for Confirm {
    fn example() -> Self {
        Self { code: "40719365".to_owned(), request_id: Some(example_handle()) }
    }
}

impl FromFields for Confirm {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let code = fields.text("code", Text::max(64).or_blank());
        let request_id = read_request_id(fields);
        Some(Self { code: code?, request_id })
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
    pub(crate) ConfirmProblem: 400, 401, 408, 413, 415, 429, 500, 503
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
    /// With a code that `me/confirm/send/` sent. This session then counts as one of a moment ago, for
    /// operations that need that.
    #[oai(path = "/me/confirm", method = "post", operation_id = "confirm")]
    async fn confirm(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        input: Input<Confirm>,
    ) -> Result<Json<Confirmed>, ConfirmProblem> {
        let started = tokio::time::Instant::now();
        by_code(state.0, &caller, &input.0, started).await?;
        let expires_in = state.config.auth.step_up_seconds;
        Ok(Json(Confirmed { details: "Confirmed.".to_owned(), expires_in }))
    }
}

async fn by_code(
    state: &State,
    caller: &SignedIn,
    input: &Confirm,
    started: tokio::time::Instant,
) -> Result<(), Problem> {
    let confirm = ConfirmByCode {
        user_id: caller.user_id,
        session_id: caller.session_id,
        code: &input.code,
        request_id: input.request_id.as_deref(),
    };
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

/// `None`: the code is not good.
fn failed(error: ConfirmError) -> Option<Problem> {
    match error {
        ConfirmError::NoSuchCode => None,
        ConfirmError::AccountDisabled => Some(Problem::new(Code::UserInactive)),
        ConfirmError::Database(error) => Some(error.into()),
        ConfirmError::Write(error) => Some(error.into()),
    }
}

fn no_phone() -> Problem {
    Problem::new(Code::NoPhone)
}
