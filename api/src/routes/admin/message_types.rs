//! Messages as staff see them.

use chrono::{DateTime, TimeDelta};
use poem_openapi::{Object, types::Example};
use shared::{
    admin::{lists::messages::StaffMessage as Found, messages::MessageStory},
    sms::{self, staff::Attempt},
};

use super::{
    listing::staff_page,
    words::{MessageDelivery, MessageKind, MessageStatus},
};
use crate::{routes::otp::example_handle, timestamp::Timestamp};

/// A message. Viewers and finance see its number masked and not what it says; nobody sees a code.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffMessage {
    /// Its number.
    id: i64,
    /// What it is.
    kind: MessageKind,
    /// Where it goes, in the national form for Iran.
    mobile_number: String,
    /// What it says; absent for codes, if only its template knows, and for viewers and finance.
    #[oai(skip_serializing_if_is_none)]
    text: Option<String>,
    /// The template it was asked for with.
    #[oai(skip_serializing_if_is_none)]
    template: Option<String>,
    /// How far we are with it.
    status: MessageStatus,
    /// How far its provider is; absent until it says so.
    #[oai(skip_serializing_if_is_none)]
    delivery: Option<MessageDelivery>,
    /// Why it ended or waits, or what the provider said last: a bounded word.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// Who carries it.
    #[oai(skip_serializing_if_is_none)]
    provider: Option<String>,
    /// The provider's id.
    #[oai(skip_serializing_if_is_none)]
    provider_message_id: Option<String>,
    /// Attempts so far.
    attempt_count: i32,
    /// Milliseconds from its time until a provider had it; absent unless it was sent.
    #[oai(skip_serializing_if_is_none)]
    latency_ms: Option<i64>,
    /// In how many parts it goes out.
    #[oai(skip_serializing_if_is_none)]
    segments: Option<i32>,
    /// What it costs, by the configured price.
    #[oai(skip_serializing_if_is_none)]
    price_rials: Option<i64>,
    /// The account that asked for it.
    #[oai(skip_serializing_if_is_none)]
    user_id: Option<i64>,
    /// The API key that asked for it.
    #[oai(skip_serializing_if_is_none)]
    api_key_id: Option<i64>,
    /// The bulk it is of.
    #[oai(skip_serializing_if_is_none)]
    bulk_id: Option<String>,
    /// When it was accepted.
    created_at: Timestamp,
    /// When it was asked to go out; absent if at once.
    #[oai(skip_serializing_if_is_none)]
    send_at: Option<Timestamp>,
    /// When it is tried next; absent if it is not.
    #[oai(skip_serializing_if_is_none)]
    next_attempt_at: Option<Timestamp>,
    /// After this it is not sent any more.
    expires_at: Timestamp,
    /// When it ended here: a provider took it, or nobody will.
    #[oai(skip_serializing_if_is_none)]
    settled_at: Option<Timestamp>,
    /// When its provider last said how far it is.
    #[oai(skip_serializing_if_is_none)]
    delivery_at: Option<Timestamp>,
}

impl From<Found> for StaffMessage {
    fn from(found: Found) -> Self {
        let due = found.created_at.max(found.send_at.unwrap_or(found.created_at));
        let sent_at = found.settled_at.filter(|_| found.status == sms::MessageStatus::Sent);
        let latency = sent_at.map(|at| (at - due).max(TimeDelta::zero()).num_milliseconds());
        Self {
            id: found.id,
            kind: found.kind.into(),
            mobile_number: found.mobile_number.0,
            text: found.text,
            template: found.template,
            status: found.status.into(),
            delivery: found.delivery.map(Into::into),
            reason: found.reason,
            provider: found.provider,
            provider_message_id: found.provider_message_id,
            attempt_count: found.attempt,
            latency_ms: latency,
            segments: found.segments.map(i32::from),
            price_rials: found.price_rials,
            user_id: found.user_id,
            api_key_id: found.api_key_id,
            bulk_id: found.bulk_id,
            created_at: Timestamp(found.created_at),
            send_at: found.send_at.map(Timestamp),
            next_attempt_at: found.next_attempt_at.map(Timestamp),
            expires_at: Timestamp(found.expires_at),
            settled_at: found.settled_at.map(Timestamp),
            delivery_at: found.delivery_at.map(Timestamp),
        }
    }
}

