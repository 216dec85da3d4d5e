//! Bodies of `message/…`.

use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{ApiResponse, Enum, Object, payload::Json, types::Example};
use serde::Serialize;
use serde_json::Value;
use shared::sms::{
    MessageStatus, messages::MessageDetails, providers::DeliveryStatus, templates::TextLanguage,
};

use crate::{
    input::{Fields, FromFields, Text},
    timestamp::Timestamp,
};

/// Longest text: what providers take as one message.
const TEXT_CHARS: usize = 900;
/// Longest value of a template's variable.
const TOKEN_CHARS: usize = 100;
/// Most recipients of one bulk.
pub(super) const RECIPIENTS: usize = 1_000;
/// The template's further variables, by the names Kavenegar gave them.
const TOKENS: [&str; 4] = ["token2", "token3", "token10", "token20"];

/// Language of a logical template's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Language {
    /// Persian.
    Fa,
    /// English.
    En,
}

/// A message to one recipient.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SendMessage {
    /// A mobile number in any usual form, also with Persian or Arabic digits.
    #[oai(validator(min_length = 1, max_length = 20))]
    mobile_number: String,
    /// The text; with `template_id` the value of the variable `token`.
    #[oai(validator(min_length = 1, max_length = 900))]
    message_text: String,
    /// A template of the configuration, or the provider's own name or number of one.
    #[oai(skip_serializing_if_is_none)]
    template_id: Option<String>,
    /// The template's variable of this name.
    #[oai(skip_serializing_if_is_none)]
    token2: Option<String>,
    /// The template's variable of this name.
    #[oai(skip_serializing_if_is_none)]
    token3: Option<String>,
    /// The template's variable of this name; may hold a few spaces.
    #[oai(skip_serializing_if_is_none)]
    token10: Option<String>,
    /// The template's variable of this name; may hold some spaces.
    #[oai(skip_serializing_if_is_none)]
    token20: Option<String>,
    /// When it is to go out, at most 30 days from now; at once if absent.
    #[oai(skip_serializing_if_is_none)]
    send_at: Option<Timestamp>,
    /// Language of a configured template's text; Persian if absent.
    #[oai(skip_serializing_if_is_none)]
    language: Option<Language>,
}

impl Example for SendMessage {
    fn example() -> Self {
        Self {
            mobile_number: "09123456789".to_owned(),
            message_text: "4829".to_owned(),
            template_id: Some("order-ready".to_owned()),
            token2: Some("Tehran".to_owned()),
            token3: Some("12".to_owned()),
            token10: Some("Valiasr Street".to_owned()),
            token20: Some("between nine and five".to_owned()),
            send_at: Some(example_time()),
            language: Some(Language::Fa),
        }
    }
}

pub(super) fn example_time() -> Timestamp {
    Timestamp(DateTime::UNIX_EPOCH + TimeDelta::days(20_600))
}

/// What a message says and when, as it was asked for. Serialised, it is the fingerprint of the
/// request under an idempotency key.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Asked {
    pub(super) text: String,
    pub(super) template: Option<String>,
    pub(super) tokens: Vec<(String, String)>,
    pub(super) send_at: Option<DateTime<Utc>>,
    pub(super) language: TextLanguage,
}

impl Asked {
    fn read(fields: &mut Fields) -> Option<Self> {
        let text = fields.text("message_text", Text::max(TEXT_CHARS));
        let template = fields.optional_text("template_id", Text::max(64));
        let tokens = TOKENS.map(|name| {
            let value = fields.optional_text(name, Text::max(TOKEN_CHARS).or_blank());
            value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value))
        });
        let send_at = time(fields);
        let language = match fields.optional_text("language", Text::any()).as_deref() {
            None | Some("fa") => TextLanguage::Fa,
            Some("en") => TextLanguage::En,
            Some(other) => {
                let message = format!("\"{other}\" is not a valid choice.");
                fields.error("language", "invalid_choice", message);
                TextLanguage::Fa
            }
        };
        let text = text?;
        let mut tokens: Vec<_> = tokens.into_iter().flatten().collect();
        tokens.insert(0, ("token".to_owned(), text.clone()));
        Some(Self { text, template, tokens, send_at, language })
    }
}

