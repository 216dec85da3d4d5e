//! Texts: asked for, handed over, reported, used.

use super::milliseconds;
use crate::{
    admin::timeline::{
        Item, LinkKind,
        codes::Code,
        store::{AttemptRow, MessageRow},
    },
    sms::{MessageKind, MessageStatus},
};

/// What happened to texts.
pub(in crate::admin::timeline) fn of(
    messages: &[MessageRow],
    attempts: &[AttemptRow],
) -> Vec<Item> {
    let mut items: Vec<_> = messages.iter().flat_map(of_message).collect();
    items.extend(attempts.iter().filter_map(of_attempt));
    items
}

fn of_message(message: &MessageRow) -> Vec<Item> {
    let item = |at, code| Item::new(at, code, message.id).of(LinkKind::Message, message.id);
    let mut items = vec![asked(message)];
    let reason = message.reason.as_deref();
    let settled = message.settled_at.unwrap_or(message.expires_at);
    match message.status {
        MessageStatus::Queued => {
            items.push(item(message.created_at, Code::MessageWaiting).with_some("reason", reason));
        }
        MessageStatus::Sending => {
            let since = message.call_started_at.unwrap_or(message.created_at);
            let provider = message.provider.as_deref();
            items.push(item(since, Code::MessageSending).with_some("provider", provider));
        }
        MessageStatus::Failed => {
            items.push(item(settled, Code::MessageFailed).with_some("reason", reason));
        }
        MessageStatus::Expired => {
            items.push(item(settled, Code::MessageExpired).with_some("reason", reason));
        }
        MessageStatus::Cancelled => items.push(item(settled, Code::MessageCancelled)),
        MessageStatus::Unknown => {
            items.push(item(settled, Code::MessageUnknown).with_some("reason", reason));
        }
        MessageStatus::Sent => {}
    }
    items.extend(reported(message));
    items.extend(message.verified_at.map(|at| {
        let seconds = milliseconds(message.created_at, at) / 1_000;
        item(at, Code::CodeVerified).with("after_seconds", seconds)
    }));
    items
}

fn asked(message: &MessageRow) -> Item {
    let is_code = message.kind == MessageKind::Otp;
    let code = if is_code { Code::CodeAsked } else { Code::TextAsked };
    let item = Item::new(message.created_at, code, message.id)
        .of(LinkKind::Message, message.id)
        .with_some("purpose", message.purpose.as_deref())
        .with_some("request_id", message.request_id.as_deref())
        .with_some("ip", message.ip.map(|ip| ip.ip()));
    let item = if is_code { item } else { item.with("kind", message.kind.as_str()) };
    Item { until: Some(message.expires_at), ..item }
}

fn reported(message: &MessageRow) -> Option<Item> {
    let (word, at) = (message.delivery.as_deref()?, message.delivery_at?);
    let code = match word {
        "delivered" => Code::ReportDelivered,
        "undelivered" => Code::ReportUndelivered,
        _ => Code::ReportCarried,
    };
    let item = Item::new(at, code, message.id).of(LinkKind::Message, message.id);
    let item = item.with_some("provider", message.provider.as_deref());
    Some(item.with_some("code", message.delivery_code.as_deref()))
}

/// A call that nobody answered yet is told by the state of its text.
fn of_attempt(attempt: &AttemptRow) -> Option<Item> {
    let at = attempt.finished_at?;
    let outcome = attempt.outcome.as_deref().unwrap_or("unknown");
    let code = match outcome {
        _ if attempt.action == "lookup" => Code::ProviderAsked,
        "accepted" => Code::ProviderAccepted,
        "retry_later" => Code::ProviderPutOff,
        "unknown" => Code::ProviderSilent,
        _ => Code::ProviderRefused,
    };
    let id = attempt.message_id * 100 + i64::from(attempt.attempt);
    let item = Item::new(at, code, id)
        .of(LinkKind::Message, attempt.message_id)
        .with("provider", &attempt.provider)
        .with("attempt", attempt.attempt)
        .with("outcome", outcome)
        .with("took_ms", milliseconds(attempt.started_at, at));
    Some(item.with_some("code", attempt.code.as_deref()))
}
