//! What providers send to us: delivery reports and inbound texts.

use std::collections::BTreeMap;

use super::{InboundSms, Report};

/// A request to a provider's webhook address. Has no `Debug`: it holds numbers and texts.
#[derive(Default)]
pub struct WebhookRequest {
    /// The address as the provider was told it (public scheme and host, path, query): what
    /// signatures are made over.
    pub url: String,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    /// The decoded query.
    pub query: Vec<(String, String)>,
    /// The body as it came, bounded.
    pub body: Vec<u8>,
}

/// One thing a provider told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookEvent {
    /// A message went on.
    Report(Report),
    /// A text came in.
    Inbound(InboundSms),
}

/// What a provider wants to hear when it was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookAnswer {
    /// 200 and the word OK: anything else is told again.
    Ok,
    /// 204: a 200 would be read as instructions.
    NoContent,
}

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookRefused {
    /// Its signature is missing or wrong, or too old.
    Forged,
    /// It is nothing we know.
    Unreadable,
}

impl WebhookRequest {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The fields of a form body, in order; none if it is no form.
    pub fn form(&self) -> Vec<(String, String)> {
        let form = "application/x-www-form-urlencoded";
        match self.header("content-type") {
            Some(kind) if kind.starts_with(form) => {
                form_urlencoded::parse(&self.body).into_owned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Query, form and the scalars of a JSON object together, the later winning: for providers
    /// that send the same fields in any of these ways.
    pub fn fields(&self) -> BTreeMap<String, String> {
        let json = self.json();
        let members = json.as_ref().and_then(|value| value.as_object()).into_iter().flatten();
        let scalars = members.filter_map(|(name, value)| {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Number(number) => number.to_string(),
                _ => return None,
            };
            Some((name.clone(), text))
        });
        self.query.iter().cloned().chain(self.form()).chain(scalars).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: &str, body: &str) -> WebhookRequest {
        WebhookRequest {
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            query: vec![("status".to_owned(), "1".to_owned())],
            body: body.as_bytes().to_vec(),
            ..WebhookRequest::default()
        }
    }

    #[test]
    fn fields_are_read_from_wherever_a_provider_puts_them() {
        let form = request("application/x-www-form-urlencoded; charset=UTF-8", "messageid=7&x=%2B");
        assert_eq!(form.fields()["messageid"], "7");
        assert_eq!((&*form.fields()["x"], &*form.fields()["status"]), ("+", "1"));
        let json = request("application/json", r#"{"messageid":7,"status":"10","deep":{"a":1}}"#);
        assert_eq!((&*json.fields()["messageid"], &*json.fields()["status"]), ("7", "10"));
        assert!(!json.fields().contains_key("deep"));
        assert_eq!(request("text/plain", "a=b").fields().len(), 1);
    }
}
