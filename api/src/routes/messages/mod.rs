//! `message/…`: text messages, for programs with an API key and for accounts that may.

mod bulk;
mod inbound;
mod types;

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use shared::{
    idempotency::{Caller, Keyed},
    jobs::RowId,
    phone::PhoneNumber,
    sms::{
        MessageKind, MessageStatus,
        messages::{
            AcceptedMessage, LONGEST_AHEAD, MessageDetails, MessageRefused, NewMessage, Owner,
            Repeat, Sender,
        },
        templates::Wording,
    },
};

pub(crate) use self::inbound::InboundApi;
use self::types::{
    Asked, CancelBulkResult, Message, MessagePage, SendBulk, SendBulkResponse, SendMessage,
    SendMessageResponse, SendMessageResult, ToMany, ToOne,
};
use super::{
    Tag,
    otp::{asks_for_async, example_handle, example_preference},
    parse_phone_up_to,
};
use crate::{
    caller::{OneTexter, Texter, scope},
    error::{Code, Problem, problems},
    idempotency::{self, IdempotencyKey},
    input::Input,
    limits,
    middleware::ClientIp,
    state::{SharedState, State},
    waiters::Waiter,
};

/// Messages of a page unless asked otherwise, and at most.
const PAGE: i64 = 30;
const LONGEST_PAGE: i64 = 100;

problems!(
    /// What can go wrong with a send.
    pub(crate) SendMessageProblem: 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 502, 503
);
problems!(
    /// What can go wrong with a bulk.
    pub(crate) SendBulkProblem: 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503
);
problems!(
    /// What can go wrong with a look.
    pub(crate) GetMessageProblem: 400, 401, 403, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a list.
    pub(crate) ListMessagesProblem: 400, 401, 403, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with taking a bulk back.
    pub(crate) CancelBulkProblem: 400, 401, 403, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with taking a message back.
    pub(crate) CancelMessageProblem: 400, 401, 403, 404, 408, 409, 413, 500, 503
);

/// The operations.
pub(crate) struct MessageApi;

#[OpenApi(tag = "Tag::Messages")]
impl MessageApi {
    /// Send a message
    ///
    /// Answers 200 once a provider accepted it, or 202 if that takes longer than a few seconds or
    /// was asked for. Needs an API key, or the access token of an account, with the scope `sms:send`.
    #[oai(path = "/message/send", method = "post", operation_id = "sendMessage")]
    async fn send_message(
        &self,
        state: Data<&SharedState>,
        texter: OneTexter,
        /// `respond-async`: answer 202 at once.
        #[oai(name = "Prefer", example = "example_preference")]
        prefer: Header<Option<String>>,
        key: IdempotencyKey,
        input: Input<ToOne, SendMessage>,
    ) -> Result<SendMessageResponse, SendMessageProblem> {
        measure(state.0, &texter).await?;
        let ToOne { mobile_number, asked } = input.0;
        let phone = parse_phone_up_to(20, &state.phones, "mobile_number", &mobile_number)?;
        if texter.sender.is_none() {
            allow_anonymous(state.0, &phone, &asked)?;
        }
        let wait = !prefer.0.is_some_and(|prefer| asks_for_async(&prefer));
        let OneTexter { sender, ip, .. } = texter;
        let caller = caller(sender.as_ref(), ip);
        let keyed = key.keyed(caller, "sendMessage", &(phone.as_e164(), &asked));
        let one = One { phone, asked, sender, wait };
        Ok(send_once(state.0, &one, keyed).await?)
    }

    /// Send one message to many
    ///
    /// Each recipient gets a message of its own, behind codes and single messages; invalid,
    /// repeated and blocked numbers are named and cost nothing. Needs the scope `sms:send`.
    #[oai(path = "/message/bulk", method = "post", operation_id = "sendBulk")]
    async fn send_bulk(
        &self,
        state: Data<&SharedState>,
        texter: Texter<scope::SmsSend>,
        idempotency_key: IdempotencyKey,
        input: Input<ToMany, SendBulk>,
    ) -> Result<SendBulkResponse, SendBulkProblem> {
        let Texter { sender, ip, measured, .. } = texter;
        let keyed = idempotency_key.keyed(caller(Some(&sender), ip), "sendBulk", &input.0);
        let ask = limits::message_sender(&state.config.limits, sender.owner);
        measured.ask(state.0, &ask).await.map_err(Problem::from)?;
        let result = bulk::send_once(state.0, &input.0, &sender, keyed).await?;
        Ok(SendBulkResponse::Accepted(Json(result)))
    }

