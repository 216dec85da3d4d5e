//! SMS Aero v2, as its SDK for Python expects it.

use std::sync::{Mutex, MutexGuard};

use serde_json::{Map, Value, json};
use shared::clock::{Clock, SystemClock};

use super::{
    account::{Account, delivered, json_body},
    http::{Request, Response},
    provider::Answer,
};

/// The protocol of one account; its approved name is "SMS Aero".
///
/// # Panics
/// Not itself: the lock it takes is only lost to a panic.
pub fn sms_aero(account: Account) -> impl Fn(&Request, u64) -> Answer {
    let sent = Mutex::new(Vec::new());
    move |request, number| {
        let sent = sent.lock().expect("no holder of this lock panics");
        if !account.owns(request) {
            return refused(401, &json!(null), "Your request was made with invalid credentials.");
        }
        let Some(body) = json_body(request).filter(|_| request.method == "POST") else {
            return refused(400, &json!(null), "no JSON");
        };
        match request.path() {
            "/v2/sms/send" => send(&body, number, sent),
            "/v2/sms/list" => list(&body, &sent),
            "/v2/sms/status" => {
                let found = sent.iter().find(|message| Some(&message["id"]) == body.get("id"));
                found.map_or_else(|| refused(404, &json!(null), "Not found"), done)
            }
            "/v2/balance" => done(&json!({"balance": 337.03})),
            _ => refused(404, &json!(null), "no such method"),
        }
    }
}

fn done(data: &Value) -> Answer {
    let body = json!({"success": true, "data": data, "message": null});
    Answer::only(Response::json(200, &body))
}

fn refused(status: u16, data: &Value, message: &str) -> Answer {
    let body = json!({"success": false, "data": data, "message": message});
    Answer::only(Response::json(status, &body))
}

fn send(body: &Map<String, Value>, number: u64, mut sent: MutexGuard<'_, Vec<Value>>) -> Answer {
    let fields = ["number", "text", "sign", "callbackUrl", "callbackFormat"];
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let to = body.get("number").and_then(Value::as_u64);
    let length = text("text").chars().count();
    let wrong = match to {
        None => Some("number"),
        _ if !(2..=640).contains(&length) => Some("text"),
        _ if text("sign") != "SMS Aero" => Some("sign"),
        _ => body.keys().map(|name| &**name).find(|name| !fields.contains(name)),
    };
    if let Some(field) = wrong {
        return refused(200, &json!({field: ["is wrong: 482913"]}), "Validation error.");
    }
    let to = to.unwrap_or_default().to_string();
    let now = SystemClock.now().timestamp();
    let message = json!({
        "id": 1000 + number, "from": "SMS Aero", "number": to, "text": text("text"), "status": 0,
        "extendStatus": "queue", "channel": "FREE SIGN", "cost": 5.49, "dateCreate": now,
        "dateSend": now,
    });
    sent.insert(0, message.clone());
    Answer { delivered: vec![delivered(&to, text("text"))], ..done(&message) }
}

fn list(body: &Map<String, Value>, sent: &[Value]) -> Answer {
    let number = body.get("number").and_then(Value::as_u64).unwrap_or_default().to_string();
    let found = sent.iter().filter(|message| message["number"] == number);
    let mut data = Map::new();
    for (place, message) in found.enumerate() {
        data.insert(place.to_string(), message.clone());
    }
    data.insert("totalCount".to_owned(), json!(data.len().to_string()));
    data.insert("links".to_owned(), json!({"self": "/v2/sms/list?page=1"}));
    done(&Value::Object(data))
}
