//! What the answers of SMS Aero mean.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::super::{DeliveryStatus, Lookup, Outcome, OutgoingSms, Rejection, Report, wire};
use crate::http_client::Reply;

/// Whether an answer says that the call was carried out. Refusals in the manner of v1 have a
/// `result` alone.
pub(super) fn success(answer: &Map<String, Value>) -> Option<bool> {
    match answer.get("result").and_then(Value::as_str) {
        Some("no credits" | "reject") => Some(false),
        _ => answer.get("success")?.as_bool(),
    }
}

/// What became of a message.
pub(super) fn outcome_of(reply: &Reply) -> Outcome {
    let Some(answer) = wire::object(&reply.body) else { return reply.unreadable() };
    match success(&answer) {
        Some(true) => accepted(answer.get("data")),
        Some(false) => match (reply.status, refusal(&answer, reply)) {
            (429 | 503, (_, code)) => Outcome::RetryLater { after: reply.retry_after, code },
            (500.., (_, code)) => Outcome::Unknown { code },
            (_, (reason, code)) => Outcome::Rejected { reason, code },
        },
        None => reply.unreadable(),
    }
}

/// `data` is the message, or a list of one.
fn accepted(data: Option<&Value>) -> Outcome {
    let message = data.and_then(|data| data.get(0).unwrap_or(data).as_object());
    if let Some(Report { status: Some(DeliveryStatus::Undelivered), code, .. }) =
        message.and_then(report)
    {
        return Outcome::Rejected { reason: Rejection::Request, code };
    }
    let id = message.and_then(|message| wire::id(message.get("id")?));
    Outcome::Accepted { provider_message_id: id }
}

/// What `success: false` is about. There are no codes: the fields in `data` that were found
/// wrong, `result`, a few words of `message`, and the HTTP status, in this order.
pub(super) fn refusal(answer: &Map<String, Value>, reply: &Reply) -> (Rejection, String) {
    use Rejection::{Account, Recipient, Request};
    let data = answer.get("data");
    let about = |field: &str| data.is_some_and(|data| data.get(field).is_some());
    let text = |name| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let (result, message) = (text("result"), text("message"));
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let (reason, code) = if about("number") || about("numbers") {
        (Recipient, "number")
    } else if about("sign") {
        (Account, "sign")
    } else if about("text") {
        (Request, "text")
    } else if result == "no credits" || says(&["credits", "money", "balance"]) {
        (Account, "no_credits")
    } else if result == "reject" {
        (Request, "reject")
    } else if reply.status == 402 {
        (Account, "no_credits")
    } else if matches!(reply.status, 401 | 403) || says(&["authori", "credential", "api key"]) {
        (Account, "auth")
    } else {
        (Request, "refused")
    };
    (reason, format!("sms_aero.{code}"))
}

/// The states of a message: 0 and 1 are the SDK's, the others from memory.
/// 0 queue, 1 delivered, 2 not delivered, 3 handed over, 4 waiting, 6 rejected, 8 moderation.
fn delivery_status(status: i64) -> Option<DeliveryStatus> {
    match status {
        0 | 8 => Some(DeliveryStatus::Accepted),
        3 | 4 => Some(DeliveryStatus::Carried),
        1 => Some(DeliveryStatus::Delivered),
        2 | 6 => Some(DeliveryStatus::Undelivered),
        _ => None,
    }
}

/// The state of one message.
pub(super) fn report(message: &Map<String, Value>) -> Option<Report> {
    let status = message.get("status").and_then(wire::integer)?;
    let code = match status {
        0..=99 => format!("sms_aero.{status}"),
        _ => "sms_aero.other".to_owned(),
    };
    let provider_message_id = wire::id(message.get("id")?)?;
    Some(Report { provider_message_id, status: delivery_status(status), code })
}

/// Looks for our message in `sms/list`: an object of messages by their place, beside `links` and
/// `totalCount`. What does not say clearly that it is not there is "unavailable".
pub(super) fn find(data: &Value, number: i64, text: &str, sms: &OutgoingSms) -> Lookup {
    let unavailable = || Lookup::Unavailable { code: "sms_aero.list".to_owned() };
    let messages: Vec<_> = match data {
        Value::Object(members) => {
            members.values().filter(|member| member.get("id").is_some()).collect()
        }
        Value::Array(list) => list.iter().collect(),
        Value::Null => Vec::new(),
        _ => return unavailable(),
    };
    for message in messages {
        let field = |name| message.get(name);
        let (Some(to), Some(body), Some(created)) = (
            field("number").and_then(wire::integer),
            field("text").and_then(Value::as_str),
            field("dateCreate")
                .and_then(wire::integer)
                .and_then(|at| DateTime::from_timestamp(at, 0)),
        ) else {
            return unavailable();
        };
        let ours = to == number && body.trim() == text.trim();
        if ours && wire::is_since(created, sms.accepted_at) {
            let id = field("id").and_then(wire::id);
            return Lookup::Found { provider_message_id: id };
        }
    }
    // In which order pages come is not documented.
    let next = data.get("links").and_then(|links| links.get("next"));
    if next.is_some_and(|next| !next.is_null()) { unavailable() } else { Lookup::NotFound }
}
