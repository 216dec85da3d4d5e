//! Twilio's error codes and message statuses, and what they mean here.
//!
//! Sources: <https://www.twilio.com/docs/api/errors>,
//! <https://www.twilio.com/docs/messaging/api/message-resource#message-status-values>.

use super::super::DeliveryStatus;
use super::super::{Outcome, Rejection};
use crate::http_client::Reply;

/// What a code says of the call that got it.
enum Class {
    Rejected(Rejection),
    Later,
    MaybeDone,
}

fn class(code: i64) -> Option<Class> {
    use Rejection::{Account, Recipient, Request};
    Some(match code {
        // Credentials; account not active; account, service or path not found; bad From; region
        // not enabled; From not ours; trial account; account suspended; unregistered sender.
        20003 | 20005 | 20404 | 21212 | 21408 | 21606 | 21608 | 21659 | 30002 | 30034 => {
            Class::Rejected(Account)
        }
        // Invalid To; unsubscribed (STOP); no mobile; unreachable; unknown; landline.
        21211 | 21610 | 21614 | 30003 | 30005 | 30006 => Class::Rejected(Recipient),
        // Body, From or To missing; no route for this pair; too long; blocked; filtered; unknown.
        21602 | 21603 | 21604 | 21612 | 21617 | 30004 | 30007 | 30008 => Class::Rejected(Request),
        // Too many requests; the line's queue is full; queue overflow.
        20429 | 21611 | 30001 => Class::Later,
        // Internal errors do not say how far it got. With an invalid StatusCallback the message
        // is sent all the same (https://www.twilio.com/docs/api/errors/21609).
        20500 | 20503 | 21609 => Class::MaybeDone,
        _ => return None,
    })
}

/// What an answer with an error code means. Codes that are not in the table go by their HTTP
/// status.
pub(super) fn refusal(number: i64, reply: &Reply) -> Outcome {
    let code = label(number);
    let by_status = || match reply.status {
        429 => Class::Later,
        401 | 403 => Class::Rejected(Rejection::Account),
        400..=499 => Class::Rejected(Rejection::Request),
        _ => Class::MaybeDone,
    };
    match class(number).unwrap_or_else(by_status) {
        Class::Rejected(reason) => Outcome::Rejected { reason, code },
        Class::Later => Outcome::RetryLater { after: reply.retry_after, code },
        Class::MaybeDone => Outcome::Unknown { code },
    }
}

/// A message that Twilio took and gave up in the same answer: it has ended there, whatever the
/// code says of later.
pub(super) fn failed(error_code: Option<i64>, status: &str) -> Outcome {
    let reason = match error_code.and_then(class) {
        Some(Class::Rejected(reason)) => reason,
        _ => Rejection::Request,
    };
    Outcome::Rejected { reason, code: status_code(error_code, status) }
}

/// The states of a message. `sent` is the last one where a carrier reports no delivery.
pub(super) const STATUSES: [(&str, DeliveryStatus); 11] = [
    ("accepted", DeliveryStatus::Accepted),
    ("scheduled", DeliveryStatus::Accepted),
    ("queued", DeliveryStatus::Accepted),
    ("sending", DeliveryStatus::Accepted),
    ("sent", DeliveryStatus::Carried),
    ("partially_delivered", DeliveryStatus::Carried),
    ("delivered", DeliveryStatus::Delivered),
    ("read", DeliveryStatus::Delivered),
    ("undelivered", DeliveryStatus::Undelivered),
    ("failed", DeliveryStatus::Undelivered),
    ("canceled", DeliveryStatus::Undelivered),
];

/// The state of that name.
pub(super) fn delivery_status(status: &str) -> Option<DeliveryStatus> {
    STATUSES.iter().find(|(name, _)| *name == status).map(|(_, status)| *status)
}

/// `twilio.30003` where there is an error code, else `twilio.delivered`.
pub(super) fn status_code(error_code: Option<i64>, status: &str) -> String {
    let known = STATUSES.iter().find(|(name, _)| *name == status);
    match (error_code.filter(|code| *code > 0), known) {
        (Some(code), _) => label(code),
        (None, Some((name, _))) => format!("twilio.{name}"),
        (None, None) => "twilio.other".to_owned(),
    }
}

/// The number is the provider's: kept short, so that it stays a usable label.
pub(super) fn label(code: i64) -> String {
    match code {
        10_000..=99_999 => format!("twilio.{code}"),
        _ => "twilio.other".to_owned(),
    }
}
