//! What an answer means, by the rules of the configuration.

use serde::Deserialize;
use serde_json::Value;

use crate::http_client::Reply;
use crate::sms::providers::{Outcome, Rejection};

/// No id we keep is longer.
const MAX_ID: usize = 128;

/// `answer`: the rules in their order, then what success is. Anything else is unknown, except
/// HTTP 429 and 503.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// HTTP statuses of success. Default: any 2xx.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// Where the deciding value stands, for success and for the rules that name no other place.
    /// `None`: the whole answer is plain text.
    #[serde(default)]
    pub pointer: Option<Pointer>,
    /// What the value is on success; empty with `pointer` alone: anything but null.
    #[serde(default)]
    pub values: Vec<Scalar>,
    /// What the value begins with on success.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Where the message's id stands.
    #[serde(default)]
    pub id_pointer: Option<Pointer>,
    /// Whether what follows the prefix on its line is the message's id.
    #[serde(default)]
    pub id_after_prefix: bool,
    /// Looked at before success, in this order.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// One of `answer.rules`. All that is said must hold.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    /// HTTP statuses. Default: any.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// Where the value stands. Default: that of the answer.
    #[serde(default)]
    pub pointer: Option<Pointer>,
    /// What the value is.
    #[serde(default)]
    pub values: Vec<Scalar>,
    /// What the value begins with.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// What that means.
    pub class: Class,
}

/// What a rule says of the message.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// [`Rejection::Recipient`].
    Recipient,
    /// [`Rejection::Request`].
    Request,
    /// [`Rejection::Account`].
    Account,
    /// Nothing was sent, and the same call may succeed later.
    Retry,
    /// It may have been sent.
    Unknown,
}

/// A JSON pointer (RFC 6901) that is not the whole document.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let well_formed = text.starts_with('/');
        well_formed.then_some(Self(text)).ok_or("must be a JSON pointer, which begins with a slash")
    }
}

/// A value to compare with; `1`, `"1"` and `true`, `"true"` are the same.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Bool(bool),
}

impl Scalar {
    fn is(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own == text,
            Self::Integer(own) => own.to_string() == text,
            Self::Bool(own) => own.to_string() == text,
        }
    }
}

/// An answer that was read.
struct Body {
    status: u16,
    json: Option<Value>,
    text: String,
}

impl Body {
    fn of(reply: &Reply) -> Self {
        let json = serde_json::from_slice(&reply.body).ok();
        let text = String::from_utf8_lossy(&reply.body).trim().to_owned();
        Self { status: reply.status, json, text }
    }

    /// The scalar at the pointer, or the whole text.
    fn value(&self, pointer: Option<&Pointer>) -> Option<String> {
        let Some(Pointer(pointer)) = pointer else {
            return Some(self.text.clone()).filter(|text| !text.is_empty());
        };
        match self.json.as_ref()?.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn has(&self, Pointer(pointer): &Pointer) -> bool {
        let found = self.json.as_ref().and_then(|json| json.pointer(pointer));
        found.is_some_and(|value| !value.is_null())
    }
}

/// The conditions that success and rules share.
struct Condition<'a> {
    pointer: Option<&'a Pointer>,
    values: &'a [Scalar],
    prefixes: &'a [String],
}

impl Condition<'_> {
    /// What fitted: a value, a prefix, or the status where nothing else is asked for.
    fn label(&self, body: &Body) -> Option<String> {
        if self.values.is_empty() && self.prefixes.is_empty() {
            let there = self.pointer.is_none_or(|pointer| body.has(pointer));
            return there.then(|| body.status.to_string());
        }
        let value = body.value(self.pointer)?;
        if self.values.iter().any(|wanted| wanted.is(&value)) {
            return Some(value);
        }
        self.prefixes.iter().find(|prefix| value.starts_with(prefix.as_str())).cloned()
    }
}

impl Rule {
    fn label(&self, body: &Body, default: Option<&Pointer>) -> Option<String> {
        if !self.statuses.is_empty() && !self.statuses.contains(&body.status) {
            return None;
        }
        let compares = !self.values.is_empty() || !self.prefixes.is_empty();
        let pointer = self.pointer.as_ref().or(default.filter(|_| compares));
        Condition { pointer, values: &self.values, prefixes: &self.prefixes }.label(body)
    }
}