fn time(fields: &mut Fields) -> Option<DateTime<Utc>> {
    let text = fields.optional_text("send_at", Text::any())?;
    let time = DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc());
    if time.is_none() {
        let message = "Datetime has wrong format. Use RFC 3339, such as 2026-01-31T09:30:00Z.";
        fields.error("send_at", "invalid", message);
    }
    time
}

/// A send, read.
#[derive(Debug)]
pub(super) struct ToOne {
    pub(super) mobile_number: String,
    pub(super) asked: Asked,
}

impl FromFields for ToOne {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let mobile_number = fields.text("mobile_number", Text::max(20));
        let asked = Asked::read(fields);
        Some(Self { mobile_number: mobile_number?, asked: asked? })
    }
}

/// One message to many recipients.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SendBulk {
    /// Mobile numbers, at most 1,000; each gets the message once.
    #[oai(validator(min_items = 1, max_items = 1000))]
    mobile_numbers: Vec<String>,
    /// As in `message/send/`. Free texts end with the configured way to opt out.
    #[oai(validator(min_length = 1, max_length = 900))]
    message_text: String,
    /// As in `message/send/`.
    #[oai(skip_serializing_if_is_none)]
    template_id: Option<String>,
    /// As in `message/send/`.
    #[oai(skip_serializing_if_is_none)]
    token2: Option<String>,
    /// As in `message/send/`.
    #[oai(skip_serializing_if_is_none)]
    token3: Option<String>,
    /// As in `message/send/`.
    #[oai(skip_serializing_if_is_none)]
    token10: Option<String>,
    /// As in `message/send/`.
    #[oai(skip_serializing_if_is_none)]
    token20: Option<String>,
    /// As in `message/send/`.
    #[oai(skip_serializing_if_is_none)]
    send_at: Option<Timestamp>,
    /// As in `message/send/`.
    #[oai(skip_serializing_if_is_none)]
    language: Option<Language>,
}

impl Example for SendBulk {
    fn example() -> Self {
        let one = SendMessage::example();
        Self {
            mobile_numbers: vec!["09123456789".to_owned(), "09351234567".to_owned()],
            message_text: "We are closed on Friday.".to_owned(),
            template_id: one.template_id,
            token2: one.token2,
            token3: one.token3,
            token10: one.token10,
            token20: one.token20,
            send_at: one.send_at,
            language: one.language,
        }
    }
}

/// A bulk, read. Serialised, it is the fingerprint of the request under an idempotency key.
#[derive(Debug, Serialize)]
pub(super) struct ToMany {
    pub(super) mobile_numbers: Vec<String>,
    pub(super) asked: Asked,
}

impl FromFields for ToMany {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let mobile_numbers = numbers(fields);
        let asked = Asked::read(fields);
        Some(Self { mobile_numbers: mobile_numbers?, asked: asked? })
    }
}

