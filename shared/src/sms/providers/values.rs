//! Values in the answers of providers, which write the same thing in several ways.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

/// How far a provider's clock and its whole seconds may be behind ours. Shorter than any pause
/// between two sends of the same code, so that the earlier one is not taken for the later.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(10);

/// The members of a body that is a JSON object.
pub(super) fn object(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(body).ok()
}

/// A whole number, also as a string.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

/// A word or a number as text; nothing that is empty.
pub(super) fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A provider's id of a message: letters, digits and a few marks, bounded; not `0`.
pub(super) fn message_id(value: &Value) -> Option<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    word(value).filter(|id| id != "0" && id.len() <= 64 && id.chars().all(fine))
}

/// Hundredths of an amount such as `-12.5`; finer parts are cut off.
pub(super) fn hundredths(value: &Value) -> Option<i64> {
    let text = word(value)?;
    let (sign, digits) = text.strip_prefix('-').map_or((1, &*text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    let cents: i64 = format!("{part:0<2}")[..2].parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)?.checked_mul(sign)
}

/// Whether something the provider dates `created` can be the message accepted at `accepted_at`.
pub(super) fn is_since(created: DateTime<Utc>, accepted_at: DateTime<Utc>) -> bool {
    created + CLOCK_SKEW >= accepted_at
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn ids_are_bounded_words() {
        assert_eq!(message_id(&json!(12345)).as_deref(), Some("12345"));
        assert_eq!(message_id(&json!(" a-1.b ")).as_deref(), Some("a-1.b"));
        for value in [json!(0), json!("0"), json!(""), json!(null), json!("a b"), json!("الف")] {
            assert_eq!(message_id(&value), None, "{value}");
        }
        assert_eq!(message_id(&json!("x".repeat(65))), None);
    }

    #[test]
    fn what_was_sent_before_a_message_was_accepted_is_another() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        for (created, expected) in [(100, true), (95, true), (90, true), (89, false), (200, true)] {
            assert_eq!(is_since(at(created), at(100)), expected, "{created}");
        }
    }
}
