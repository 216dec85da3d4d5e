//! Melipayamak as its documents describe it, REST and SOAP: for
//! [`FakeProvider::start`](super::FakeProvider::start).

use serde_json::json;

use super::http::{Request, Response};
use super::kavenegar::Delivered;
use super::provider::Answer;
use super::xml::{self, Element};

/// The one user the fake knows.
pub const USERNAME: &str = "09120001122";
/// Its password, with what XML and forms have to escape.
pub const PASSWORD: &str = "p<a>&s+s=w;0rd";
/// The account's line.
pub const LINE: &str = "50004001";
/// A template with one variable.
pub const BODY_ID: &str = "12345";
/// A template with two variables.
pub const BODY_ID_OF_TWO: &str = "12346";

type Fields = Vec<(String, String)>;

/// An error number, or the result and who receives what.
type Outcome = Result<(String, Vec<(String, Delivered)>), i64>;

/// Answers one request. Ids have 19 digits and end in the number of the request.
pub fn melipayamak(request: &Request, number: u64) -> Answer {
    let path = request.path().to_owned();
    if request.method != "POST" {
        return Answer::only(html(405));
    }
    if let Some((_, method)) = path.rsplit_once("/api/SendSMS/") {
        return rest(request, method, number);
    }
    if path.ends_with("/post/Send.asmx") { soap(request, number) } else { Answer::only(html(404)) }
}

fn html(status: u16) -> Response {
    Response { status, headers: vec![], body: b"<html>Server Error</html>".to_vec() }
}

fn rest(request: &Request, method: &str, number: u64) -> Answer {
    let parameters: &[&str] = match method {
        "SendSMS" => &["to", "from", "text", "isFlash"],
        "BaseServiceNumber" => &["text", "to", "bodyId"],
        "GetDeliveries2" => &["recId"],
        "GetCredit" => &[],
        _ => return Answer::only(html(404)),
    };
    let outcome = run(&request.fields(), parameters, number);
    let (body, delivered) = match outcome {
        Ok((value, delivered)) => {
            (json!({"Value": value, "RetStatus": 1, "StrRetStatus": "Ok"}), delivered)
        }
        Err(0) => {
            (json!({"Value": "0", "RetStatus": 0, "StrRetStatus": "InvalidUserPass"}), vec![])
        }
        // What is wrong with a template is only in `Value`.
        Err(code) if code < 0 || code == 35 => {
            let value = if code == 35 { 0 } else { code }.to_string();
            (json!({"Value": value, "RetStatus": 35, "StrRetStatus": "InvalidData"}), vec![])
        }
        Err(code) => (json!({"Value": "", "RetStatus": code, "StrRetStatus": "Error"}), vec![]),
    };
    // As seen: a byte order mark, and a type that says text.
    let mut response = Response::json(200, &body);
    response.headers = vec![("Content-Type".to_owned(), "text/json; charset=utf-8".to_owned())];
    response.body.splice(0..0, *b"\xef\xbb\xbf");
    Answer { response, delivered }
}

fn soap(request: &Request, number: u64) -> Answer {
    let Some(operation) = operation(request) else {
        let fault = "<?xml version=\"1.0\"?><soap:Envelope><soap:Body><soap:Fault><faultcode>soap:Client</faultcode></soap:Fault></soap:Body></soap:Envelope>";
        return Answer::only(xml_response(500, fault));
    };
    let parameters: &[&str] = match &*operation.name {
        "SendSimpleSMS2" => &["to", "from", "text", "isflash"],
        "SendByBaseNumber2" => &["text", "to", "bodyId"],
        "GetDeliveries2" => &["recId"],
        _ => &[],
    };
    let fields: Fields = operation.children.into_iter().map(|c| (c.name, c.text)).collect();
    let (result, delivered) =
        run(&fields, parameters, number).unwrap_or_else(|code: i64| (code.to_string(), Vec::new()));
    let name = operation.name;
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><{name}Response xmlns=\"http://tempuri.org/\"><{name}Result>{result}</{name}Result></{name}Response></soap:Body></soap:Envelope>"
    );
    Answer { response: xml_response(200, &body), delivered }
}

/// The operation's element, if the request is what SOAP 1.1 asks for.
fn operation(request: &Request) -> Option<Element> {
    let root = xml::parse(std::str::from_utf8(&request.body).ok()?)?;
    let mut body = root.children;
    let mut inner = body.pop()?.children;
    let operation = inner.pop()?;
    let action = format!("\"http://tempuri.org/{}\"", operation.name);
    let known = ["SendSimpleSMS2", "SendByBaseNumber2", "GetDeliveries2", "GetCredit"];
    let fine = root.name == "soap:Envelope"
        && root.attributes == "xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\""
        && operation.attributes == "xmlns=\"http://tempuri.org/\""
        && known.contains(&&*operation.name)
        && request.header("content-type") == Some("text/xml; charset=utf-8")
        && request.header("soapaction") == Some(&action);
    fine.then_some(operation)
}

fn xml_response(status: u16, body: &str) -> Response {
    let headers = vec![("Content-Type".to_owned(), "text/xml; charset=utf-8".to_owned())];
    Response { status, headers, body: body.as_bytes().to_vec() }
}

/// Runs a call of either protocol; the fields must be these, in this order, each once.
fn run(fields: &Fields, parameters: &[&str], number: u64) -> Outcome {
    let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
    if names != [&["username", "password"], parameters].concat() {
        return Err(35);
    }
    let field = |name| fields.iter().find(|(known, _)| known == name).map_or("", |(_, v)| v);
    if field("username") != USERNAME || field("password") != PASSWORD {
        return Err(0);
    }
    let id = format!("37414374140000{number:05}");
    match parameters {
        [] => Ok(("1234.5".to_owned(), vec![])),
        ["recId"] => {
            let known = field("recId").starts_with("37414374140000");
            Ok((if known { "1" } else { "-1" }.to_owned(), vec![]))
        }
        [.., "bodyId"] => template(field("bodyId"), field("text"))
            .and_then(|content| Ok((id, vec![(destination(field("to"))?, content)]))),
        _ => text(field("from"), field("text"))
            .and_then(|content| Ok((id, vec![(destination(field("to"))?, content)]))),
    }
}

fn text(from: &str, text: &str) -> Result<Delivered, i64> {
    match text {
        _ if from != LINE => Err(5),
        "" => Err(17),
        text if text.contains("http") => Err(14),
        text => Ok(Delivered::Text(text.to_owned())),
    }
}

fn template(body_id: &str, text: &str) -> Result<Delivered, i64> {
    let values: Vec<_> = text.split(';').collect();
    let expected = match body_id {
        BODY_ID => 1,
        BODY_ID_OF_TWO => 2,
        _ => return Err(-4),
    };
    if values.len() != expected || values.contains(&"") {
        return Err(-5);
    }
    let numbered =
        values.iter().enumerate().map(|(at, value)| (at.to_string(), (*value).to_owned()));
    Ok(Delivered::Template { name: body_id.to_owned(), tokens: numbered.collect() })
}

/// One number: `09…`, or digits of another country.
fn destination(to: &str) -> Result<String, i64> {
    let digits = to.bytes().all(|byte| byte.is_ascii_digit());
    let fine = digits && (to.len() == 11 && to.starts_with("09") || to.starts_with("49"));
    if fine { Ok(to.to_owned()) } else { Err(18) }
}