fn numbers(fields: &mut Fields) -> Option<Vec<String>> {
    const NAME: &str = "mobile_numbers";
    let Some(value) = fields.value(NAME) else {
        fields.error(NAME, "required", "This field is required.");
        return None;
    };
    let Value::Array(items) = value else {
        fields.error(NAME, "not_a_list", "Expected a list of items.");
        return None;
    };
    if items.is_empty() || items.len() > RECIPIENTS {
        let message = format!("Ensure this field has between 1 and {RECIPIENTS} elements.");
        fields.error(NAME, "max_length", message);
        return None;
    }
    let number = |item| match item {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Some(items.into_iter().map(number).collect())
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum MessageState {
    /// Waits for its time, its turn or its next attempt.
    Queued,
    /// Is being handed to a provider.
    Sending,
    /// A provider accepted it.
    Sent,
    /// It is on the handset.
    Delivered,
    /// A provider accepted it, and it will not arrive.
    Undelivered,
    /// No provider accepts it.
    Failed,
    /// Its time was over before a provider accepted it.
    Expired,
    /// A provider may have accepted it; its answer was lost.
    Unknown,
    /// It was taken back before it was sent.
    Cancelled,
}

impl From<(MessageStatus, Option<DeliveryStatus>)> for MessageState {
    fn from((status, delivery): (MessageStatus, Option<DeliveryStatus>)) -> Self {
        match (status, delivery) {
            (_, Some(DeliveryStatus::Delivered)) => Self::Delivered,
            (_, Some(DeliveryStatus::Undelivered)) => Self::Undelivered,
            (MessageStatus::Queued, _) => Self::Queued,
            (MessageStatus::Sending, _) => Self::Sending,
            (MessageStatus::Sent, _) => Self::Sent,
            (MessageStatus::Failed, _) => Self::Failed,
            (MessageStatus::Expired, _) => Self::Expired,
            (MessageStatus::Unknown, _) => Self::Unknown,
            (MessageStatus::Cancelled, _) => Self::Cancelled,
        }
    }
}

/// An accepted message.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SendMessageResult {
    /// A sentence for people.
    pub(super) details: String,
    /// The recipient, in the national form for Iran.
    pub(super) receiver: String,
    /// What it says, as far as we know it.
    pub(super) message: String,
    /// The provider's id, once it has one, if that is a number.
    #[oai(skip_serializing_if_is_none)]
    pub(super) messageid: Option<i64>,
    /// The provider's id, once it has one.
    #[oai(skip_serializing_if_is_none)]
    pub(super) provider_message_id: Option<String>,
    /// The message here.
    pub(super) id: i64,
    /// Where it is.
    pub(super) status: MessageState,
    /// In how many parts it goes out; absent for a provider's own template.
    #[oai(skip_serializing_if_is_none)]
    pub(super) segments: Option<i32>,
    /// What it will cost, by the configured price.
    #[oai(skip_serializing_if_is_none)]
    pub(super) price_rials: Option<i64>,
    /// Where to ask how it goes.
    pub(super) status_url: String,
}

impl Example for SendMessageResult {
    fn example() -> Self {
        Self {
            details: "The Message was sent correctly.".to_owned(),
            receiver: "09123456789".to_owned(),
            message: "Hello".to_owned(),
            messageid: Some(8_792_343),
            provider_message_id: Some("8792343".to_owned()),
            id: 41,
            status: MessageState::Sent,
            segments: Some(1),
            price_rials: Some(1_200),
            status_url: "https://peyk.example/api/message/41/".to_owned(),
        }
    }
}

#[derive(ApiResponse)]
pub(crate) enum SendMessageResponse {
    /// A provider accepted the message.
    #[oai(status = 200)]
    Sent(Json<SendMessageResult>),
    /// The message is accepted here and on its way; ask `status_url` how it goes.
    #[oai(status = 202)]
    Accepted(
        Json<SendMessageResult>,
        /// Where to ask for the status.
        #[oai(header = "Location")]
        String,
    ),
}

/// What became of one recipient of a bulk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum RecipientResult {
    /// A message was accepted for it.
    Accepted,
    /// It is no mobile number, or none of an accepted country.
    Invalid,
    /// It was in the list before.
    Duplicate,
    /// It wants no such messages.
    Blocked,
    /// The key, the account or the service had its share of today.
    OverLimit,
    /// Something went wrong here: it may have been accepted.
    Unknown,
}

/// One recipient of a bulk.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct BulkRecipient {
    /// The number as it was sent.
    pub(super) receiver: String,
    /// What became of it.
    pub(super) result: RecipientResult,
    /// The message, if one was accepted.
    #[oai(skip_serializing_if_is_none)]
    pub(super) id: Option<i64>,
}

impl Example for BulkRecipient {
    fn example() -> Self {
        let receiver = "09123456789".to_owned();
        Self { receiver, result: RecipientResult::Accepted, id: Some(41) }
    }
}

/// An accepted bulk.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SendBulkResult {
    /// What its messages have in common: ask `message/?bulk_id=` for them.
    pub(super) bulk_id: String,
    /// How many messages were accepted.
    pub(super) accepted: i32,
    /// In how many parts each goes out.
    #[oai(skip_serializing_if_is_none)]
    pub(super) segments: Option<i32>,
    /// When they go out, if not at once: as asked for, or when quiet hours are over.
    #[oai(skip_serializing_if_is_none)]
    pub(super) send_at: Option<Timestamp>,
    /// Each recipient, in the order sent.
    pub(super) results: Vec<BulkRecipient>,
}

