//! `otp/send/` and `otp/{request_id}/`.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};
use shared::{
    config::LoginMethod,
    idempotency::{Caller, Keyed},
    ids,
    jobs::Queue,
    limits::Ask,
    login_events::Trace,
    otp::{AcceptedSend, DailyCap, NewSend, Purpose, RequestView, SendCodeError},
    phone::PhoneNumber,
    sms::MessageStatus,
    telemetry::OTP_SENDS,
};

use super::{Tag, parse_phone};
use crate::{
    caller::Stranger,
    error::{Code, Problem, problems},
    idempotency,
    input::{Fields, FromFields, Input, Text},
    limits::{self, Measured},
    middleware::{ClientIp, RequestId},
    state::{SharedState, State},
    timestamp::Timestamp,
    waiters::Waiter,
};

/// Asks for a one-time code.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SendOtp {
    /// A mobile number in any usual form, also with Persian or Arabic digits.
    #[oai(validator(min_length = 1, max_length = 64))]
    mobile_number: String,
}

impl Example for SendOtp {
    fn example() -> Self {
        Self { mobile_number: "09123456789".to_owned() }
    }
}

impl FromFields for SendOtp {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { mobile_number: fields.text("mobile_number", Text::any())? })
    }
}

/// Where the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum OtpStatus {
    /// Waits for its turn or its next attempt.
    Queued,
    /// Is being handed to a provider.
    Sending,
    /// A provider accepted it.
    Sent,
    /// It could not be sent.
    Failed,
    /// Its time was over before it could be sent.
    Expired,
    /// A provider may have accepted it; its answer was lost.
    Unknown,
}

impl From<MessageStatus> for OtpStatus {
    fn from(status: MessageStatus) -> Self {
        match status {
            MessageStatus::Queued => Self::Queued,
            MessageStatus::Sending => Self::Sending,
            MessageStatus::Sent => Self::Sent,
            MessageStatus::Failed | MessageStatus::Cancelled => Self::Failed,
            MessageStatus::Expired => Self::Expired,
            MessageStatus::Unknown => Self::Unknown,
        }
    }
}

/// An accepted send.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SendOtpResult {
    /// A sentence for people.
    details: String,
    /// Handle of this send: give it to `authenticate/`, and its attempts are yours alone.
    request_id: String,
    /// Where the text is.
    status: OtpStatus,
    /// Seconds the code is valid from now.
    expires_in: i64,
    /// Seconds until another send is accepted.
    resend_after: i64,
    /// Where to ask for the status.
    status_url: String,
}

impl Example for SendOtpResult {
    fn example() -> Self {
        let request_id = example_handle();
        Self {
            details: "The OTP code was sent correctly.".to_owned(),
            status_url: format!("https://peyk.example/api/otp/{request_id}/"),
            request_id,
            status: OtpStatus::Sent,
            expires_in: 240,
            resend_after: 60,
        }
    }
}

#[derive(ApiResponse)]
pub(crate) enum SendOtpResponse {
    /// A provider accepted the text.
    #[oai(status = 200)]
    Sent(Json<SendOtpResult>),
    /// The text is accepted here and on its way; ask `status_url` how it goes.
    #[oai(status = 202)]
    Accepted(
        Json<SendOtpResult>,
        /// Where to ask for the status.
        #[oai(header = "Location")]
        String,
    ),
}

problems!(
    /// What can go wrong with a send.
    pub(crate) SendOtpProblem: 400, 403, 408, 409, 413, 415, 422, 429, 500, 502, 503
);

/// The state of one send.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OtpRequest {
    /// The handle.
    request_id: String,
    /// Where the text is.
    status: OtpStatus,
    /// When it was accepted.
    created_at: Timestamp,
    /// Seconds the code is still valid; 0 when it is used or over.
    expires_in: i64,
    /// Seconds until another send is accepted.
    resend_after: i64,
}

