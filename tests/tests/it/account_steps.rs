//! What the tests of accounts do again and again.

use peyk_tests::harness::{Answer, Peyk, fresh_mobile, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use crate::login_steps::{log_in, text};

/// Somebody who logged in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// `09…`.
    pub(crate) mobile: String,
    /// The account.
    pub(crate) id: i64,
    /// The access token of the session.
    pub(crate) access: String,
}

/// Logs in with a number nobody else uses.
pub(crate) async fn person(peyk: &Peyk) -> Person {
    session_of(peyk, &fresh_mobile()).await
}

/// Logs in with this number, which begins one more session.
pub(crate) async fn session_of(peyk: &Peyk, mobile: &str) -> Person {
    let login = log_in(peyk, mobile).await;
    let id = login.json["user"]["id"].as_i64().unwrap();
    Person { mobile: mobile.to_owned(), id, access: text(&login, "access") }
}

/// A request of theirs to one of the api processes.
pub(crate) async fn ask_at(
    peyk: &Peyk,
    api: usize,
    who: &Person,
    method: Method,
    path: &str,
    body: &Value,
) -> Answer {
    let url = format!("{}{path}", peyk.urls[api]);
    let request = peyk.client().request(method, url).bearer_auth(&who.access);
    let request = if body.is_null() { request } else { request.json(body) };
    peyk.send(request).await
}

/// `POST` to the first api process.
pub(crate) async fn post_as(peyk: &Peyk, who: &Person, path: &str, body: &Value) -> Answer {
    ask_at(peyk, 0, who, Method::POST, path, body).await
}

/// `GET` from the first api process.
pub(crate) async fn get_as(peyk: &Peyk, who: &Person, path: &str) -> Answer {
    ask_at(peyk, 0, who, Method::GET, path, &Value::Null).await
}

/// The answer's status and its code, if it is a problem.
pub(crate) fn problem(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["code"].as_str().unwrap_or_default())
}

/// Waits until every api process refuses the token, whatever it is shown for, and checks that a second
/// was enough.
pub(crate) async fn refused_within_a_second(peyk: &Peyk, who: &Person) {
    let since = tokio::time::Instant::now();
    for api in 0..peyk.urls.len() {
        wait_for("a refusal", || async {
            let answer = ask_at(peyk, api, who, Method::GET, "/api/me/", &Value::Null).await;
            (problem(&answer) == (401, "token_not_valid")).then_some(())
        })
        .await;
    }
    let took = since.elapsed();
    assert!(took.as_secs() < 2, "{took:?}: a second, and some for a busy machine");
}

/// As if the session's owner had logged in a while ago.
pub(crate) async fn let_sessions_grow_old(peyk: &Peyk) {
    let sql = "UPDATE sessions SET authenticated_at = now() - interval '1 hour'";
    peyk.database.execute(sql).await;
}

/// `POST me/phone/`: the handle and the code that the new number gets.
pub(crate) async fn begin_change(peyk: &Peyk, who: &Person, to: &str) -> (String, String) {
    let begun = post_as(peyk, who, "/api/me/phone/", &json!({"mobile_number": to})).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    (text(&begun, "request_id"), peyk.sandbox_code(to).await)
}

/// `POST me/phone/confirm/`.
pub(crate) async fn confirm_change(peyk: &Peyk, who: &Person, code: &str) -> Answer {
    post_as(peyk, who, "/api/me/phone/confirm/", &json!({"code": code})).await
}