impl Answer {
    /// What is wrong with it.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut require = |fine: bool, message: &str| {
            if !fine {
                problems.push(message.to_owned());
            }
        };
        let compares = !self.values.is_empty() || !self.prefixes.is_empty();
        let says = compares || self.pointer.is_some() || !self.statuses.is_empty();
        require(says, "must say what success is: statuses, pointer, values or prefixes");
        let after = !self.id_after_prefix || !self.prefixes.is_empty();
        require(after, "with id_after_prefix needs prefixes");
        let one_id = !self.id_after_prefix || self.id_pointer.is_none();
        require(one_id, "may have one of id_pointer and id_after_prefix");
        for rule in &self.rules {
            let texts = !rule.values.is_empty() || !rule.prefixes.is_empty();
            let says = texts || rule.pointer.is_some() || !rule.statuses.is_empty();
            require(says, "has a rule that fits every answer");
        }
        let statuses = self.rules.iter().flat_map(|rule| &rule.statuses).chain(&self.statuses);
        let real = statuses.into_iter().all(|status| (200..=599).contains(status));
        require(real, "has an HTTP status that is not 200 to 599");
        let prefixes = self.rules.iter().flat_map(|rule| &rule.prefixes).chain(&self.prefixes);
        let whole = prefixes.into_iter().all(|prefix| !prefix.is_empty());
        require(whole, "has an empty prefix, which fits every answer");
        problems
    }

    /// The answer's class; codes are `<name>.<what decided>`.
    pub(super) fn outcome(&self, name: &str, reply: &Reply) -> Outcome {
        let body = Body::of(reply);
        let default = self.pointer.as_ref();
        for rule in &self.rules {
            if let Some(label) = rule.label(&body, default) {
                return rule.class.outcome(code(name, &label), reply);
            }
        }
        if self.is_success(&body) {
            return Outcome::Accepted { provider_message_id: self.id(&body) };
        }
        // No rule knows this: the classes of an unreadable answer, with the value there is.
        let value = default.and_then(|pointer| body.value(Some(pointer)));
        match (reply.unreadable(), value) {
            (Outcome::RetryLater { after, .. }, Some(value)) => {
                Outcome::RetryLater { after, code: code(name, &value) }
            }
            (_, Some(value)) => Outcome::Unknown { code: code(name, &value) },
            (unreadable, None) => unreadable,
        }
    }

    fn is_success(&self, body: &Body) -> bool {
        let fits = match &self.statuses[..] {
            [] => (200..300).contains(&body.status),
            statuses => statuses.contains(&body.status),
        };
        let pointer = self.pointer.as_ref();
        let condition = Condition { pointer, values: &self.values, prefixes: &self.prefixes };
        fits && condition.label(body).is_some()
    }

    fn id(&self, body: &Body) -> Option<String> {
        let id = if self.id_after_prefix {
            let value = body.value(self.pointer.as_ref())?;
            let rest =
                self.prefixes.iter().find_map(|prefix| value.strip_prefix(prefix.as_str()))?;
            rest.lines().next().unwrap_or_default().trim().to_owned()
        } else {
            body.value(Some(self.id_pointer.as_ref()?))?
        };
        let usable = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        usable.then_some(id)
    }
}

impl Class {
    fn outcome(self, code: String, reply: &Reply) -> Outcome {
        let reason = match self {
            Self::Recipient => Rejection::Recipient,
            Self::Request => Rejection::Request,
            Self::Account => Rejection::Account,
            Self::Retry => return Outcome::RetryLater { after: reply.retry_after, code },
            Self::Unknown => return Outcome::Unknown { code },
        };
        Outcome::Rejected { reason, code }
    }
}