impl Example for OtpRequest {
    fn example() -> Self {
        Self {
            request_id: example_handle(),
            status: OtpStatus::Sent,
            created_at: Timestamp(DateTime::UNIX_EPOCH + TimeDelta::days(20_000)),
            expires_in: 201,
            resend_after: 21,
        }
    }
}

/// The handle that examples show.
pub(crate) fn example_handle() -> String {
    "5f0c1d2e3b4a59687786950413223140".to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
pub(crate) fn example_preference() -> Option<String> {
    Some("respond-async".to_owned())
}

problems!(
    /// What can go wrong with a status.
    pub(crate) GetOtpProblem: 400, 404, 408, 413, 500, 503
);

/// The operations.
pub(crate) struct OtpApi;

#[OpenApi(tag = "Tag::Authentication")]
impl OtpApi {
    /// Send a one-time code
    ///
    /// Sends a code to the number and answers 200 once a provider accepted it, or 202 if that
    /// takes longer than a few seconds. Sending again before the code is over sends the same code.
    #[oai(path = "/otp/send", method = "post", operation_id = "sendOtp")]
    async fn send_otp(
        &self,
        state: Data<&SharedState>,
        stranger: Stranger,
        /// `respond-async`: answer 202 at once.
        #[oai(name = "Prefer", example = "example_preference")]
        prefer: Header<Option<String>>,
        input: Input<SendOtp>,
    ) -> Result<SendOtpResponse, SendOtpProblem> {
        state.need_method(LoginMethod::Otp)?;
        let phone = parse_phone(&state.phones, "mobile_number", &input.0.mobile_number)?;
        let respond_async = prefer.0.is_some_and(|prefer| asks_for_async(&prefer));
        let Stranger { ip, measured, key, request } = stranger;
        let keyed = key.keyed(Caller::Anonymous(ip.0), "sendOtp", &phone.as_e164());
        let (purpose, wait) = (Purpose::Login, !respond_async);
        let asked = Asked { phone, purpose, ip, wait, keyed, request, mount: None };
        Ok(send_code(state.0, asked, &measured).await?)
    }

    /// Ask how a send goes
    #[oai(path = "/otp/:request_id", method = "get", operation_id = "getOtp")]
    async fn get_otp(
        &self,
        state: Data<&SharedState>,
        /// The handle that `otp/send/` returned.
        #[oai(example = "example_handle")]
        request_id: Path<String>,
    ) -> Result<Json<OtpRequest>, GetOtpProblem> {
        if !ids::is_handle(&request_id.0) {
            return Err(Problem::new(Code::NotFound).into());
        }
        let request = state.otp.request(&request_id.0).await.map_err(Problem::from)?;
        let request = request.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Json(OtpRequest {
            request_id: request.request_id,
            status: request.status.into(),
            created_at: Timestamp(request.created_at),
            expires_in: request.expires_in,
            resend_after: request.resend_after,
        }))
    }
}

/// RFC 7240: a list of preferences, each perhaps with parameters.
pub(crate) fn asks_for_async(prefer: &str) -> bool {
    prefer.split([',', ';']).any(|item| item.trim().eq_ignore_ascii_case("respond-async"))
}

/// A code somebody wants, whatever for.
pub(crate) struct Asked {
    pub(crate) phone: PhoneNumber,
    pub(crate) purpose: Purpose,
    pub(crate) ip: ClientIp,
    /// Whether to wait for a provider's answer.
    pub(crate) wait: bool,
    pub(crate) keyed: Option<Keyed>,
    pub(crate) request: RequestId,
    /// See [`NewSend::mount`].
    pub(crate) mount: Option<String>,
}

/// Sends a code: the one way for all that are asked for, with their limits, caps and cool-down.
///
/// # Errors
/// What `otp/send/` answers.
pub(crate) async fn send_code(
    state: &State,
    asked: Asked,
    measured: &Measured,
) -> Result<SendOtpResponse, Problem> {
    let (phone, purpose, ip, request) =
        (asked.phone.clone(), asked.purpose, asked.ip, asked.request.clone());
    let result = send_once(state, asked, measured).await;
    OTP_SENDS.with_label_values(&[label(&result)]).inc();
    if let Err(problem) = &result
        && is_refusal(problem.code())
    {
        let trace = Trace { ip: Some(ip.0), request_id: Some(request.as_str().to_owned()) };
        state.otp.note_refused(&phone, purpose, trace, problem.code().as_str());
    }
    result.map(|(response, _)| response)
}

