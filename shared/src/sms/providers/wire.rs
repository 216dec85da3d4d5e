//! What several providers write and read alike: addresses, numbers that may be strings, names of
//! templates, XML by hand. The exchange itself is [`super::http_client`]'s.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::http_client::HttpClient;
use super::{Outcome, Problem, Rejection, Setup};

/// Longer ids than this are no ids.
const MAX_ID_CHARS: usize = 64;

/// The UTF-8 byte order mark some answers begin with.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Collects what is wrong with a table, so that all of it is named at once.
#[derive(Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// The value, or its problem noted.
    pub(super) fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    /// Notes a problem unless `fine`.
    pub(super) fn require(&mut self, fine: bool, key: &'static str, message: &str) {
        if !fine {
            self.0.push(Problem::new(key, message));
        }
    }

    /// The client of an account.
    pub(super) fn client(&mut self, setup: &Setup) -> Option<HttpClient> {
        let no_tls = |error| Problem::new("base_url", &format!("no TLS: {error}"));
        self.keep(HttpClient::new(setup.timeouts).map_err(no_tls))
    }

    /// What the settings make, unless any of them is wrong.
    pub(super) fn into_result<T>(self, made: Option<T>) -> Result<T, Vec<Problem>> {
        made.filter(|_| self.0.is_empty()).ok_or(self.0)
    }
}

/// An absolute http(s) URL without user, query and fragment.
pub(super) fn base_url(text: &str) -> Result<Url, Problem> {
    let problem = |why: &str| Problem::new("base_url", why);
    let url = Url::parse(text).map_err(|error| problem(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(problem("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() {
        return Err(problem("must have no user, query or fragment"));
    }
    Ok(url)
}

/// `base` with these segments after its path; each is escaped where it must be.
pub(super) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut()
        .expect("http and https URLs have path segments")
        .pop_if_empty()
        .extend(segments);
    url
}

/// A header that no log prints.
pub(super) fn secret_header(
    key: &'static str,
    secret: &SecretString,
) -> Result<HeaderValue, Problem> {
    let text = secret.expose_secret();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::from_str(text).ok().filter(|_| plain);
    let mut value = value
        .ok_or_else(|| Problem::new(key, "must be ASCII without white space, and not empty"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The setting without white space around it; none if nothing is left.
pub(super) fn filled(setting: Option<&String>) -> Option<String> {
    setting.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// What a provider calls things we have another name for; without an entry the names are the same.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The provider's name of `ours`.
    pub fn of<'a>(&'a self, ours: &'a str) -> &'a str {
        self.0.get(ours).map_or(ours, |theirs| theirs)
    }
}

/// A JSON body, with or without a byte order mark.
pub(super) fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body.strip_prefix(BOM).unwrap_or(body)).ok()
}

/// An integer, also one in a string.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

/// An id as text: a positive integer, or a string of at most 64 printable ASCII characters.
pub(super) fn id(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.as_u64()?.to_string(),
    };
    let fine = !text.is_empty()
        && text != "0"
        && text.len() <= MAX_ID_CHARS
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    fine.then_some(text)
}

/// A decimal number or one in a string, in hundredths; what is smaller is cut off.
pub(super) fn hundredths(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => parse_hundredths(text.trim()),
        Value::Number(number) => parse_hundredths(&number.to_string()),
        _ => None,
    }
}

fn parse_hundredths(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(rest) {
        return None;
    }
    let cents: i64 = format!("{rest}0").get(..2)?.parse().ok()?;
    let sum = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)?;
    Some(if negative { -sum } else { sum })
}

/// `<provider>.<number>` for a number a provider made up: what is not in `known` becomes `other`,
/// so that the code stays a usable label.
pub(super) fn code(provider: &str, number: i64, known: RangeInclusive<i64>) -> String {
    if known.contains(&number) {
        format!("{provider}.{number}")
    } else {
        format!("{provider}.other")
    }
}

/// A refusal of our own making, before any call.
pub(super) fn refused(reason: Rejection, code: &str) -> Outcome {
    Outcome::Rejected { reason, code: code.to_owned() }
}

