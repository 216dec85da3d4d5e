//! Accounts at providers with Basic authentication, and what their fakes have in common.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{http::Request, kavenegar::Delivered};

/// Who may call.
pub struct Account {
    /// The user of Basic authentication.
    pub user: &'static str,
    /// Its password.
    pub password: &'static str,
}

impl Account {
    /// Whether a request comes from the account's owner.
    pub(super) fn owns(&self, request: &Request) -> bool {
        let credentials = STANDARD.encode(format!("{}:{}", self.user, self.password));
        request.header("authorization") == Some(&format!("Basic {credentials}"))
    }
}

/// The members of a JSON body that says it is one.
pub(super) fn json_body(request: &Request) -> Option<Map<String, Value>> {
    let kind = request.header("content-type")?;
    let is_json = kind.split(';').next() == Some("application/json");
    is_json.then(|| serde_json::from_slice(&request.body).ok()).flatten()
}

/// A text at a handset: `09…` for Iran, else the number's digits.
pub(super) fn delivered(digits: &str, text: &str) -> (String, Delivered) {
    let number = digits.strip_prefix("98").map(|rest| format!("0{rest}"));
    (number.unwrap_or_else(|| digits.to_owned()), Delivered::Text(text.to_owned()))
}