/// Whether no text was accepted, and the client did nothing wrong: staff find it in the timeline of
/// the number. Of one that no provider took there is a row.
fn is_refusal(code: Code) -> bool {
    !matches!(code, Code::ProviderRejected | Code::IdempotencyInFlight | Code::IdempotencyMismatch)
}

/// Whether an answer is about an earlier send.
struct Repeated(bool);

/// Sends, or says how it goes with what was sent under the same key.
async fn send_once(
    state: &State,
    mut asked: Asked,
    measured: &Measured,
) -> Result<(SendOtpResponse, Repeated), Problem> {
    let mut asks = limits::otp_send_ip(&state.config.limits, asked.ip.0);
    if asked.keyed.is_some() {
        // Whoever asks too often is refused before the database is asked about ever new keys.
        measured.ask(state, &std::mem::take(&mut asks)).await?;
    }
    if let Some(earlier) = earlier(state, &mut asked).await? {
        return Ok((earlier, Repeated(true)));
    }
    match send(state, &asked, asks, measured).await {
        Err(problem) if idempotency::may_be_a_repeat(&problem) => {
            let earlier = earlier(state, &mut asked).await?.ok_or(problem)?;
            Ok((earlier, Repeated(true)))
        }
        result => result.map(|sent| (sent, Repeated(false))),
    }
}

/// How it goes with what was sent under the same key. A text that no provider took is no reason
/// not to send another one.
async fn earlier(state: &State, asked: &mut Asked) -> Result<Option<SendOtpResponse>, Problem> {
    let Some(keyed) = &mut asked.keyed else { return Ok(None) };
    let Some(request_id) = idempotency::earlier(state, keyed).await? else { return Ok(None) };
    let request = state.otp.request(&request_id).await?;
    let request = request.ok_or_else(|| Problem::new(Code::NotFound))?;
    if matches!(request.status, MessageStatus::Failed | MessageStatus::Expired) {
        keyed.replace(request_id);
        return Ok(None);
    }
    let RequestView { request_id, status, expires_in, resend_after, .. } = request;
    answer(state, Sent { request_id, expires_in, resend_after }, status).map(Some)
}

/// Sends, when the address's share (if it was not asked for yet) and the number's allow it.
async fn send(
    state: &State,
    asked: &Asked,
    mut asks: Vec<Ask>,
    measured: &Measured,
) -> Result<SendOtpResponse, Problem> {
    let Asked { phone, wait, .. } = asked;
    let limits = &state.config.limits;
    let (policy, number) = limits::otp_send_target(limits, phone);
    // Only accepted sends count for the number, so they are paid for afterwards: the cool-down
    // keeps a second one from getting between. Without a cool-down nothing does.
    let pays_later = state.config.otp.resend_after() > Duration::ZERO;
    asks.push(if pays_later { Ask::look(policy, &*number) } else { Ask::spend(policy, &*number) });
    match measured.ask(state, &asks).await {
        Err(limited) if limited.policy == policy => {
            return Err(cooling_down(state, asked).await?.unwrap_or(limited.into()));
        }
        measured => measured?,
    }
    let waiter = if *wait { state.waiters.join() } else { None };
    let accepted = accept(state, asked, waiter.as_ref()).await?;
    state.pusher.push(Queue::Otp, accepted.message);
    // It is sent: whether it was the last of its share is for the next one to hear.
    if pays_later {
        measured.spend_behind(state, Ask::spend(policy, number)).await;
    }
    let status = outcome(state, &accepted, waiter).await;
    let AcceptedSend { request_id, expires_in, resend_after, .. } = accepted;
    answer(state, Sent { request_id, expires_in, resend_after }, status)
}