/// Text for an XML 1.0 document. Characters it cannot hold at all are left out: they would make
/// the whole document unreadable.
pub(super) fn xml_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // A parser turns a bare one into a line feed.
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The text of the first element of that local name, for answers whose elements of interest hold
/// plain numbers. `None` if there is none, or it holds markup.
pub(super) fn xml_text<'a>(document: &'a str, element: &str) -> Option<&'a str> {
    let mut rest = document;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (tag, after) = after.split_once('>')?;
        rest = after;
        let name = tag.split([' ', '\t', '\r', '\n', '/']).next()?;
        if name.rsplit(':').next() != Some(element) {
            continue;
        }
        if tag.ends_with('/') {
            return Some("");
        }
        let (text, end) = after.split_once('<')?;
        return end.starts_with(&format!("/{name}")).then(|| text.trim());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_base_url_is_http_with_nothing_but_a_path() {
        for url in ["http://127.0.0.1:18080/a.b/", "https://a"] {
            assert!(base_url(url).is_ok(), "{url}");
        }
        for url in ["", "a.example", "ftp://a", "http://u@a", "http://a?b", "http://a#b"] {
            assert_eq!(base_url(url).unwrap_err().key, "base_url", "{url}");
        }
    }

    #[test]
    fn segments_are_joined_after_the_path_and_cannot_leave_it() {
        let url = |base: &str| join(&base_url(base).unwrap(), &["v1", "a/../b"]).to_string();
        assert_eq!(url("http://a"), "http://a/v1/a%2F..%2Fb");
        assert_eq!(url("http://a/p/"), "http://a/p/v1/a%2F..%2Fb");
    }

    #[test]
    fn numbers_may_be_strings() {
        assert_eq!(integer(&json!(" 7 ")), Some(7));
        assert_eq!(integer(&json!(-7)), Some(-7));
        assert_eq!(integer(&json!("7a")), None);
        assert_eq!(integer(&json!(true)), None);
        let hundredths: Vec<_> =
            [json!(12.5), json!("0.009"), json!(3), json!("-1.25"), json!("1.2.3"), json!("")]
                .iter()
                .map(hundredths)
                .collect();
        assert_eq!(hundredths, [Some(1250), Some(0), Some(300), Some(-125), None, None]);
    }

    #[test]
    fn an_id_is_a_number_or_a_short_word() {
        assert_eq!(id(&json!(89_545_112)).as_deref(), Some("89545112"));
        assert_eq!(id(&json!(" 9f-1 ")).as_deref(), Some("9f-1"));
        for none in [json!(0), json!("0"), json!(""), json!(null), json!(-1), json!("سلام")] {
            assert_eq!(id(&none), None, "{none}");
        }
        assert_eq!(id(&json!("x".repeat(65))), None);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_json() {
        assert_eq!(json(b"\xef\xbb\xbf{\"a\":1}"), Some(json!({"a": 1})));
        assert_eq!(json(b"{\"a\":1}"), Some(json!({"a": 1})));
        assert_eq!(json(b"\xef\xbb\xbf"), None);
    }

    #[test]
    fn xml_text_survives_what_people_type() {
        assert_eq!(
            xml_escape("</a>&\"'\r\n\u{0}\u{b}سلام"),
            "&lt;/a&gt;&amp;&quot;&apos;&#13;\nسلام"
        );
    }

    #[test]
    fn the_text_of_an_element_is_found_under_any_prefix() {
        assert_eq!(xml_text("<?xml v?><r><aResult>12</aResult></r>", "aResult"), Some("12"));
        assert_eq!(xml_text("<r><n:a x='1'>\n-4 </n:a></r>", "a"), Some("-4"));
        assert_eq!(xml_text("<r><a/></r>", "a"), Some(""));
        for none in ["", "<r>1</r>", "<a><b>1</b></a>", "<a>1", "<aa>1</aa>", "a>1</a>"] {
            assert_eq!(xml_text(none, "a"), None, "{none}");
        }
    }

    #[test]
    fn codes_of_strange_size_are_one_code() {
        assert_eq!(code("p", -4, -999..=999), "p.-4");
        assert_eq!(code("p", 1000, -999..=999), "p.other");
    }

    #[test]
    fn a_secret_header_prints_nothing() {
        let header = secret_header("api_key", &SecretString::from("k3y")).unwrap();
        assert_eq!((header.to_str().unwrap(), header.is_sensitive()), ("k3y", true));
        for bad in ["", "a b", "a\n", "کلید"] {
            assert!(secret_header("api_key", &SecretString::from(bad)).is_err());
        }
    }
}
