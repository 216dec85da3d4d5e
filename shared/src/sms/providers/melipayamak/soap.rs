//! Melipayamak's SOAP 1.1 as one template: its WSDL says nothing that a client would need at run
//! time.

use reqwest::header::{CONTENT_TYPE, HeaderName};
use reqwest::{Method, Url};

use super::super::http_client::{Failure, HttpClient, Reply};
use super::super::wire::{xml_escape, xml_text};

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
}
