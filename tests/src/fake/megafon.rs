//! MegaFon's A2P platform. What it answers to mistakes is not known: HTTP 200 with a code.

use serde_json::{Value, json};

use super::{
    account::{Account, delivered, json_body},
    http::{Request, Response},
    provider::Answer,
};

/// The protocol of one account.
pub fn megafon(account: Account) -> impl Fn(&Request, u64) -> Answer {
    move |request, number| {
        let body = json_body(request).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let fields = ["from", "to", "message", "callback_url"];
        let to = body.get("to").and_then(Value::as_u64);
        if request.method != "POST" || request.path() != "/sms/v1/sms" {
            return Answer::only(Response::json(404, &json!({})));
        }
        if !account.owns(request) {
            return Answer::only(Response { status: 401, headers: vec![], body: vec![] });
        }
        let known = body.keys().all(|name| fields.contains(&&**name));
        match to.filter(|_| known && !text("from").is_empty() && !text("message").is_empty()) {
            None => answer(&json!(null), 1),
            Some(to) => {
                let delivered = vec![delivered(&to.to_string(), text("message"))];
                Answer { delivered, ..answer(&json!(format!("b7c{number}")), 0) }
            }
        }
    }
}

fn answer(id: &Value, code: u16) -> Answer {
    let status = json!({"code": code, "description": "482913 to 79123456789"});
    Answer::only(Response::json(200, &json!({"result": {"msg_id": id, "status": status}})))
}