/// Somebody whose code is on its way is told that, whichever send was the last of its share.
async fn cooling_down(state: &State, asked: &Asked) -> Result<Option<Problem>, Problem> {
    let left = state.otp.cooling_down(&asked.phone, asked.purpose).await?;
    Ok(left.map(|left| Problem::new(Code::OtpCooldown).with_retry_after(seconds(left))))
}

async fn accept(
    state: &State,
    asked: &Asked,
    waiter: Option<&Waiter>,
) -> Result<AcceptedSend, Problem> {
    let new = NewSend {
        phone: asked.phone.clone(),
        purpose: asked.purpose,
        ip: Some(asked.ip.0),
        reply_to: waiter.map(Waiter::reply_to),
        keyed: asked.keyed.clone(),
        trace: Some(asked.request.as_str().to_owned()),
        mount: asked.mount.clone(),
    };
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    state.otp.accept_send(&new, &mut rng).await.map_err(|error| match error {
        SendCodeError::CoolDown { retry_after } => {
            Problem::new(Code::OtpCooldown).with_retry_after(seconds(retry_after))
        }
        SendCodeError::OverCap { cap, retry_after } => {
            Problem::new(cap_code(cap)).with_retry_after(seconds(retry_after))
        }
        SendCodeError::Guarded => Problem::new(Code::SendRefused),
        SendCodeError::Repeated => idempotency::in_flight(1),
        SendCodeError::Database(error) => error.into(),
        SendCodeError::Write(error) => error.into(),
    })
}

fn cap_code(cap: DailyCap) -> Code {
    match cap {
        DailyCap::Number => Code::DailyNumberLimit,
        DailyCap::Country => Code::DailyCountryLimit,
        DailyCap::All => Code::DailyLimit,
    }
}

pub(crate) fn seconds(seconds: i64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// What the worker says in time; else what the row says.
async fn outcome(state: &State, accepted: &AcceptedSend, waiter: Option<Waiter>) -> MessageStatus {
    let Some(waiter) = waiter else { return MessageStatus::Queued };
    if let Some(status) = waiter.wait(state.config.http.wait()).await {
        return status;
    }
    match state.otp.request(&accepted.request_id).await {
        Ok(Some(request)) => request.status,
        // It is committed, and nothing more is known: that is what 202 says.
        Ok(None) | Err(_) => MessageStatus::Queued,
    }
}

/// What the caller is told of a send.
struct Sent {
    request_id: String,
    expires_in: i64,
    resend_after: i64,
}

fn answer(
    state: &State,
    accepted: Sent,
    status: MessageStatus,
) -> Result<SendOtpResponse, Problem> {
    if matches!(status, MessageStatus::Failed | MessageStatus::Expired) {
        return Err(Problem::new(Code::ProviderRejected));
    }
    let prefix = state.config.http.prefixes.first().map_or("", String::as_str);
    let base = &state.config.http.public_url;
    let status_url = format!("{base}{prefix}/otp/{}/", accepted.request_id);
    let sent = status == MessageStatus::Sent;
    let details =
        if sent { "The OTP code was sent correctly." } else { "The OTP code is on its way." };
    let result = Json(SendOtpResult {
        details: details.to_owned(),
        request_id: accepted.request_id,
        status: status.into(),
        expires_in: accepted.expires_in,
        resend_after: accepted.resend_after,
        status_url: status_url.clone(),
    });
    Ok(if sent {
        SendOtpResponse::Sent(result)
    } else {
        SendOtpResponse::Accepted(result, status_url)
    })
}

fn label(result: &Result<(SendOtpResponse, Repeated), Problem>) -> &'static str {
    match result {
        Ok((_, Repeated(true))) => "repeated",
        Ok((SendOtpResponse::Sent(_), _)) => "sent",
        Ok((SendOtpResponse::Accepted(..), _)) => "accepted",
        Err(problem) => problem.code().as_str(),
    }
}