    /// Take a bulk back
    ///
    /// Those of its messages that wait, or that all providers so far refused; the others stay as they
    /// are. Needs the scope `sms:send`.
    #[oai(path = "/message/bulk/:bulk_id/cancel", method = "post", operation_id = "cancelBulk")]
    async fn cancel_bulk(
        &self,
        state: Data<&SharedState>,
        texter: Texter<scope::SmsSend>,
        /// The bulk.
        #[oai(example = "example_handle", validator(pattern = "^[0-9a-f]{32}$"))]
        bulk_id: Path<String>,
    ) -> Result<Json<CancelBulkResult>, CancelBulkProblem> {
        let cancelled = state.messages.cancel_bulk(texter.sender.owner, &bulk_id.0).await;
        let cancelled = cancelled.map_err(Problem::from)?;
        let cancelled = cancelled.ok_or_else(|| Problem::new(Code::NotFound))?;
        let cancelled = i32::try_from(cancelled).unwrap_or(i32::MAX);
        Ok(Json(CancelBulkResult { bulk_id: bulk_id.0, cancelled }))
    }

    /// List messages
    ///
    /// Those sent with the same key, or by the same account, newest first. Needs the scope `sms:read`.
    #[oai(path = "/message", method = "get", operation_id = "listMessages")]
    async fn list_messages(
        &self,
        state: Data<&SharedState>,
        texter: Texter<scope::SmsRead>,
        /// Only those of this bulk.
        #[oai(example = "example_bulk", validator(pattern = "^[0-9a-f]{32}$"))]
        bulk_id: Query<Option<String>>,
        /// Only messages before this id.
        #[oai(example = "example_id")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<MessagePage>, ListMessagesProblem> {
        let limit = limit.0.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
        let bulk = bulk_id.0.as_deref();
        let found = state.messages.list(texter.sender.owner, bulk, before.0, limit + 1).await;
        let mut found = found.map_err(Problem::from)?;
        let more = i64::try_from(found.len()).is_ok_and(|count| count > limit);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = found.last().filter(|_| more).map(|message| message.id);
        let bulk = bulk.map(|id| format!("&bulk_id={id}"));
        let next = last.map(|id| {
            url(state.0, &format!("?before={id}&limit={limit}{}", bulk.unwrap_or_default()))
        });
        let results = found.into_iter().map(Message::from).collect();
        Ok(Json(MessagePage { next, previous: None, results }))
    }

    /// Look at a message
    ///
    /// One sent with the same key, or by the same account. Needs the scope `sms:read`.
    #[oai(path = "/message/:id", method = "get", operation_id = "getMessage")]
    async fn get_message(
        &self,
        state: Data<&SharedState>,
        texter: Texter<scope::SmsRead>,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
    ) -> Result<Json<Message>, GetMessageProblem> {
        Ok(Json(find(state.0, texter.sender.owner, id.0).await?))
    }

