//! ZarinPal's answers: `{"data": …, "errors": …}`, where what is empty is `[]` and what is filled `{}`
//! or a list of one, and numbers may be strings. Pure.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use serde_json::{Map, Value};

use super::super::{Standing, Unverified};
use crate::{money::Rials, wire};

/// It tells the last hundred; more are not looked at.
const MAX_UNVERIFIED: usize = 1_000;

/// An answer with a code.
pub(super) struct Answer {
    /// [`super::codes`].
    pub(super) code: i64,
    pub(super) message: String,
    /// The filled one of `data` and `errors`.
    pub(super) members: Map<String, Value>,
}

impl Answer {
    /// `None`: it is none of ZarinPal's.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let body = wire::object(body)?;
        let filled = |name: &str| body.get(name).and_then(first_object);
        let members = [filled("errors"), filled("data")].into_iter().flatten();
        let mut coded = members.filter_map(|members| {
            let code = members.get("code").and_then(wire::integer)?;
            let message = members.get("message").and_then(Value::as_str).unwrap_or_default();
            Some(Self { code, message: message.to_owned(), members: members.clone() })
        });
        coded.next()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.members.get(name).and_then(wire::word)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.members.get(name).and_then(wire::integer)
    }

    pub(super) fn whole(&self) -> Value {
        Value::Object(self.members.clone())
    }
}

/// The members of `data`, with or without a code: inquiries need none.
pub(super) fn data(body: &[u8]) -> Option<Map<String, Value>> {
    wire::object(body)?.get("data").and_then(first_object).cloned()
}

/// An object, or the first of a list of them.
fn first_object(value: &Value) -> Option<&Map<String, Value>> {
    let first = value.as_array().map_or(Some(value), |items| items.first());
    first.and_then(Value::as_object).filter(|members| !members.is_empty())
}

/// `data.status` of an inquiry; `None` for a word that is not of its documents.
pub(super) fn standing(data: &Map<String, Value>) -> Option<Standing> {
    let reference = || data.get("ref_id").and_then(wire::integer).filter(|number| *number > 0);
    match &*data.get("status")?.as_str()?.trim().to_ascii_uppercase() {
        "IN_BANK" => Some(Standing::Open),
        "PAID" => Some(Standing::Paid(None)),
        "VERIFIED" => Some(Standing::Verified(reference())),
        "FAILED" => Some(Standing::Failed),
        "REVERSED" => Some(Standing::Reversed),
        _ => None,
    }
}

/// `data.authorities`; what cannot be read of it is left out.
pub(super) fn unverified(data: &Map<String, Value>) -> Option<Vec<Unverified>> {
    let rows = data.get("authorities")?.as_array()?.iter().take(MAX_UNVERIFIED);
    let row = |row: &Value| {
        let authority = row.get("authority").and_then(wire::word)?;
        let amount = row.get("amount").and_then(wire::integer).map(Rials::new)?;
        let at = row.get("date").and_then(Value::as_str).and_then(date);
        Some(Unverified { authority, amount, at })
    };
    Some(rows.filter_map(row).collect())
}

/// `2020-07-01 17:33:25`. No document says of which zone: taken as Tehran's, where ZarinPal is.
fn date(text: &str) -> Option<DateTime<Utc>> {
    let local = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S").ok()?;
    let zoned = chrono_tz::Asia::Tehran.from_local_datetime(&local).earliest()?;
    Some(zoned.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(body: &Value) -> Option<i64> {
        Answer::parse(body.to_string().as_bytes()).map(|answer| answer.code)
    }

    #[test]
    fn what_is_empty_may_be_a_list_and_what_is_filled_too() {
        let cases = [
            (json!({"data": {"code": 100}, "errors": []}), Some(100)),
            (json!({"data": {"code": "100"}, "errors": {}}), Some(100)),
            (json!({"data": [{"code": 101}], "errors": null}), Some(101)),
            (json!({"data": {"code": 100}}), Some(100)),
            (json!({"data": [], "errors": {"code": -9}}), Some(-9)),
            (json!({"data": {}, "errors": [{"code": "-51"}]}), Some(-51)),
            (json!({"errors": {"code": -12}}), Some(-12)),
            // An error is one whatever lies beside it.
            (json!({"data": {"code": 100}, "errors": {"code": -50}}), Some(-50)),
            (json!({"data": [], "errors": []}), None),
            (json!({"data": {"code": true}, "errors": []}), None),
            (json!({"data": {"code": 100.5}}), None),
            (json!([]), None),
            (json!({"message": "Unauthenticated."}), None),
        ];
        for (body, expected) in cases {
            assert_eq!(code(&body), expected, "{body}");
        }
        assert!(Answer::parse(b"<html/>").is_none());
    }

    #[test]
    fn every_status_of_an_inquiry() {
        let cases = [
            ("IN_BANK", Some(Standing::Open)),
            ("PAID", Some(Standing::Paid(None))),
            ("VERIFIED", Some(Standing::Verified(Some(7)))),
            ("FAILED", Some(Standing::Failed)),
            ("REVERSED", Some(Standing::Reversed)),
            (" paid ", Some(Standing::Paid(None))),
            ("ACTIVE", None),
            ("", None),
        ];
        for (status, expected) in cases {
            let data = json!({"status": status, "ref_id": "7", "code": 100});
            assert_eq!(standing(data.as_object().unwrap()), expected, "{status}");
        }
        assert_eq!(standing(json!({"code": 100}).as_object().unwrap()), None);
        let none = json!({"status": "VERIFIED", "ref_id": 0});
        assert_eq!(standing(none.as_object().unwrap()), Some(Standing::Verified(None)));
    }

    #[test]
    fn unverified_payments_are_read_with_tehrans_time() {
        let data = json!({"code": "100", "authorities": [
            {"authority": "A1", "amount": 50_500, "date": "2020-07-01 17:33:25"},
            {"authority": "A2", "amount": "11100", "date": "yesterday"},
            {"authority": "A3"}, {"amount": 1}, null, [],
        ]});
        let at = Utc.with_ymd_and_hms(2020, 7, 1, 13, 3, 25).unwrap();
        let row = |authority: &str, amount, at| Unverified {
            authority: authority.to_owned(),
            amount: Rials::new(amount),
            at,
        };
        let expected = vec![row("A1", 50_500, Some(at)), row("A2", 11_100, None)];
        assert_eq!(unverified(data.as_object().unwrap()), Some(expected));
        assert_eq!(unverified(json!({"code": 100}).as_object().unwrap()), None);
        let many = json!({"authorities": vec![json!({"authority": "A", "amount": 1}); 1_500]});
        assert_eq!(unverified(many.as_object().unwrap()).unwrap().len(), MAX_UNVERIFIED);
    }
}
