//! `me/phone/`: another number for one's own account.

use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Header, payload::Json, types::Example};
use shared::{
    auth::phone_change::{
        BeginPhoneChange, BeginPhoneChangeError, ConfirmPhoneChange, ConfirmPhoneChangeError,
        PhoneChanged, TooSoon,
    },
    idempotency::Caller,
    jobs::Queue,
    otp::Purpose,
    phone::PhoneNumber,
    sms::templates::TextLanguage,
    telemetry::OTP_CHECKS,
};

use super::{
    Tag,
    authenticate::{read_request_id, refuse_code},
    me::Me,
    otp::{
        Asked, SendOtpResponse, asks_for_async, example_handle, example_preference, seconds,
        send_code,
    },
    parse_phone,
};
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    idempotency::IdempotencyKey,
    input::{Fields, FromFields, Input, Text},
    language::Language,
    state::{SharedState, State},
};

/// The number the account is to have.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ChangePhone {
    /// A mobile number in any usual form, also with Persian or Arabic digits.
    #[oai(validator(min_length = 1, max_length = 64))]
    mobile_number: String,
}

impl Example for ChangePhone {
    fn example() -> Self {
        Self { mobile_number: "09351234567".to_owned() }
    }
}

impl FromFields for ChangePhone {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { mobile_number: fields.text("mobile_number", Text::any())? })
    }
}

/// The code that was sent to the new number.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SentCode {
    /// The code, also in Persian or Arabic digits.
    #[oai(validator(max_length = 64))]
    code: String,
    /// The handle that the send returned. With it, other people's guesses cannot use up the
    /// attempts.
    #[oai(validator(pattern = "^[0-9a-f]{32}$"))]
    request_id: Option<String>,
}

impl Example for SentCode {
    fn example() -> Self {
        Self { code: "40719365".to_owned(), request_id: Some(example_handle()) }
    }
}

impl FromFields for SentCode {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let code = fields.text("code", Text::max(64).or_blank());
        let request_id = read_request_id(fields);
        Some(Self { code: code?, request_id })
    }
}

problems!(
    /// What can go wrong with asking for another number.
    pub(crate) BeginPhoneProblem: 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 502, 503
);
problems!(
    /// What can go wrong with proving that it is one's own.
    pub(crate) ConfirmPhoneProblem: 400, 401, 408, 409, 413, 415, 429, 500, 503
);

/// The operations.
pub(crate) struct PhoneApi;

#[OpenApi(tag = "Tag::Account")]
impl PhoneApi {
    /// Ask for another number
    ///
    /// Sends a code to the new number; nothing is changed until this session gives it to
    /// `me/phone/confirm/`. Needs a login, or `me/confirm/`, of a moment ago. The answer is the same
    /// whether the number has an account or not.
    #[oai(path = "/me/phone", method = "post", operation_id = "beginPhoneChange")]
    async fn begin_phone_change(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        key: IdempotencyKey,
        /// `respond-async`: answer 202 at once.
        #[oai(name = "Prefer", example = "example_preference")]
        prefer: Header<Option<String>>,
        input: Input<ChangePhone>,
    ) -> Result<SendOtpResponse, BeginPhoneProblem> {
        let phone = parse_phone(&state.phones, "mobile_number", &input.0.mobile_number)?;
        caller.need_recent(state.0).await?;
        let keyed = key.keyed(Caller::User(caller.user_id), "beginPhoneChange", &phone.as_e164());
        begin(state.0, &caller, &phone).await?;
        let asked = Asked {
            phone,
            purpose: Purpose::ChangePhone,
            ip: caller.ip,
            wait: !prefer.0.is_some_and(|prefer| asks_for_async(&prefer)),
            keyed,
            request: caller.request,
            mount: None,
        };
        Ok(send_code(state.0, asked, &caller.measured).await?)
    }

    /// Change the number
    ///
    /// With the code that was sent to the new one. Ends the account's other sessions and tells the
    /// old number.
    #[oai(path = "/me/phone/confirm", method = "post", operation_id = "confirmPhoneChange")]
    async fn confirm_phone_change(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        language: Language,
        input: Input<SentCode>,
    ) -> Result<Json<Me>, ConfirmPhoneProblem> {
        let SentCode { code, request_id } = input.0;
        let changed = confirm(state.0, &caller, language, &code, request_id.as_deref()).await;
        drop(changed?);
        Ok(Json(Me::of(state.0, caller.user_id).await?))
    }
}

/// Notes which number the caller's account is to have.
///
/// # Errors
/// Nothing that tells whose number it is.
pub(crate) async fn begin(
    state: &State,
    caller: &SignedIn,
    phone: &PhoneNumber,
) -> Result<(), Problem> {
    let (user_id, session_id) = (caller.user_id, caller.session_id);
    let begin = BeginPhoneChange { user_id, session_id, phone };
    state.auth.begin_phone_change(&begin).await.map_err(|error| match error {
        BeginPhoneChangeError::AccountDisabled => Problem::new(Code::UserInactive),
        BeginPhoneChangeError::SameNumber => {
            let message = "This is the number of your account.";
            Problem::new(Code::Validation).with_field("mobile_number", "same_number", message)
        }
        BeginPhoneChangeError::TooSoon(wait) => too_soon(wait),
        BeginPhoneChangeError::Database(error) => error.into(),
    })
}

/// Changes the number of the caller's account to the one the code was sent to.
///
/// # Errors
/// One problem for every code that is not good, and only for a good one what is in the way.
pub(crate) async fn confirm(
    state: &State,
    caller: &SignedIn,
    language: Language,
    code: &str,
    request_id: Option<&str>,
) -> Result<PhoneChanged, Problem> {
    let started = tokio::time::Instant::now();
    let confirm = ConfirmPhoneChange {
        user_id: caller.user_id,
        session_id: caller.session_id,
        code,
        request_id,
        trace: &caller.trace(),
        language: match language {
            Language::English => TextLanguage::En,
            Language::Persian => TextLanguage::Fa,
        },
    };
    let changed = state.auth.confirm_phone_change(&confirm).await;
    let changed = match changed {
        Ok(changed) => changed,
        Err(ConfirmPhoneChangeError::NoSuchCode) => {
            let (ip, measured) = (caller.ip, &caller.measured);
            return Err(refuse_code(state, Code::OtpNotValid, ip, measured, started).await);
        }
        Err(ConfirmPhoneChangeError::AccountDisabled) => {
            return Err(Problem::new(Code::UserInactive));
        }
        Err(ConfirmPhoneChangeError::Taken) => return Err(Problem::new(Code::PhoneTaken)),
        Err(ConfirmPhoneChangeError::TooSoon(wait)) => return Err(too_soon(wait)),
        Err(ConfirmPhoneChangeError::Database(error)) => return Err(error.into()),
        Err(ConfirmPhoneChangeError::Write(error)) => return Err(error.into()),
    };
    OTP_CHECKS.with_label_values(&["accepted"]).inc();
    if let Some(notice) = changed.notice {
        state.pusher.push(Queue::Sms, notice);
    }
    Ok(changed)
}

fn too_soon(wait: TooSoon) -> Problem {
    Problem::new(Code::PhoneChangedLately).with_retry_after(seconds(wait.retry_after))
}