impl Example for SendBulkResult {
    fn example() -> Self {
        Self {
            bulk_id: "5f0c1d2e3b4a59687786950413223140".to_owned(),
            accepted: 1,
            segments: Some(1),
            send_at: Some(example_time()),
            results: vec![BulkRecipient::example()],
        }
    }
}

/// A bulk that was taken back.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CancelBulkResult {
    /// The bulk.
    pub(super) bulk_id: String,
    /// How many of its messages were taken back; the others had ended or were being sent.
    pub(super) cancelled: i32,
}

impl Example for CancelBulkResult {
    fn example() -> Self {
        Self { bulk_id: SendBulkResult::example().bulk_id, cancelled: 1 }
    }
}

#[derive(ApiResponse)]
pub(crate) enum SendBulkResponse {
    /// The messages that were accepted are on their way.
    #[oai(status = 202)]
    Accepted(Json<SendBulkResult>),
}

/// A message.
#[derive(Debug, Object)]
#[oai(example)]
#[expect(clippy::struct_field_names, reason = "the name old clients read")]
pub(crate) struct Message {
    /// The message here.
    id: i64,
    /// The recipient, in the national form for Iran.
    receiver: String,
    /// What it says, if we know.
    #[oai(skip_serializing_if_is_none)]
    message: Option<String>,
    /// The template it was asked for with.
    #[oai(skip_serializing_if_is_none)]
    template_id: Option<String>,
    /// Where it is.
    status: MessageState,
    /// Why it ended or waits, or what the provider said last: a bounded word for support.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// Who carries it.
    #[oai(skip_serializing_if_is_none)]
    provider: Option<String>,
    /// The provider's id.
    #[oai(skip_serializing_if_is_none)]
    provider_message_id: Option<String>,
    /// In how many parts it goes out.
    #[oai(skip_serializing_if_is_none)]
    segments: Option<i32>,
    /// What it costs, by the configured price.
    #[oai(skip_serializing_if_is_none)]
    price_rials: Option<i64>,
    /// When it was accepted.
    created_at: Timestamp,
    /// When it was asked to go out.
    #[oai(skip_serializing_if_is_none)]
    send_at: Option<Timestamp>,
    /// When it ended here: a provider took it, or nobody will.
    #[oai(skip_serializing_if_is_none)]
    settled_at: Option<Timestamp>,
    /// The bulk it is of.
    #[oai(skip_serializing_if_is_none)]
    bulk_id: Option<String>,
}

impl Example for Message {
    fn example() -> Self {
        Self {
            id: 41,
            receiver: "09123456789".to_owned(),
            message: Some("Hello".to_owned()),
            template_id: Some("order-ready".to_owned()),
            status: MessageState::Delivered,
            reason: Some("kavenegar.10".to_owned()),
            provider: Some("kavenegar".to_owned()),
            provider_message_id: Some("8792343".to_owned()),
            segments: Some(1),
            price_rials: Some(1_200),
            created_at: example_time(),
            send_at: Some(example_time()),
            settled_at: Some(example_time()),
            bulk_id: Some("5f0c1d2e3b4a59687786950413223140".to_owned()),
        }
    }
}

impl From<MessageDetails> for Message {
    fn from(message: MessageDetails) -> Self {
        Self {
            id: message.id,
            receiver: message.phone.to_national(),
            message: message.text,
            template_id: message.template,
            status: (message.status, message.delivery).into(),
            reason: message.reason,
            provider: message.provider,
            provider_message_id: message.provider_message_id,
            segments: message.segments.map(i32::from),
            price_rials: message.price_rials,
            created_at: Timestamp(message.created_at),
            send_at: message.send_at.map(Timestamp),
            settled_at: message.settled_at.map(Timestamp),
            bulk_id: message.bulk_id,
        }
    }
}

/// A page of messages, newest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct MessagePage {
    /// The next page; null on the last.
    pub(super) next: Option<String>,
    /// Pages go one way: always null.
    pub(super) previous: Option<String>,
    /// The messages.
    pub(super) results: Vec<Message>,
}

impl Example for MessagePage {
    fn example() -> Self {
        let url = |before: i64| format!("https://peyk.example/api/message/?before={before}");
        Self { next: Some(url(41)), previous: Some(url(141)), results: vec![Message::example()] }
    }
}
