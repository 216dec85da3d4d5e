//! A fake IPPanel Edge: `https://ippanelcom.github.io/Edge-Document/docs`, as strict as it says.

use serde_json::{Map, Value, json};

use super::Delivered;
use super::http::{Request, Response};
use super::provider::Answer;

/// The one key the fake accepts.
pub const IPPANEL_KEY: &str = "YTBkZjk4-fake-ippanel-key==";
/// The account's line.
pub const IPPANEL_LINE: &str = "+983000505";

/// What the real one does with a request; ids of messages are 1123594200 and the request's number.
pub fn ippanel(request: &Request, number: u64) -> Answer {
    if request.header("authorization") != Some(IPPANEL_KEY) {
        return Answer::only(refusal(401, "400-1", &[]));
    }
    let (method, path) = (request.method.as_str(), request.path());
    match (method, path.trim_start_matches("/v1")) {
        ("POST", "/api/send") => send(request, number)
            .unwrap_or_else(|fields| Answer::only(refusal(422, "400-2", &fields))),
        ("GET", "/api/report/recipients") => Answer::only(recipients(request)),
        ("GET", "/api/payment/credit/mine") => Answer::only(ok(
            &json!({"credit": 6_084_722.75, "gift": 0, "updated_at": "2025-06-30 18:07:06"}),
        )),
        _ => Answer::only(refusal(404, "404-1", &[])),
    }
}

fn ok(data: &Value) -> Response {
    let meta = json!({"status": true, "message": "انجام شد", "message_code": "200-1"});
    Response::json(200, &json!({"data": data, "meta": meta}))
}

fn refusal(status: u16, code: &str, fields: &[&str]) -> Response {
    let errors: Map<_, _> =
        fields.iter().map(|field| ((*field).to_owned(), json!(["الزامی است"]))).collect();
    let meta = json!({"status": false, "message": "اطلاعات وارد شده صحیح نمی باشد",
                      "message_parameters": [], "message_code": code, "errors": errors});
    Response::json(status, &json!({"data": null, "meta": meta}))
}

/// The wrong fields, if any.
fn send(request: &Request, number: u64) -> Result<Answer, Vec<&'static str>> {
    let is_json = request.header("content-type") == Some("application/json");
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
    if !is_json || !body.is_object() {
        return Err(vec!["sending_type"]);
    }
    if text("from_number") != Some(IPPANEL_LINE) {
        return Err(vec!["from_number"]);
    }
    let (members, recipients, content) = match text("sending_type") {
        Some("webservice") => {
            let message = text("message").ok_or(vec!["message"])?.to_owned();
            let recipients = only(&body["params"]["recipients"]).ok_or(vec!["params.recipients.0"]);
            (4, recipients?, Delivered::Text(message))
        }
        Some("pattern") => {
            let name = text("code").ok_or(vec!["code"])?.to_owned();
            let params = body["params"].as_object().ok_or(vec!["params"])?;
            let value = |value: &Value| value.as_str().map(str::to_owned);
            let tokens = params.iter().map(|(name, v)| Some((name.clone(), value(v)?)));
            let tokens = tokens.collect::<Option<_>>().ok_or(vec!["params"])?;
            let recipients = only(&body["recipients"]).ok_or(vec!["recipients"])?;
            (5, recipients, Delivered::Template { name, tokens })
        }
        _ => return Err(vec!["sending_type"]),
    };
    if body.as_object().is_none_or(|body| body.len() != members) {
        return Err(vec!["sending_type"]);
    }
    let ids = json!({"message_outbox_ids": [1_123_594_200 + number]});
    Ok(Answer { response: ok(&ids), delivered: vec![(recipients, content)] })
}

/// The one recipient, in E.164; as `09…` if it is Iranian.
fn only(recipients: &Value) -> Option<String> {
    let [recipient] = recipients.as_array()?.as_slice() else { return None };
    let digits = recipient.as_str()?.strip_prefix('+')?;
    let number = (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let national = digits.strip_prefix("98").map_or(digits.to_owned(), |rest| format!("0{rest}"));
    number.then_some(national)
}

fn recipients(request: &Request) -> Response {
    let fields = request.fields();
    let id = fields.iter().find(|(name, _)| name == "bulk_id").map(|(_, id)| id.parse::<u64>());
    match id {
        Some(Ok(id)) if id > 1_123_594_200 => ok(&json!([{
            "recipient": "+989123456789", "message": "متن پیام", "is_readable": true,
            "msg_parts": "1", "message_status": "2",
        }])),
        Some(Ok(_)) => ok(&json!([])),
        _ => refusal(422, "400-2", &["bulk_id"]),
    }
}
