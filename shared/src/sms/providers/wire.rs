//! What several providers read alike beside [`crate::wire`]: ids, and what an exchange means that the
//! provider's own rules cannot read.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{Content, Outcome, Rejection};
use crate::http_client::{Failure, Reply};
pub(super) use crate::wire::{code, integer, join, json, object, word};

/// Longer ids than this are no ids.
const MAX_ID_CHARS: usize = 64;

/// How far a provider's clock and its whole seconds may be behind ours. Shorter than any pause
/// between two sends of the same code, so that the earlier one is not taken for the later.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(10);

/// An id as text: a positive integer, or a string of at most 64 printable ASCII characters.
pub(super) fn id(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.as_u64()?.to_string(),
    };
    let fine = !text.is_empty()
        && text != "0"
        && text.len() <= MAX_ID_CHARS
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    fine.then_some(text)
}

/// A decimal number or one in a string, in hundredths; what is smaller is cut off.
pub(super) fn hundredths(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => parse_hundredths(text.trim()),
        Value::Number(number) => parse_hundredths(&number.to_string()),
        _ => None,
    }
}

fn parse_hundredths(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(rest) {
        return None;
    }
    let cents: i64 = format!("{rest}0").get(..2)?.parse().ok()?;
    let sum = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)?;
    Some(if negative { -sum } else { sum })
}

/// Whether something the provider dates `created` can be the message accepted at `accepted_at`.
pub(super) fn is_since(created: DateTime<Utc>, accepted_at: DateTime<Utc>) -> bool {
    created + CLOCK_SKEW >= accepted_at
}

/// A refusal of our own making, before any call.
pub(super) fn refused(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

/// The text, for a provider that has no templates: [`crate::sms::templates`] hands it none.
///
/// # Errors
/// `<provider>.no_template`, which another provider may have.
pub(super) fn text_of<'a>(content: &'a Content, provider: &str) -> Result<&'a str, Outcome> {
    match content {
        Content::Text(text) => Ok(text),
        Content::Template { .. } => {
            Err(refused(Rejection::Request, &format!("{provider}.no_template")))
        }
    }
}

impl Reply {
    /// What an answer means whose body the provider's own rules cannot read: 429 and 503 are
    /// promises that nothing was done, any other status is no such promise.
    pub(super) fn unreadable(&self) -> Outcome {
        match self.status {
            429 | 503 => Outcome::RetryLater { after: self.retry_after, code: self.code() },
            _ => Outcome::Unknown { code: self.code() },
        }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotWritten { code } => Self::RetryLater { after: None, code },
            Failure::Unknown { code } => Self::Unknown { code },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn hundredths_are_cut_off_and_may_be_in_strings() {
        let hundredths: Vec<_> =
            [json!(12.5), json!("0.009"), json!(3), json!("-1.25"), json!("1.2.3"), json!("")]
                .iter()
                .map(hundredths)
                .collect();
        assert_eq!(hundredths, [Some(1250), Some(0), Some(300), Some(-125), None, None]);
    }

    #[test]
    fn an_id_is_a_number_or_a_short_word() {
        assert_eq!(id(&json!(89_545_112)).as_deref(), Some("89545112"));
        assert_eq!(id(&json!(" 9f-1 ")).as_deref(), Some("9f-1"));
        for none in [json!(0), json!("0"), json!(""), json!(null), json!(-1), json!("سلام")] {
            assert_eq!(id(&none), None, "{none}");
        }
        assert_eq!(id(&json!("x".repeat(65))), None);
    }

    #[test]
    fn codes_of_strange_size_are_one_code() {
        assert_eq!(code("p", -4, -999..=999), "p.-4");
        assert_eq!(code("p", 1000, -999..=999), "p.other");
    }

    #[test]
    fn money_is_read_without_floats() {
        let cases = [
            (json!(337.03), Some(33_703)),
            (json!("12.5"), Some(1250)),
            (json!("-0.019"), Some(-1)),
            (json!(7), Some(700)),
            (json!("0.00"), Some(0)),
            (json!(""), None),
            (json!("1e9"), None),
            (json!("۱۲"), None),
            (json!("."), None),
            (json!("99999999999999999999"), None),
            (json!(null), None),
        ];
        for (value, expected) in cases {
            assert_eq!(hundredths(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_was_sent_before_a_message_was_accepted_is_another() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        for (created, expected) in [(100, true), (95, true), (90, true), (89, false), (200, true)] {
            assert_eq!(is_since(at(created), at(100)), expected, "{created}");
        }
    }

    #[test]
    fn only_429_and_503_promise_that_nothing_was_done() {
        for status in [200, 204, 302, 400, 404, 408, 500, 502, 504] {
            let reply = Reply { status, retry_after: None, body: Vec::new() };
            assert!(matches!(reply.unreadable(), Outcome::Unknown { .. }), "{status}");
        }
        for status in [429, 503] {
            let after = Some(Duration::from_secs(5));
            let reply = Reply { status, retry_after: after, body: Vec::new() };
            let code = format!("http.{status}");
            assert_eq!(reply.unreadable(), Outcome::RetryLater { after, code });
        }
    }
}
