//! What everybody outside writes and reads alike, SMS providers and payment gateways: paths, JSON,
//! numbers that may be strings. The exchange itself is [`crate::http_client`]'s.

use std::ops::RangeInclusive;

use reqwest::Url;
use serde_json::{Map, Value};

/// The UTF-8 byte order mark some answers begin with.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// `base` with these segments after its path; each is escaped where it must be.
pub(crate) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut()
        .expect("http and https URLs have path segments")
        .pop_if_empty()
        .extend(segments);
    url
}

/// A JSON body, with or without a byte order mark.
pub(crate) fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body.strip_prefix(BOM).unwrap_or(body)).ok()
}

/// The members of a JSON body that is an object.
pub(crate) fn object(body: &[u8]) -> Option<Map<String, Value>> {
    match json(body) {
        Some(Value::Object(members)) => Some(members),
        _ => None,
    }
}

/// An integer, also one in a string.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

/// A word or a number as text; nothing that is empty.
pub(crate) fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `<provider>.<number>` for a number a provider made up: what is not in `known` becomes `other`,
/// so that the code stays a usable label.
pub(crate) fn code(provider: &str, number: i64, known: RangeInclusive<i64>) -> String {
    if known.contains(&number) {
        format!("{provider}.{number}")
    } else {
        format!("{provider}.other")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn segments_are_joined_after_the_path_and_cannot_leave_it() {
        let url = |base: &str| join(&Url::parse(base).unwrap(), &["v1", "a/../b"]).to_string();
        assert_eq!(url("http://a"), "http://a/v1/a%2F..%2Fb");
        assert_eq!(url("http://a/p/"), "http://a/p/v1/a%2F..%2Fb");
    }

    #[test]
    fn integers_may_be_strings() {
        assert_eq!(integer(&json!(" 7 ")), Some(7));
        assert_eq!(integer(&json!(-7)), Some(-7));
        assert_eq!(integer(&json!("7a")), None);
        assert_eq!(integer(&json!(true)), None);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_json() {
        assert_eq!(json(b"\xef\xbb\xbf{\"a\":1}"), Some(json!({"a": 1})));
        assert_eq!(json(b"{\"a\":1}"), Some(json!({"a": 1})));
        assert_eq!(json(b"\xef\xbb\xbf"), None);
    }
}
