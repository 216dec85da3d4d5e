//! Kavenegar's `sms/sendarray`: many texts in one call, each with its recipient, line and local id.

use serde_json::{Value, json};

use super::kavenegar::{carried_out, outcome_of_entry, receptor};
use super::{Content, Outcome, OutgoingSms, wire::integer};
use crate::http_client::Reply;

/// Texts of one call at most (414 beyond).
pub(super) const TEXTS_AT_ONCE: usize = 200;

/// The fields are JSON arrays of one length (419 otherwise).
pub(super) fn form(messages: &[OutgoingSms], sender: &str) -> Vec<(&'static str, String)> {
    let list = |item: &dyn Fn(&OutgoingSms) -> Value| -> String {
        Value::Array(messages.iter().map(item).collect()).to_string()
    };
    let text = |sms: &OutgoingSms| match &sms.content {
        Content::Text(text) => json!(text),
        Content::Template { name, .. } => json!(name),
    };
    vec![
        ("receptor", list(&|sms| json!(receptor(sms)))),
        ("sender", list(&|_| json!(sender))),
        ("message", list(&text)),
        ("localmessageids", list(&|sms| json!(sms.local_id))),
    ]
}

/// What became of each message. Entries are in the order of the request; where they say whose
/// they are, that counts, and an answer that does not fit leaves those unknown that it does not
/// name.
pub(super) fn outcomes_of(reply: &Reply, messages: &[OutgoingSms]) -> Vec<Outcome> {
    let entries = match carried_out(reply) {
        Ok(envelope) => envelope.entries,
        Err(outcome) => return vec![outcome; messages.len()],
    };
    let in_order = entries.len() == messages.len();
    let outcome = |(at, sms): (usize, &OutgoingSms)| {
        let here = entries.get(at).filter(|entry| in_order && is_of(entry, sms) != Some(false));
        let elsewhere = || entries.iter().find(|entry| is_of(entry, sms) == Some(true));
        match here.or_else(elsewhere) {
            Some(entry) => outcome_of_entry(Some(entry)),
            None => Outcome::Unknown { code: "kavenegar.entries".to_owned() },
        }
    };
    messages.iter().enumerate().map(outcome).collect()
}

/// Whether an entry is that of the message, by its local id or else its recipient; `None`: it does
/// not say.
fn is_of(entry: &Value, sms: &OutgoingSms) -> Option<bool> {
    if let Some(local_id) = entry.get("localid").and_then(integer).filter(|id| *id > 0) {
        return Some(local_id == sms.local_id);
    }
    let number = match entry.get("receptor")? {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // Written as it likes: `9…`, `09…`, `98…`, `+98…`. The last ten digits tell mobiles apart.
    let digits = |text: &str| -> Vec<char> {
        let digits: Vec<_> = text.chars().filter(char::is_ascii_digit).collect();
        digits[digits.len().saturating_sub(10)..].to_vec()
    };
    Some(digits(&number) == digits(sms.to.as_e164()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::phone::PhoneNumber;

    fn messages() -> Vec<OutgoingSms> {
        let sms = |number: &str, local_id| OutgoingSms {
            to: PhoneNumber::from_e164(number).unwrap(),
            content: Content::Text(format!("to {number}")),
            local_id,
            accepted_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
        };
        vec![sms("+989120000001", 71), sms("+989120000002", 72), sms("+4915123456789", 73)]
    }

    fn outcomes(status: u16, body: &Value) -> Vec<String> {
        let body = body.to_string().into_bytes();
        let outcomes = outcomes_of(&Reply { status, retry_after: None, body }, &messages());
        let word = |outcome: Outcome| match outcome {
            Outcome::Accepted { provider_message_id } => provider_message_id.unwrap_or_default(),
            Outcome::Rejected { code, .. }
            | Outcome::RetryLater { code, .. }
            | Outcome::Unknown { code } => code,
        };
        outcomes.into_iter().map(word).collect()
    }

    fn answer(entries: &Value) -> Value {
        json!({"return": {"status": 200, "message": "ok"}, "entries": entries})
    }

    #[test]
    fn every_field_is_an_array_of_one_length() {
        let form = form(&messages(), "1000");
        let expected = [
            ("receptor", json!(["09120000001", "09120000002", "4915123456789"])),
            ("sender", json!(["1000", "1000", "1000"])),
            ("message", json!(["to +989120000001", "to +989120000002", "to +4915123456789"])),
            ("localmessageids", json!([71, 72, 73])),
        ];
        assert_eq!(form, expected.map(|(name, list)| (name, list.to_string())));
    }

    #[test]
    fn entries_go_to_whom_they_name_and_else_to_the_one_in_their_place() {
        let plain = json!([{"messageid": 1, "status": 1}, {"messageid": 2, "status": 14},
                           {"messageid": "3", "status": "5"}]);
        assert_eq!(outcomes(200, &answer(&plain)), ["1", "kavenegar.entry_14", "3"]);
        let by_number = json!([{"messageid": 2, "status": 1, "receptor": "989120000002"},
                               {"messageid": 1, "status": 1, "receptor": "9120000001"},
                               {"messageid": 3, "status": 1, "receptor": 4_915_123_456_789_i64}]);
        assert_eq!(outcomes(200, &answer(&by_number)), ["1", "2", "3"]);
        let by_local_id = json!([{"messageid": 3, "status": 1, "localid": 73},
                                 {"messageid": 1, "status": 1, "localid": "71"},
                                 {"messageid": 2, "status": 1, "localid": 72}]);
        assert_eq!(outcomes(200, &answer(&by_local_id)), ["1", "2", "3"]);
    }

    #[test]
    fn what_an_answer_does_not_name_is_unknown() {
        let lost = "kavenegar.entries";
        let one = json!([{"messageid": 2, "status": 1, "localid": 72}]);
        assert_eq!(outcomes(200, &answer(&one)), [lost, "2", lost]);
        assert_eq!(outcomes(200, &answer(&json!([{"messageid": 2, "status": 1}]))), [lost; 3]);
        assert_eq!(outcomes(200, &answer(&Value::Null)), [lost; 3]);
    }

    #[test]
    fn a_call_that_failed_failed_for_each() {
        let refused = |status: u16| json!({"return": {"status": status}, "entries": null});
        assert_eq!(outcomes(418, &refused(418)), ["kavenegar.418"; 3]);
        assert_eq!(outcomes(411, &refused(411)), ["kavenegar.411"; 3]);
        assert_eq!(outcomes(500, &json!("oops")), ["http.500"; 3]);
    }
}