fn example_time() -> Timestamp {
    Timestamp(DateTime::UNIX_EPOCH)
}

impl Example for StaffMessage {
    fn example() -> Self {
        Self {
            id: 41,
            kind: MessageKind::Text,
            mobile_number: "09123456789".to_owned(),
            text: Some("Hello".to_owned()),
            template: Some("order-ready".to_owned()),
            status: MessageStatus::Sent,
            delivery: Some(MessageDelivery::Delivered),
            reason: Some("kavenegar.10".to_owned()),
            provider: Some("kavenegar".to_owned()),
            provider_message_id: Some("8792343".to_owned()),
            attempt_count: 1,
            latency_ms: Some(412),
            segments: Some(1),
            price_rials: Some(1_200),
            user_id: Some(17),
            api_key_id: Some(3),
            bulk_id: Some(example_handle()),
            created_at: example_time(),
            send_at: Some(example_time()),
            next_attempt_at: Some(example_time()),
            expires_at: example_time(),
            settled_at: Some(example_time()),
            delivery_at: Some(example_time()),
        }
    }
}

staff_page!(
    /// A page of anybody's messages.
    StaffMessagePage of StaffMessage, "admin/messages/"
);

/// A call to a provider about a message.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct MessageAttempt {
    /// Its number, from 1.
    attempt: i32,
    /// Who was asked.
    provider: String,
    /// `send`, or `lookup`: what became of it.
    action: String,
    /// What came of it, such as `accepted` or `retry_later`; absent if nobody knows.
    #[oai(skip_serializing_if_is_none)]
    outcome: Option<String>,
    /// The provider's code with its name, such as `kavenegar.412`.
    #[oai(skip_serializing_if_is_none)]
    code: Option<String>,
    /// The provider's id for the message.
    #[oai(skip_serializing_if_is_none)]
    provider_message_id: Option<String>,
    /// When it was asked.
    started_at: Timestamp,
    /// When it answered; absent if it did not.
    #[oai(skip_serializing_if_is_none)]
    finished_at: Option<Timestamp>,
    /// Milliseconds between the two.
    #[oai(skip_serializing_if_is_none)]
    duration_ms: Option<i64>,
}

impl From<Attempt> for MessageAttempt {
    fn from(attempt: Attempt) -> Self {
        let duration = attempt.finished_at.map(|at| (at - attempt.started_at).num_milliseconds());
        Self {
            attempt: attempt.attempt,
            provider: attempt.provider,
            action: attempt.action,
            outcome: attempt.outcome,
            code: attempt.code,
            provider_message_id: attempt.provider_message_id,
            started_at: Timestamp(attempt.started_at),
            finished_at: attempt.finished_at.map(Timestamp),
            duration_ms: duration,
        }
    }
}

impl Example for MessageAttempt {
    fn example() -> Self {
        Self {
            attempt: 1,
            provider: "kavenegar".to_owned(),
            action: "send".to_owned(),
            outcome: Some("retry_later".to_owned()),
            code: Some("kavenegar.409".to_owned()),
            provider_message_id: Some("8792343".to_owned()),
            started_at: example_time(),
            finished_at: Some(example_time()),
            duration_ms: Some(212),
        }
    }
}

/// A message with its attempts.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffMessageStory {
    /// The message.
    #[oai(flatten)]
    message: StaffMessage,
    /// Calls to providers about it, the first one first.
    attempts: Vec<MessageAttempt>,
}

impl From<MessageStory> for StaffMessageStory {
    fn from(story: MessageStory) -> Self {
        let attempts = story.attempts.into_iter().map(MessageAttempt::from).collect();
        Self { message: story.message.into(), attempts }
    }
}

impl Example for StaffMessageStory {
    fn example() -> Self {
        Self { message: StaffMessage::example(), attempts: vec![MessageAttempt::example()] }
    }
}
