//! Twilio's Messages, as strict as its documents.

use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};

use super::{
    account::{Account, delivered},
    http::{Request, Response},
    provider::Answer,
};

/// The number of the fake's account.
pub const TWILIO_LINE: &str = "+15005550006";
/// The messaging service of the fake's account.
pub const TWILIO_SERVICE: &str = "MG22222222222222222222222222222222";

const FIELDS: [&str; 6] =
    ["To", "From", "MessagingServiceSid", "Body", "ValidityPeriod", "StatusCallback"];

/// The protocol of an account with this SID, for one who calls as `caller`.
///
/// # Panics
/// A list is asked for without a number: nobody wants all of the account's messages.
pub fn twilio(sid: &'static str, caller: Account) -> impl Fn(&Request, u64) -> Answer {
    let sent = Mutex::new(Vec::new());
    move |request, number| {
        let sent = sent.lock().expect("no holder of this lock panics");
        let root = format!("/2010-04-01/Accounts/{sid}/");
        match (request.path().strip_prefix(&root), &*request.method) {
            _ if !caller.owns(request) => error(401, 20003),
            (Some("Messages.json"), "POST") => create(request, number, sent),
            (Some("Messages.json"), "GET") => list(request, &sent),
            (Some("Balance.json"), "GET") => {
                let body = json!({"account_sid": sid, "balance": "-3.517", "currency": "usd"});
                Answer::only(Response::json(200, &body))
            }
            (Some(path), "GET") => one(path, &sent),
            _ => error(404, 20404),
        }
    }
}

fn error(status: u16, code: u32) -> Answer {
    let body = json!({
        "code": code,
        "message": "The text 482913 to +989123456789 was refused",
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status,
    });
    Answer::only(Response::json(status, &body))
}

fn create(request: &Request, number: u64, mut sent: MutexGuard<'_, Vec<Value>>) -> Answer {
    // A body that is no form has no fields.
    let fields = request.fields();
    let field = |name: &str| {
        fields.iter().find(|(key, _)| key == name).map(|(_, value)| &**value).unwrap_or_default()
    };
    let (to, body) = (field("To"), field("Body"));
    let digits = to.strip_prefix('+').unwrap_or_default();
    let validity = field("ValidityPeriod").parse().unwrap_or(0);
    let refused = match (field("From"), field("MessagingServiceSid")) {
        _ if to.is_empty() => Some(21604),
        _ if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(21211),
        ("", "") => Some(21603),
        (from, "") if from != TWILIO_LINE => Some(21606),
        ("", service) if service != TWILIO_SERVICE => Some(20404),
        _ if body.is_empty() => Some(21602),
        _ if body.chars().count() > 1600 => Some(21617),
        _ if !(1..=36_000).contains(&validity) => Some(20001),
        _ if fields.iter().any(|(name, _)| !FIELDS.contains(&&**name)) => Some(20001),
        _ => None,
    };
    if let Some(code) = refused {
        return error(400, code);
    }
    let message = json!({
        "sid": format!("SM{number:032x}"), "to": to, "body": body, "status": "queued",
        "num_segments": "1", "direction": "outbound-api", "date_sent": null,
        "date_created": SystemClock.now().to_rfc2822(), "error_code": null, "price": null,
    });
    sent.insert(0, message.clone());
    Answer { response: Response::json(201, &message), delivered: vec![delivered(digits, body)] }
}

fn list(request: &Request, sent: &[Value]) -> Answer {
    let fields = request.fields();
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let to = field("To").expect("a number");
    let size = field("PageSize").and_then(|size| size.parse().ok()).unwrap_or(50);
    let found: Vec<_> = sent.iter().filter(|message| message["to"] == **to).collect();
    let next = (found.len() > size).then_some("/2010-04-01/next");
    let page = &found[..found.len().min(size)];
    Answer::only(Response::json(200, &json!({"messages": page, "next_page_uri": next})))
}

fn one(path: &str, sent: &[Value]) -> Answer {
    let sid = path.strip_prefix("Messages/").and_then(|path| path.strip_suffix(".json"));
    let message = sent.iter().find(|message| Some(message["sid"].as_str()) == Some(sid));
    message.map_or_else(|| error(404, 20404), |found| Answer::only(Response::json(200, found)))
}
