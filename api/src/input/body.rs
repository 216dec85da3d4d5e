//! From the bytes of a request body to a JSON value, by media type.

use poem::{Body, FromRequest, Request, RequestBody, web::Multipart};
use serde_json::{Map, Value};

use crate::{
    error::{Code, Problem},
    legacy::python_json,
};

/// What a body that is JSON and yet cannot be taken is refused with: lone surrogates and numbers
/// without bounds.
const UNREPRESENTABLE: &str = "The document cannot be represented.";

/// A body that was read.
pub(super) struct Parsed {
    /// As a JSON value. An empty body is an empty object.
    pub(super) value: Value,
    /// It came from a form, where everything is a string and an empty string may mean nothing.
    pub(super) is_form: bool,
    /// The JSON as it was written: in a value, numbers with a point have lost their digits.
    pub(super) text: Option<String>,
}

impl Parsed {
    fn new(value: Value, is_form: bool) -> Self {
        Self { value, is_form, text: None }
    }
}

/// Reads a body.
///
/// # Errors
///
/// 400 for a malformed body, 415 for a media type that is none of the three.
pub(super) async fn parse(request: &Request, bytes: Vec<u8>) -> Result<Parsed, Problem> {
    if bytes.is_empty() {
        return Ok(Parsed::new(Value::Object(Map::new()), false));
    }
    let sent = request.content_type().unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => parse_json(bytes),
        "application/x-www-form-urlencoded" => Ok(Parsed::new(parse_form(&bytes), true)),
        "multipart/form-data" => Ok(Parsed::new(parse_multipart(request, bytes).await?, true)),
        _ => Err(Problem::new(Code::UnsupportedMediaType).with_argument(sent.to_owned())),
    }
}

fn parse_json(bytes: Vec<u8>) -> Result<Parsed, Problem> {
    let malformed = |reason: String| Problem::new(Code::MalformedJson).with_argument(reason);
    let text = String::from_utf8(bytes)
        .map_err(|error| malformed(python_json::decode_error(error.as_bytes())))?;
    let value = serde_json::from_str(&text).map_err(|_| {
        malformed(python_json::parse_error(&text).unwrap_or_else(|| UNREPRESENTABLE.to_owned()))
    })?;
    Ok(Parsed { value, is_form: false, text: Some(text) })
}

fn parse_form(bytes: &[u8]) -> Value {
    last_of_each(form_urlencoded::parse(bytes).into_owned().collect())
}

async fn parse_multipart(request: &Request, bytes: Vec<u8>) -> Result<Value, Problem> {
    let broken = || {
        let sentence = "Multipart form parse error - The body is no complete form.";
        Problem::new(Code::BadRequest).sentence(sentence)
    };
    let mut body = RequestBody::new(Body::from(bytes));
    let form = Multipart::from_request(request, &mut body).await;
    let mut form = form.map_err(|_| broken())?;
    let mut pairs = Vec::new();
    while let Some(part) = form.next_field().await.map_err(|_| broken())? {
        let name = part.name().filter(|_| part.file_name().is_none()).map(str::to_owned);
        let text = part.bytes().await.map_err(|_| broken())?;
        if let Some(name) = name {
            pairs.push((name, String::from_utf8_lossy(&text).into_owned()));
        }
    }
    Ok(last_of_each(pairs))
}

fn last_of_each(pairs: Vec<(String, String)>) -> Value {
    Value::Object(pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect())
}