    /// Take a message back
    ///
    /// While it waits, or after all providers so far refused it. Needs the scope `sms:send`.
    #[oai(path = "/message/:id/cancel", method = "post", operation_id = "cancelMessage")]
    async fn cancel_message(
        &self,
        state: Data<&SharedState>,
        texter: Texter<scope::SmsSend>,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
    ) -> Result<Json<Message>, CancelMessageProblem> {
        let owner = texter.sender.owner;
        let cancelled = state.messages.cancel(owner, id.0).await.map_err(Problem::from)?;
        let message = find(state.0, owner, id.0).await?;
        if !cancelled {
            return Err(Problem::new(Code::Conflict).into());
        }
        Ok(Json(message))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_bulk() -> Option<String> {
    Some(example_handle())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_id() -> Option<i64> {
    Some(141)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_limit() -> Option<i64> {
    Some(30)
}

fn example_message() -> i64 {
    41
}

/// Counts a text against the limit of whoever sends it.
async fn measure(state: &State, texter: &OneTexter) -> Result<(), Problem> {
    let limits = &state.config.limits;
    let ask = match &texter.sender {
        Some(sender) => limits::message_sender(limits, sender.owner),
        None => limits::message_ip(limits, texter.ip.0),
    };
    Ok(texter.measured.ask(state, &ask).await?)
}

/// Whose idempotency key it is.
fn caller(sender: Option<&Sender>, ip: ClientIp) -> Caller {
    match sender.map_or(Owner::Nobody, |sender| sender.owner) {
        Owner::ApiKey(id) => Caller::ApiKey(id),
        Owner::User(id) => Caller::User(id),
        Owner::Nobody => Caller::Anonymous(ip.0),
    }
}

/// Without credentials only what the configuration lists may be sent.
fn allow_anonymous(state: &State, phone: &PhoneNumber, asked: &Asked) -> Result<(), Problem> {
    let allowed = state.config.sms.anonymous.as_ref().is_some_and(|anonymous| {
        let number = anonymous.numbers.iter().any(|number| number == phone.as_e164());
        let template =
            asked.template.as_ref().is_some_and(|name| anonymous.templates.contains(name));
        number || template
    });
    if allowed { Ok(()) } else { Err(Problem::new(Code::NotAuthenticated)) }
}

fn message(
    state: &State,
    phone: PhoneNumber,
    asked: &Asked,
    kind: MessageKind,
    sender: Option<Sender>,
) -> Result<NewMessage, Problem> {
    let invalid = |field: &'static str, message: String| {
        Problem::new(Code::Validation).with_field(field, "invalid", message)
    };
    if let Some(at) = asked.send_at
        && at > state.messages.now() + LONGEST_AHEAD
    {
        return Err(invalid("send_at", "At most 30 days ahead.".to_owned()));
    }
    let wording = match &asked.template {
        Some(name) => {
            let mismatched = state.templates.mismatched(name, &asked.tokens);
            if !mismatched.is_empty() {
                let message = format!("Does not fit the template: {}.", mismatched.join(", "));
                return Err(invalid("template_id", message));
            }
            let text = state.templates.text(name, asked.language, &asked.tokens);
            Wording { text, template: Some((name.clone(), asked.tokens.clone())) }
        }
        None => Wording { text: Some(plain_text(state, asked, kind)), template: None },
    };
    // A time that is over means at once.
    let send_at = asked.send_at.filter(|at| *at > state.messages.now());
    let (bulk_id, reply_to, repeat) = (None, None, Repeat::Unknown);
    Ok(NewMessage { phone, wording, kind, send_at, sender, bulk_id, reply_to, repeat })
}

/// Texts to many say how to get no more of them.
fn plain_text(state: &State, asked: &Asked, kind: MessageKind) -> String {
    let opt_out = &state.config.sms.bulk_opt_out;
    if kind != MessageKind::Bulk || opt_out.is_empty() || asked.text.contains(&**opt_out) {
        return asked.text.clone();
    }
    format!("{}\n{opt_out}", asked.text)
}

/// A message to one, read.
struct One {
    phone: PhoneNumber,
    asked: Asked,
    sender: Option<Sender>,
    wait: bool,
}

/// Sends, or says how it goes with what was sent under the same key.
async fn send_once(
    state: &State,
    one: &One,
    mut keyed: Option<Keyed>,
) -> Result<SendMessageResponse, Problem> {
    if let Some(earlier) = earlier(state, one, keyed.as_mut()).await? {
        return Ok(earlier);
    }
    match send_new(state, one, keyed.clone()).await {
        Err(problem) if idempotency::may_be_a_repeat(&problem) => {
            earlier(state, one, keyed.as_mut()).await?.ok_or(problem)
        }
        result => result,
    }
}

/// How it goes with what was sent under the same key. A text that no provider took is no reason
/// not to send another one.
async fn earlier(
    state: &State,
    one: &One,
    keyed: Option<&mut Keyed>,
) -> Result<Option<SendMessageResponse>, Problem> {
    let Some(keyed) = keyed else { return Ok(None) };
    let Some(reference) = idempotency::earlier(state, keyed).await? else { return Ok(None) };
    let owner = one.sender.as_ref().map_or(Owner::Nobody, |sender| sender.owner);
    let found = state.messages.referred(owner, &reference).await?;
    let found = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    if found.status == MessageStatus::Failed {
        keyed.replace(reference);
        return Ok(None);
    }
    let accepted = AcceptedMessage {
        id: RowId(found.id),
        segments: found.segments,
        price_rials: found.price_rials,
        bulk_id: None,
        send_at: found.send_at,
    };
    let text = found.text.clone().unwrap_or_else(|| one.asked.text.clone());
    let receiver = found.phone.to_national();
    answer(state, Some(found), &accepted, receiver, text).map(Some)
}

async fn send_new(
    state: &State,
    one: &One,
    keyed: Option<Keyed>,
) -> Result<SendMessageResponse, Problem> {
    let (phone, sender) = (one.phone.clone(), one.sender.clone());
    let mut new = message(state, phone, &one.asked, MessageKind::Text, sender)?;
    new.repeat = keyed.map_or(Repeat::Unknown, Repeat::Keyed);
    let text = new.wording.text.clone().unwrap_or_else(|| one.asked.text.clone());
    send(state, new, text, one.wait).await
}

async fn send(
    state: &State,
    mut new: NewMessage,
    text: String,
    wait: bool,
) -> Result<SendMessageResponse, Problem> {
    let wait = wait && new.send_at.is_none();
    let waiter = if wait { state.waiters.join() } else { None };
    new.reply_to = waiter.as_ref().map(Waiter::reply_to);
    let at_once = new.send_at.is_none();
    let owner = new.owner();
    let receiver = new.phone.to_national();
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let accepted =
        state.messages.accept(new, &mut rng).await?.map_err(|refused| refusal(state, refused))?;
    if at_once {
        state.pusher.push(MessageKind::Text.queue(), accepted.id);
    }
    if let Some(waiter) = waiter {
        waiter.wait(state.config.http.wait()).await;
    }
    // It is committed: what cannot be read now is on its way.
    let now = state.messages.find(owner, accepted.id.0).await.ok().flatten();
    answer(state, now, &accepted, receiver, text)
}

/// What the row says now.
fn answer(
    state: &State,
    now: Option<MessageDetails>,
    accepted: &AcceptedMessage,
    receiver: String,
    text: String,
) -> Result<SendMessageResponse, Problem> {
    let status = now.as_ref().map_or(MessageStatus::Queued, |message| message.status);
    if matches!(status, MessageStatus::Failed | MessageStatus::Expired) {
        return Err(Problem::new(Code::ProviderRejected));
    }
    let sent = status == MessageStatus::Sent;
    let provider_message_id = now.as_ref().and_then(|now| now.provider_message_id.clone());
    let status_url = url(state, &format!("{}/", accepted.id.0));
    let details = match status {
        MessageStatus::Sent => "The Message was sent correctly.",
        MessageStatus::Cancelled => "The Message was taken back.",
        _ => "The Message is on its way.",
    };
    let result = Json(SendMessageResult {
        details: details.to_owned(),
        receiver,
        message: text,
        messageid: provider_message_id.as_deref().and_then(|id| id.parse().ok()),
        provider_message_id,
        id: accepted.id.0,
        status: (status, now.and_then(|now| now.delivery)).into(),
        segments: accepted.segments.map(i32::from),
        price_rials: accepted.price_rials,
        status_url: status_url.clone(),
    });
    Ok(if sent {
        SendMessageResponse::Sent(result)
    } else {
        SendMessageResponse::Accepted(result, status_url)
    })
}

/// Why a message is not accepted.
pub(crate) fn refusal(state: &State, refused: MessageRefused) -> Problem {
    let code = match refused {
        MessageRefused::Blocked => return Problem::new(Code::RecipientBlocked),
        MessageRefused::KeyCap => Code::DailyKeyLimit,
        MessageRefused::UserCap => Code::DailyUserLimit,
        MessageRefused::Cap => Code::DailyMessageLimit,
        MessageRefused::Repeated => return idempotency::in_flight(1),
    };
    let wait = shared::clock::seconds_to_tomorrow(state.messages.now());
    Problem::new(code).with_retry_after(u32::try_from(wait).unwrap_or(u32::MAX))
}

async fn find(state: &State, owner: Owner, id: i64) -> Result<Message, Problem> {
    let found = state.messages.find(owner, id).await?;
    Ok(found.ok_or_else(|| Problem::new(Code::NotFound))?.into())
}

fn url(state: &State, rest: &str) -> String {
    let prefix = state.config.http.prefixes.first().map_or("", String::as_str);
    format!("{}{prefix}/message/{rest}", state.config.http.public_url)
}
