//! PayPing's answers: names in any case (`camelCase` in the documents, `PascalCase` within errors), and
//! numbers that may be strings. Pure.

use serde_json::{Map, Value};

use super::super::Standing;
use crate::{http_client::Reply, wire};

/// Members by their names in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        wire::object(body).map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let known = |known: &&String| known.eq_ignore_ascii_case(name);
        self.0.keys().find(known).and_then(|key| self.0.get(key)).filter(|value| !value.is_null())
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(wire::integer)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(wire::word)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(word) => word.trim().to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }

    /// An object, or one as a JSON text.
    fn nested(&self, name: &str) -> Option<Self> {
        match self.get(name)? {
            Value::Object(members) => Some(Self(members.clone())),
            Value::String(text) => Self::of(text.as_bytes()),
            _ => None,
        }
    }

    pub(super) fn whole(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// An answer that is not what was asked for.
pub(super) struct Refusal {
    /// `metaData.code`.
    pub(super) code: i64,
    pub(super) message: String,
    /// The payment, where it comes along: `metaData.message` of 110.
    pub(super) payment: Option<Members>,
    pub(super) whole: Value,
}

impl Refusal {
    /// `None`: none with a code.
    pub(super) fn parse(reply: &Reply) -> Option<Self> {
        let body = Members::of(&reply.body)?;
        let meta = body.nested("metaData")?;
        let code = meta.number("code")?;
        let first = meta.get("errors").and_then(|errors| errors.get(0)).cloned();
        let first = first.and_then(|error| match error {
            Value::Object(members) => Members(members).text("message"),
            other => wire::word(&other),
        });
        let payment = meta.nested("message");
        let sentence = meta.text("message").filter(|_| payment.is_none());
        let message = first.or(sentence).or_else(|| body.text("title")).unwrap_or_default();
        // A payment is kept in the one form whose card is found and masked.
        let whole = payment.as_ref().map_or_else(|| body.whole(), Members::whole);
        Some(Self { code, message, payment, whole })
    }
}

/// How a payment named by `ours` stands, as its report says. No document shows what a report holds, so
/// only what cannot be misread counts: it must name our payment, and say a known word of it.
pub(super) fn standing(report: &Members, ours: (&str, &str), tomans: i64) -> Option<Standing> {
    let (authority, client_ref) = ours;
    let code = ["paymentCode", "code"].into_iter().find_map(|name| report.text(name));
    let named = match (code, report.text("clientRefId")) {
        (Some(code), _) => code == authority,
        (None, Some(theirs)) => theirs == client_ref,
        (None, None) => false,
    };
    let same_amount = report.number("amount").is_none_or(|amount| amount == tomans);
    if !named || !same_amount {
        return None;
    }
    let reference = ["paymentRefId", "refId"].into_iter().find_map(|name| report.number(name));
    let reference = reference.filter(|number| *number > 1);
    let is = |name: &str| report.flag(name);
    let word = report.text("status").unwrap_or_default().to_ascii_lowercase();
    match (&*word, is("isReversed"), is("isVerified"), is("isPaid")) {
        ("reversed" | "refunded", ..) | (_, Some(true), ..) => Some(Standing::Reversed),
        ("verified", ..) | (_, _, Some(true), _) => Some(Standing::Verified(reference)),
        ("paid", ..) | (_, _, _, Some(true)) => Some(Standing::Paid(reference)),
        ("failed", ..) => Some(Standing::Failed),
        ("canceled" | "cancelled", ..) => Some(Standing::Cancelled),
        ("created" | "pending", ..) | (_, _, _, Some(false)) => Some(Standing::Open),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(body: &Value) -> Reply {
        Reply { status: 409, retry_after: None, body: body.to_string().into_bytes() }
    }

    #[test]
    fn names_are_read_in_any_case_and_numbers_in_strings() {
        let members = Members::of(br#"{"Amount":"1000","ClientRefId":"a","Card":null}"#).unwrap();
        assert_eq!(members.number("amount"), Some(1000));
        assert_eq!(members.text("clientRefId").as_deref(), Some("a"));
        assert_eq!(members.text("card"), None);
    }

    #[test]
    fn the_payment_of_110_is_an_object_or_a_json_text() {
        let payment = json!({"Amount": 1000, "Code": "01K", "CardNumber": "6037991234561234"});
        for message in [payment.clone(), Value::String(payment.to_string())] {
            let body =
                json!({"paypingTraceId": "t", "metaData": {"code": "110", "message": message}});
            let refusal = Refusal::parse(&reply(&body)).unwrap();
            assert_eq!((refusal.code, &refusal.whole), (110, &payment));
            assert_eq!(refusal.payment.unwrap().number("amount"), Some(1000));
        }
        let body = json!({"metaData": {"code": 110, "message": "already verified", "errors": []}});
        let refusal = Refusal::parse(&reply(&body)).unwrap();
        assert_eq!((refusal.payment, &*refusal.message), (None, "already verified"));
    }

    #[test]
    fn a_refusal_has_a_code_and_the_first_of_its_sentences() {
        let body = json!({"title": "ValidationException", "status": 400, "metaData":
            {"code": 101, "errors": [{"message": "مبلغ"}, {"message": "b"}]}});
        let refusal = Refusal::parse(&reply(&body)).unwrap();
        assert_eq!((refusal.code, &*refusal.message, &refusal.whole), (101, "مبلغ", &body));
        let pascal = json!({"Title": "t", "MetaData": {"Code": 133, "Errors": []}});
        let refusal = Refusal::parse(&reply(&pascal)).unwrap();
        assert_eq!((refusal.code, &*refusal.message), (133, "t"));
        for none in [json!({}), json!({"metaData": {}}), json!({"metaData": []}), json!([])] {
            assert!(Refusal::parse(&reply(&none)).is_none(), "{none}");
        }
    }

    #[test]
    fn a_report_counts_only_where_it_names_our_payment_in_clear_words() {
        let cases = [
            (json!({"code": "01J", "isPaid": true}), Some(Standing::Paid(None))),
            (
                json!({"Code": "01J", "Status": "Paid", "PaymentRefId": "77", "Amount": 1000}),
                Some(Standing::Paid(Some(77))),
            ),
            (
                json!({"paymentCode": "01J", "isPaid": true, "isVerified": true, "refId": 77}),
                Some(Standing::Verified(Some(77))),
            ),
            (json!({"clientRefId": "ours", "status": "verified"}), Some(Standing::Verified(None))),
            (
                json!({"code": "01J", "isPaid": true, "isVerified": true, "isReversed": true}),
                Some(Standing::Reversed),
            ),
            (json!({"code": "01J", "status": "failed"}), Some(Standing::Failed)),
            (json!({"code": "01J", "status": "Canceled"}), Some(Standing::Cancelled)),
            (json!({"code": "01J", "isPaid": false}), Some(Standing::Open)),
            (json!({"code": "01J", "isPaid": "false"}), Some(Standing::Open)),
            // Another payment, another amount, nobody's, nothing said.
            (json!({"code": "01K", "isPaid": true}), None),
            (json!({"code": "01K", "clientRefId": "ours", "isPaid": true}), None),
            (json!({"clientRefId": "theirs", "isPaid": true}), None),
            (json!({"code": "01J", "isPaid": true, "amount": 10_000}), None),
            (json!({"isPaid": true}), None),
            (json!({"code": "01J", "status": 1}), None),
            (json!({"code": "01J", "rrn": "603799******1234"}), None),
        ];
        for (report, expected) in cases {
            let members = Members::of(report.to_string().as_bytes()).unwrap();
            assert_eq!(standing(&members, ("01J", "ours"), 1000), expected, "{report}");
        }
    }
}
