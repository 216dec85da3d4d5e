//! Finding a message whose outcome is unknown in the account's list.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::Lookup;
use super::{codes, error_code, wire};
use crate::http_client::Reply;

/// Messages to one number asked for at once, newest first. A hundred of the longest stay well
/// below the size of an answer that is read.
pub(super) const PAGE_SIZE: &str = "100";

/// Looks for `text`, sent since `accepted_at`, in the list of the messages to its recipient.
///
/// What does not say clearly that the message is not there is "unavailable": a text is paid for
/// twice otherwise.
pub(super) fn read(reply: &Reply, text: &str, accepted_at: DateTime<Utc>) -> Lookup {
    let unavailable = |code: &str| Lookup::Unavailable { code: code.to_owned() };
    let body = wire::object(&reply.body).unwrap_or_default();
    if let Some(code) = error_code(&body, "code") {
        return unavailable(&codes::label(code));
    }
    let Some(messages) = body.get("messages").and_then(Value::as_array) else {
        return unavailable(&reply.code());
    };
    let mut reached_older = false;
    let mut unclear = false;
    for message in messages {
        match created(message) {
            Some(at) if !wire::is_since(at, accepted_at) => reached_older = true,
            Some(_) => match says(message, text) {
                Some(true) => return Lookup::Found { provider_message_id: sid(message) },
                Some(false) => {}
                None => unclear = true,
            },
            None => unclear = true,
        }
    }
    let has_more = body.get("next_page_uri").is_some_and(|uri| !uri.is_null());
    if unclear || (has_more && !reached_older) {
        return unavailable("twilio.list");
    }
    Lookup::NotFound
}

fn created(message: &Value) -> Option<DateTime<Utc>> {
    let date = message.get("date_created")?.as_str()?;
    Some(DateTime::parse_from_rfc2822(date).ok()?.with_timezone(&Utc))
}

/// Trial accounts put a sentence before the text. `None`: the body was redacted.
fn says(message: &Value, text: &str) -> Option<bool> {
    let body = message.get("body")?.as_str()?.trim();
    (!body.is_empty()).then(|| body.ends_with(text.trim()))
}

fn sid(message: &Value) -> Option<String> {
    message.get("sid").and_then(wire::id)
}
