//! What is kept of a gateway's answer: enough for the record and for old clients, bounded, with cards
//! masked, and without the account's secrets and the payer's person.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::Said;
use crate::{payments::cards::mask_pan, wire};

/// Longest sentence that is kept, in characters.
const MAX_MESSAGE: usize = 500;
/// Longest text within an answer, in characters.
const MAX_TEXT: usize = 300;
/// Most members of an object or items of a list.
const MAX_MEMBERS: usize = 32;
/// How far lists and objects may lie in each other.
const MAX_DEPTH: usize = 4;
/// Shorter secrets are not looked for in texts: they would be found everywhere.
const MIN_SECRET: usize = 6;

/// Members that are never kept: who pays, and with which account of ours. In lower case, without
/// anything between the letters.
const DROPPED: [&str; 13] = [
    "merchant",
    "merchantid",
    "token",
    "accesstoken",
    "apikey",
    "authorization",
    "mobile",
    "email",
    "payeridentity",
    "payername",
    "nationalcode",
    "cellnumber",
    "phone",
];

/// Members that hold a number of a card.
const CARDS: [&str; 6] = ["card", "cardno", "cardnumber", "cardpan", "pan", "cardmask"];

/// An account's name in reasons, and what must not be in anything kept.
#[derive(Clone)]
pub(super) struct Record {
    gateway: &'static str,
    secrets: Vec<SecretString>,
}

impl Record {
    pub(super) fn new<'a>(
        gateway: &'static str,
        secrets: impl IntoIterator<Item = &'a SecretString>,
    ) -> Self {
        let long = |secret: &&SecretString| secret.expose_secret().len() >= MIN_SECRET;
        Self { gateway, secrets: secrets.into_iter().filter(long).cloned().collect() }
    }

    /// What was said with a number of the gateway's own.
    pub(super) fn said(&self, code: i64, message: &str, answer: &Value) -> Said {
        Said {
            code: i32::try_from(code).ok(),
            reason: wire::code(self.gateway, code, -9_999..=9_999),
            message: self.text(message, MAX_MESSAGE),
            answer: self.clean(answer, 0),
        }
    }

    /// What was said, or found wrong with it, in a bounded word of ours.
    pub(super) fn noted(&self, word: &str, message: &str, answer: &Value) -> Said {
        Said {
            code: None,
            reason: format!("{}.{word}", self.gateway),
            message: self.text(message, MAX_MESSAGE),
            answer: self.clean(answer, 0),
        }
    }

    fn clean(&self, value: &Value, depth: usize) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text, MAX_TEXT)),
            Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => Value::Null,
            Value::Array(items) => {
                items.iter().take(MAX_MEMBERS).map(|item| self.clean(item, depth + 1)).collect()
            }
            Value::Object(members) => Value::Object(self.members(members, depth)),
            plain => plain.clone(),
        }
    }

    fn members(&self, members: &Map<String, Value>, depth: usize) -> Map<String, Value> {
        let kept = members.iter().take(MAX_MEMBERS).filter_map(|(name, value)| {
            let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            let plain = plain.to_ascii_lowercase();
            let value = match &*plain {
                dropped if DROPPED.contains(&dropped) => return None,
                card if CARDS.contains(&card) && !value.is_null() => wire::word(value)
                    .and_then(|text| mask_pan(&text))
                    .map_or(Value::Null, Value::from),
                _ => self.clean(value, depth + 1),
            };
            Some((self.text(name, 64), value))
        });
        kept.collect()
    }

    /// Without secrets and control characters (PostgreSQL keeps no NUL), cut at `most` characters.
    fn text(&self, text: &str, most: usize) -> String {
        let mut text: String = text.chars().filter(|letter| !letter.is_control()).collect();
        for secret in &self.secrets {
            text = text.replace(secret.expose_secret(), "…");
        }
        text.chars().take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Record {
        Record::new("pay", &["s3cr3t-merchant", "abc"].map(SecretString::from))
    }

    #[test]
    fn nothing_kept_names_the_account_the_payer_or_a_whole_card() {
        let answer = json!({
            "code": 100, "wages": null, "card_pan": "6037991234561234", "card_hash": "1EBE",
            "merchant_id": "other", "Mobile": "09123456789", "callback": "https://a/?m=s3cr3t-merchant",
            "list": [{"CardNumber": 6_037_991_234_561_234_u64, "payerIdentity": "a@b.c", "token": "t"}],
            "cardNumber": "no card",
        });
        let said = record().said(100, "paid by s3cr3t-merchant\u{0}", &answer);
        let kept = json!({
            "code": 100, "wages": null, "card_pan": "603799******1234", "card_hash": "1EBE",
            "callback": "https://a/?m=…", "list": [{"CardNumber": "603799******1234"}],
            "cardNumber": null,
        });
        assert_eq!(said.answer, kept);
        assert_eq!((said.code, &*said.reason, &*said.message), (Some(100), "pay.100", "paid by …"));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut deep = json!("x");
        for _ in 0..20 {
            deep = json!({"a": [deep]});
        }
        let many: Map<_, _> =
            (0..100).map(|at| (format!("m{at:03}"), json!("م".repeat(5_000)))).collect();
        for answer in [deep, Value::Object(many), json!(vec!["x".repeat(5_000); 100])] {
            let said = record().said(i64::MAX, &"پ".repeat(5_000), &answer);
            assert!(said.answer.to_string().len() < 64 * 1024);
            assert_eq!((said.code, &*said.reason), (None, "pay.other"));
            assert_eq!(said.message.chars().count(), MAX_MESSAGE);
        }
        assert!(
            record().noted("amount", "", &json!({"a\u{0}b": "c\u{0}d"})).answer
                == json!({"ab": "cd"})
        );
    }
}
