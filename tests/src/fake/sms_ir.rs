//! SMS.ir as its documents describe it: for
//! [`FakeProvider::start`](super::FakeProvider::start).

use serde_json::{Value, json};

use super::http::{Request, Response};
use super::kavenegar::Delivered;
use super::provider::Answer;

/// The one key the fake accepts.
pub const API_KEY: &str = "PN1TVeBeaAehFLJAKU4XdfpsFXsQguYfleO0bV4ceh6diTZid2hRXza3uSkBbDef";
/// The account's line.
pub const LINE: u64 = 30_004_505_000_017;
/// A template with the variable `CODE`.
pub const TEMPLATE: u64 = 123_456;

/// A refusal: HTTP status and status.
type Refusal = (u16, i64);

/// Answers one request. Ids end in the number of the request.
pub fn sms_ir(request: &Request, number: u64) -> Answer {
    match run(request, 89_540_000 + number) {
        Ok((data, delivered)) => {
            let body = json!({"status": 1, "message": "موفق", "data": data});
            Answer { response: Response::json(200, &body), delivered: Vec::from_iter(delivered) }
        }
        Err((http_status, status)) => {
            let body = json!({"status": status, "message": "خطا", "data": null});
            Answer::only(Response::json(http_status, &body))
        }
    }
}

fn run(request: &Request, id: u64) -> Result<(Value, Option<(String, Delivered)>), Refusal> {
    if request.header("x-api-key") != Some(API_KEY) {
        return Err((401, 10));
    }
    let path = request.path().rsplit_once("/v1/").map_or("", |(_, path)| path);
    match (&*request.method, path) {
        ("POST", "send/bulk") => {
            let body = body(request, &["lineNumber", "messageText", "mobiles"])?;
            let delivered = text(&body)?;
            let pack = "2b99e63c-9bf8-4a21-9bfe-3f72dc1b46f1";
            Ok((json!({"packId": pack, "messageIds": [id], "cost": 1.0}), Some(delivered)))
        }
        ("POST", "send/verify") => {
            let body = body(request, &["mobile", "parameters", "templateId"])?;
            let delivered = template(&body)?;
            Ok((json!({"messageId": id, "cost": 1.0}), Some(delivered)))
        }
        ("GET", "credit") => Ok((json!(1234.5), None)),
        ("GET", path) => match path.strip_prefix("send/8954") {
            Some(rest) if rest.len() == 4 => {
                Ok((json!({"messageId": 1, "mobile": 9_123_456_789_u64, "deliveryState": 1}), None))
            }
            _ => Err((400, 111)),
        },
        _ => Err((404, 0)),
    }
}

/// The JSON object, if it has exactly these members and says that it is JSON.
fn body(request: &Request, members: &[&str]) -> Result<Value, Refusal> {
    let wrong = (400, 16);
    let kind = request.header("content-type").filter(|kind| kind.starts_with("application/json"));
    let body: Value = kind.and_then(|_| serde_json::from_slice(&request.body).ok()).ok_or(wrong)?;
    let mut names: Vec<_> = body.as_object().ok_or(wrong)?.keys().map(String::as_str).collect();
    names.sort_unstable();
    if names == members { Ok(body) } else { Err(wrong) }
}

fn text(body: &Value) -> Result<(String, Delivered), Refusal> {
    let mobiles = body["mobiles"].as_array().ok_or((400, 16))?;
    let text = body["messageText"].as_str().ok_or((400, 16))?;
    match mobiles.as_slice() {
        _ if body["lineNumber"] != LINE => Err((400, 101)),
        [] => Err((400, 107)),
        _ if text.is_empty() => Err((400, 103)),
        [one] => Ok((destination(one)?, Delivered::Text(text.to_owned()))),
        _ => Err((400, 105)),
    }
}

fn template(body: &Value) -> Result<(String, Delivered), Refusal> {
    if !body["templateId"].is_u64() {
        return Err((400, 16));
    }
    if body["templateId"] != TEMPLATE {
        return Err((400, 113));
    }
    let parameter = |parameter: &Value| {
        let text = |key: &str| parameter[key].as_str().map(str::to_owned).ok_or((400, 16));
        Ok((text("name")?, text("value")?))
    };
    let parameters = body["parameters"].as_array().ok_or((400, 16))?;
    let tokens: Vec<_> = parameters.iter().map(parameter).collect::<Result<_, Refusal>>()?;
    match &*tokens {
        [(name, _)] if name != "CODE" => Err((400, 116)),
        [(_, value)] if value.is_empty() => Err((400, 116)),
        [(_, value)] if value.chars().count() > 25 => Err((400, 114)),
        [_] => {
            let content = Delivered::Template { name: TEMPLATE.to_string(), tokens };
            Ok((destination(&body["mobile"])?, content))
        }
        _ => Err((400, 116)),
    }
}

/// `9…`, `09…` or `+989…`, noted as `09…`; a German number as its digits.
fn destination(mobile: &Value) -> Result<String, Refusal> {
    let mobile = mobile.as_str().ok_or((400, 16))?;
    if let Some(german) = mobile.strip_prefix("+49") {
        return Ok(format!("49{german}"));
    }
    let number = mobile.trim_start_matches("+98").trim_start_matches('0');
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let fine = digits && number.len() == 10 && number.starts_with('9');
    if fine { Ok(format!("0{number}")) } else { Err((400, 104)) }
}
