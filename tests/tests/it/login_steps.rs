//! What the login tests do again and again.

use peyk_tests::harness::{Answer, Peyk, PeykBuilder};
use serde_json::{Value, json};

/// What a wrong, expired, used or unknown code is answered.
pub(crate) const NOT_FOUND: &str = "The code sent to this mobile number was not found.";

/// Sandbox mode, with sends that wait for the worker however busy the machine is.
pub(crate) fn patient() -> PeykBuilder {
    Peyk::builder().set("HTTP__WAIT_MS", "15000")
}

/// Sends a code and gives the request's handle with the code.
pub(crate) async fn send(peyk: &Peyk, mobile: &str) -> (String, String) {
    let sent = peyk.send_otp(mobile).await;
    let request_id = text(&sent, "request_id");
    // On a busy machine it may still be on its way.
    if sent.status == 202 {
        peyk.wait_for_status(&request_id, &["sent", "delivered"]).await;
    } else {
        assert_eq!(sent.status, 200, "{sent:?}");
    }
    (request_id, peyk.sandbox_code(mobile).await)
}

/// `POST authenticate/` with these members beside number and code.
pub(crate) async fn log_in_with(peyk: &Peyk, mobile: &str, code: &str, more: Value) -> Answer {
    let mut body = json!({"mobile_number": mobile, "code": code});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    peyk.post("/api/authenticate/", &body).await
}

/// Sends a code and logs in with it.
pub(crate) async fn log_in(peyk: &Peyk, mobile: &str) -> Answer {
    let (request_id, code) = send(peyk, mobile).await;
    let login = peyk.authenticate(mobile, &code, Some(&request_id)).await;
    assert_eq!(login.status, 200, "{login:?}");
    login
}

/// A code of the same length that is not this one.
pub(crate) fn wrong(code: &str) -> String {
    let other = |digit| if digit == '9' { '0' } else { char::from(digit as u8 + 1) };
    code.chars().map(other).collect()
}

/// What every code that is not good is answered.
pub(crate) fn assert_refused(answer: &Answer) {
    assert_eq!((answer.status, text(answer, "error")), (401, NOT_FOUND.to_owned()), "{answer:?}");
}

/// A text member of an answer.
pub(crate) fn text(answer: &Answer, member: &str) -> String {
    let text = answer.json[member].as_str();
    text.unwrap_or_else(|| panic!("no {member} in {answer:?}")).to_owned()
}

/// A header of an answer.
pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().expect("headers are ASCII"))
}

/// One number from the database.
pub(crate) async fn count(peyk: &Peyk, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&peyk.database.pool).await.expect("the query is good")
}