/// Kept short and free of long numbers, so that it stays a usable label and no echo of a number
/// or a text gets into it.
fn code(name: &str, label: &str) -> String {
    let short = (1..=24).contains(&label.len());
    let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte));
    let digits = label.bytes().filter(u8::is_ascii_digit).count();
    let label = if short && plain && digits <= 4 { label } else { "other" };
    format!("{name}.{label}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(answer: &str, status: u16, body: &str) -> Outcome {
        let answer: Answer = toml::from_str(answer).unwrap();
        assert_eq!(answer.problems(), [""; 0]);
        let reply = Reply { status, retry_after: None, body: body.as_bytes().to_vec() };
        answer.outcome("p", &reply)
    }

    fn accepted(id: Option<&str>) -> Outcome {
        Outcome::Accepted { provider_message_id: id.map(str::to_owned) }
    }

    fn unknown(code: &str) -> Outcome {
        Outcome::Unknown { code: code.to_owned() }
    }

    #[test]
    fn success_is_a_status_a_value_or_that_there_is_one() {
        let by_status = "statuses = [202]";
        assert_eq!(outcome(by_status, 202, ""), accepted(None));
        assert_eq!(outcome(by_status, 200, ""), unknown("http.body"));
        let by_value = "pointer = '/ok'\nvalues = [1, 'yes', true]\nid_pointer = '/m/0/id'";
        for ok in ["1", "\"1\"", "\"yes\"", "true"] {
            let body = format!(r#"{{"ok":{ok},"m":[{{"id":77}}]}}"#);
            assert_eq!(outcome(by_value, 201, &body), accepted(Some("77")), "{ok}");
        }
        assert_eq!(outcome(by_value, 200, r#"{"ok":0}"#), unknown("p.0"));
        assert_eq!(outcome(by_value, 500, r#"{"ok":1}"#), unknown("p.1"));
        assert_eq!(outcome(by_value, 200, "ok"), unknown("http.body"));
        let by_presence = "pointer = '/id'";
        assert_eq!(outcome(by_presence, 200, r#"{"id":[]}"#), accepted(None));
        assert_eq!(outcome(by_presence, 200, r#"{"id":null}"#), unknown("http.body"));
    }

    #[test]
    fn plain_text_is_read_by_its_prefix_or_as_a_whole() {
        let answer = "prefixes = ['OK:']\nid_after_prefix = true\n\
                      rules = [{values = [2, 'no credit'], class = 'account'}]";
        assert_eq!(outcome(answer, 200, "OK: 1234567890\r\nbye"), accepted(Some("1234567890")));
        assert_eq!(outcome(answer, 200, "OK:"), accepted(None));
        assert_eq!(outcome(answer, 200, "OK: sent to you"), accepted(None));
        let account =
            |code: &str| Outcome::Rejected { reason: Rejection::Account, code: code.to_owned() };
        assert_eq!(outcome(answer, 200, "2\n"), account("p.2"));
        assert_eq!(outcome(answer, 200, "no credit"), account("p.other"));
        assert_eq!(outcome(answer, 200, "22"), unknown("http.body"));
    }

    #[test]
    fn rules_go_first_and_in_order_and_all_they_say_must_hold() {
        let answer = "pointer = '/code'\nvalues = [0]\n\
            rules = [{statuses = [401], class = 'account'},\n\
                     {statuses = [400], values = [7], class = 'recipient'},\n\
                     {values = [7], class = 'request'},\n\
                     {pointer = '/busy', class = 'retry'},\n\
                     {prefixes = ['E5'], class = 'unknown'}]";
        let rejected = |reason, code: &str| Outcome::Rejected { reason, code: code.to_owned() };
        assert_eq!(outcome(answer, 401, "<html>"), rejected(Rejection::Account, "p.401"));
        assert_eq!(outcome(answer, 400, r#"{"code":7}"#), rejected(Rejection::Recipient, "p.7"));
        assert_eq!(outcome(answer, 200, r#"{"code":"7"}"#), rejected(Rejection::Request, "p.7"));
        let busy = Outcome::RetryLater { after: None, code: "p.200".to_owned() };
        assert_eq!(outcome(answer, 200, r#"{"busy":1,"code":0}"#), busy);
        assert_eq!(outcome(answer, 200, r#"{"code":"E52"}"#), unknown("p.E5"));
        assert_eq!(outcome(answer, 200, r#"{"code":0}"#), accepted(None));
        let later = Outcome::RetryLater { after: None, code: "p.9".to_owned() };
        assert_eq!(outcome(answer, 503, r#"{"code":9}"#), later);
    }

    #[test]
    fn what_a_provider_writes_makes_no_strange_label() {
        let answer = "pointer = '/code'\nvalues = [0]";
        for code in ["09123456789", "48291", "code 4829", "کد", "", &"x".repeat(25)] {
            let body = serde_json::json!({"code": code}).to_string();
            assert_eq!(outcome(answer, 200, &body), unknown("p.other"), "{code}");
        }
        assert_eq!(outcome(answer, 200, r#"{"code":"400-2"}"#), unknown("p.400-2"));
    }

    #[test]
    fn rules_that_cannot_be_meant_are_named() {
        for (answer, problems) in [
            ("", 1),
            ("prefixes = ['']", 1),
            ("statuses = [99]", 1),
            ("statuses = [200]\nid_after_prefix = true", 1),
            ("prefixes = ['a']\nid_after_prefix = true\nid_pointer = '/id'", 1),
            (
                "statuses = [200]\nrules = [{class = 'retry'}, {statuses = [600], class = 'retry'}]",
                2,
            ),
        ] {
            let answer: Answer = toml::from_str(answer).unwrap();
            assert_eq!(answer.problems().len(), problems, "{answer:?}");
        }
    }
}
