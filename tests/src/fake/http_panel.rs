//! A made-up provider, for the provider that is described by configuration: a JSON API for texts,
//! and one that takes forms and answers with plain text for templates.

use serde_json::{Value, json};

use super::Delivered;
use super::http::{Request, Response};
use super::provider::Answer;

/// The one key the panel accepts.
pub const PANEL_KEY: &str = "p4nel-k3y-0f-the-test";

/// `POST /v1/{key}/messages` in JSON, `POST /otp` as a form with basic authentication.
pub fn panel(request: &Request, number: u64) -> Answer {
    let path = request.path();
    match request.method.as_str() {
        "POST" if path == format!("/v1/{PANEL_KEY}/messages") => message(request, number),
        "POST" if path == "/otp" => otp(request, number),
        _ => Answer::only(Response::json(404, &json!({"code": "not_found"}))),
    }
}

fn message(request: &Request, number: u64) -> Answer {
    let refuse = |code: &str| Answer::only(Response::json(200, &json!({"code": code})));
    if request.header("content-type") != Some("application/json") {
        return refuse("no_json");
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let number_of = |value: &Value| value.as_u64().and_then(|to| national(&to.to_string()));
    let members = body.as_object().map_or(0, serde_json::Map::len);
    match (members, number_of(&body["to"]), body["message"]["text"].as_str()) {
        (_, None, _) => refuse("bad_number"),
        (2, Some(to), Some(text)) if !text.is_empty() => Answer {
            response: Response::json(200, &json!({"code": "ok", "data": [{"id": number}]})),
            delivered: vec![(to, Delivered::Text(text.to_owned()))],
        },
        _ => refuse("bad_text"),
    }
}

fn otp(request: &Request, number: u64) -> Answer {
    // user:p4nel-k3y-0f-the-test
    let basic = "Basic dXNlcjpwNG5lbC1rM3ktMGYtdGhlLXRlc3Q=";
    let plain = |status, text: &str| Response {
        status,
        headers: vec![("Content-Type".to_owned(), "text/plain".to_owned())],
        body: text.as_bytes().to_vec(),
    };
    if request.header("authorization") != Some(basic) {
        return Answer::only(plain(401, "who are you"));
    }
    let fields = request.fields();
    let names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
    if names != ["code", "name", "to", "with"] {
        return Answer::only(plain(200, "ERR:1"));
    }
    let value = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
    let (to, name) = (value("to").unwrap_or_default(), value("name").unwrap_or_default());
    let Some(to) = to.strip_prefix('+').and_then(national) else {
        return Answer::only(plain(200, "ERR:2"));
    };
    let tokens = [("token", "code"), ("token2", "with")];
    let tokens = tokens.map(|(token, field)| (token.to_owned(), value(field).unwrap_or_default()));
    Answer {
        response: plain(200, &format!("OK:{number}\r\nThank you for sending with us.\r\n")),
        delivered: vec![(to, Delivered::Template { name, tokens: tokens.to_vec() })],
    }
}

fn national(digits: &str) -> Option<String> {
    digits.strip_prefix("98").filter(|rest| rest.len() == 10).map(|rest| format!("0{rest}"))
}
