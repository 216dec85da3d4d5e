//! Parsian Webco as its callers know it: for [`FakeProvider::start`](super::FakeProvider::start).

use serde_json::json;

use super::http::{Request, Response};
use super::kavenegar::Delivered;
use super::provider::Answer;

/// The one token the fake accepts.
pub const TOKEN: &str = "733422aa&b+c=d.50836432";
/// A template with one variable.
pub const TEMPLATE: &str = "1";
/// A template with two variables.
pub const TEMPLATE_OF_TWO: &str = "2";

/// Answers one request. Ids end in the number of the request.
pub fn parsian_webco(request: &Request, number: u64) -> Answer {
    if request.method != "POST" || !request.path().ends_with("/webservice-send-sms/send") {
        return Answer::only(Response { status: 404, headers: vec![], body: b"<html>".to_vec() });
    }
    match delivered(&request.fields()) {
        Ok(delivered) => {
            let response = Response::json(200, &json!({"status": 200, "smsID": 70_000 + number}));
            Answer { response, delivered: vec![delivered] }
        }
        Err(status) => Answer::only(Response::json(200, &json!({"status": status}))),
    }
}

fn delivered(fields: &[(String, String)]) -> Result<(String, Delivered), u16> {
    let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
    if names != ["token", "TemplateID", "MessageVars", "Receiver", "delay"] {
        return Err(100);
    }
    let field = |at: usize| &*fields[at].1;
    if field(0) != TOKEN {
        return Err(401);
    }
    let values: Vec<_> = field(2).split(',').collect();
    let expected = match field(1) {
        TEMPLATE => 1,
        TEMPLATE_OF_TWO => 2,
        _ => return Err(100),
    };
    let receiver = field(3);
    let is_mobile = receiver.len() == 11
        && receiver.starts_with("09")
        && receiver.bytes().all(|byte| byte.is_ascii_digit());
    if !is_mobile || values.len() != expected || values.contains(&"") || field(4) != "1" {
        return Err(100);
    }
    let numbered = values.iter().enumerate().map(|(at, v)| (at.to_string(), (*v).to_owned()));
    let content = Delivered::Template { name: field(1).to_owned(), tokens: numbered.collect() };
    Ok((receiver.to_owned(), content))
}
