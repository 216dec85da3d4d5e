//! What Melipayamak's numbers mean: of a send, and of a message on its way.
//!
//! Sources: <https://www.melipayamak.com/api/sendsimplesms>, `/sendsms`, `/sendbybasenumber` and
//! `/sendbybasenumber2`; -108 to -111 and the delivery states from public callers.

use super::super::wire::{code, refused};
use super::super::{DeliveryStatus, Outcome, Rejection};

/// An id has more digits than this; what is shorter is an error number.
const LONGEST_NUMBER: usize = 15;

/// What was asked for. Two numbers mean different things for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// `SendSMS`, `SendSimpleSMS2`.
    Text,
    /// `BaseServiceNumber`, `SendByBaseNumber2`: its line reaches numbers on the blacklist too.
    Template,
}

/// The result of a send: an id, or an error number. The same in both protocols, a string in both.
pub(super) fn outcome_of_result(result: &str, call: Call) -> Outcome {
    let digits = result.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (LONGEST_NUMBER + 1..=32).contains(&result.len()) {
        return Outcome::Accepted { provider_message_id: Some(result.to_owned()) };
    }
    match result.parse() {
        Ok(number) => refusal(number, call),
        // Success without an id to believe it by.
        Err(_) => Outcome::Unknown { code: "melipayamak.result".to_owned() },
    }
}

/// The table of error numbers.
pub(super) fn refusal(number: i64, call: Call) -> Outcome {
    let code = number_code(number);
    match number {
        // The system is being updated; an internal error. Neither gives an id.
        6 | -6 => Outcome::RetryLater { after: None, code },
        // Credentials, credit, daily and volume limits, sender, public lines, user inactive,
        // documents; access, line, sender; address blocked or not allowed, key instead of password.
        0 | 2..=5 | 9 | 10 | 12 | -1 | -3 | -7 | -111..=-108 => refused(Rejection::Account, &code),
        // No recipient, or an invalid one.
        16 | 18 => refused(Rejection::Recipient, &code),
        35 if call == Call::Text => refused(Rejection::Recipient, &code),
        // Filtered word, link, "لغو11" missing, empty; too many numbers, template unknown, its
        // variables do not fit, a link among them; data (a template reaches the blacklist).
        7 | 14 | 15 | 17 | 35 | -2 | -4 | -5 | -10 => refused(Rejection::Request, &code),
        // 11 is "not sent", which does not say that it will not be; 1 is "sent" without an id.
        _ => Outcome::Unknown { code },
    }
}

/// Whether [`refusal`] knows the number as one of an error.
pub(super) fn is_error(number: i64) -> bool {
    !matches!(refusal(number, Call::Text), Outcome::Unknown { .. }) || number == 11
}

/// Where a message is (`GetDeliveries2`); `None` for "unknown" (5, 100), for an id that does not
/// exist (-1) and for what nobody has described.
pub(super) fn delivery(number: i64) -> Option<DeliveryStatus> {
    match number {
        400 => Some(DeliveryStatus::Accepted),
        0 | 8 | 200 => Some(DeliveryStatus::Carried),
        1 => Some(DeliveryStatus::Delivered),
        // Not on the handset, carrier error, not at the carrier, blacklist, filtered, rejected.
        2 | 3 | 16 | 35 | 300 | 500 => Some(DeliveryStatus::Undelivered),
        _ => None,
    }
}

pub(super) fn number_code(number: i64) -> String {
    code("melipayamak", number, -999..=999)
}
