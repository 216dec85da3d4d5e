//! Melipayamak's SOAP 1.1 as one template: its WSDL says nothing that a client would need at run
//! time.

use reqwest::header::{CONTENT_TYPE, HeaderName};
use reqwest::{Method, Url};

use crate::http_client::{Failure, HttpClient, Reply};

const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// Calls one operation with these parameters, in order.
pub(super) async fn call(
    http: &HttpClient,
    url: Url,
    operation: &str,
    parameters: &[(&str, &str)],
) -> Result<Reply, Failure> {
    let request = http
        .request(Method::POST, url)
        .header(CONTENT_TYPE, "text/xml; charset=utf-8")
        .header(SOAP_ACTION, format!("\"http://tempuri.org/{operation}\""))
        .body(envelope(operation, parameters));
    http.exchange(request).await
}

fn envelope(operation: &str, parameters: &[(&str, &str)]) -> String {
    let element = |(name, value): &(&str, &str)| format!("<{name}>{}</{name}>", xml_escape(value));
    let body: String = parameters.iter().map(element).collect();
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><{operation} xmlns="http://tempuri.org/">{body}</{operation}></soap:Body></soap:Envelope>"#
    )
}

/// What is in `<…Result>`; `None` for a fault and for anything else.
pub(super) fn result(reply: &Reply, operation: &str) -> Option<String> {
    let document = std::str::from_utf8(&reply.body).ok()?;
    let text = xml_text(document, &format!("{operation}Result"))?;
    Some(text.to_owned())
}

/// Text for an XML 1.0 document. Characters it cannot hold at all are left out: they would make
/// the whole document unreadable.
fn xml_escape(text: &str) -> String {
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
fn xml_text<'a>(document: &'a str, element: &str) -> Option<&'a str> {
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
    use super::*;

    #[test]
    fn values_cannot_leave_their_element() {
        let written = envelope("Op", &[("text", "</text><to>1</to>&\u{0}"), ("to", "2")]);
        let expected = "<Op xmlns=\"http://tempuri.org/\"><text>&lt;/text&gt;&lt;to&gt;1&lt;/to&gt;&amp;</text><to>2</to></Op>";
        assert!(written.contains(expected), "{written}");
    }

    #[test]
    fn only_the_result_of_the_operation_counts() {
        let reply = |body: &str| Reply { status: 200, retry_after: None, body: body.into() };
        let answer = "<s:Envelope><s:Body><OpResponse xmlns='x'><OpResult>-4</OpResult></OpResponse></s:Body></s:Envelope>";
        assert_eq!(result(&reply(answer), "Op").as_deref(), Some("-4"));
        assert_eq!(result(&reply(answer), "Other"), None);
        assert_eq!(
            result(&reply("<soap:Fault><faultstring>7</faultstring></soap:Fault>"), "Op"),
            None
        );
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
}
