//! What the tests of passwords do again and again.

use peyk_tests::harness::{Answer, Peyk};
use serde_json::{Value, json};

use crate::login_steps::{log_in, text};

/// A password that breaks no rule.
pub(crate) const PASSWORD: &str = "S3cret-pass-77";
/// Another one.
pub(crate) const OTHER: &str = "quite-another-88";
/// What a login is answered that is none.
pub(crate) const NO_ACCOUNT: &str = "No active account found with the given credentials";

/// Made by Django 5.2, each of `OLD_PASSWORD`; PBKDF2 with few rounds.
pub(crate) const OLD_PASSWORD: &str = "correct Horse 7 باتری";
pub(crate) const OLD_HASHES: [&str; 4] = [
    "pbkdf2_sha256$20000$8QgXHwKPlCEeW4MTenD76M$90sxJ8VKfftbe6jJvZ5BRlXVGlBmIKm4J5cUxqw+0OY=",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$ZUxEcGNMQU9iVE9SWWRzVk9jR1YwMQ$Ck85PIldv8DNu4M4Cdg5PJQc2CfTtOcP0aLqGRf534I",
    "bcrypt_sha256$$2b$12$B109XIHRpaxJjGVslUXcaOQ5V9wy.KGooK0OUOSN5qWQBM3m7D4eK",
    "scrypt$16384$MXkG8FZw1RzirTpa37A6AS$8$5$MRqhFxbYClhu8CRLcM/7XZzkdfFDti0WDx8SCCiMm2XREfyNJ1oBUHnexllqc3P+i91igIzzXSGaQfvpnB2QQg==",
];

/// `POST register/` with this name and password.
pub(crate) async fn register(peyk: &Peyk, username: &str, password: &str) -> Answer {
    let body = json!({"username": username, "password": password, "password2": password});
    peyk.post("/api/register/", &body).await
}

/// Makes an account with [`PASSWORD`] and gives its id.
pub(crate) async fn registered(peyk: &Peyk, username: &str) -> i64 {
    let made = register(peyk, username, PASSWORD).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json["id"].as_i64().unwrap()
}

/// `POST login/` at one of the api processes.
pub(crate) async fn login_at(peyk: &Peyk, api: usize, username: &str, password: &str) -> Answer {
    let request = peyk.client().post(format!("{}/api/login/", peyk.urls[api]));
    peyk.send(request.json(&json!({"username": username, "password": password}))).await
}

/// `POST login/`.
pub(crate) async fn login(peyk: &Peyk, username: &str, password: &str) -> Answer {
    login_at(peyk, 0, username, password).await
}

/// Logs in and gives the access token.
pub(crate) async fn access(peyk: &Peyk, username: &str, password: &str) -> String {
    let answer = login(peyk, username, password).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    text(&answer, "access")
}

/// Logs in with a code and gives the access token.
pub(crate) async fn access_by_code(peyk: &Peyk, mobile: &str) -> String {
    text(&log_in(peyk, mobile).await, "access")
}

/// `GET me/`.
pub(crate) async fn me(peyk: &Peyk, access: &str) -> Answer {
    peyk.send(peyk.client().get(peyk.url("/api/me/")).bearer_auth(access)).await
}

/// `POST me/password/`.
pub(crate) async fn change(peyk: &Peyk, access: &str, body: &Value) -> Answer {
    let request = peyk.client().post(peyk.url("/api/me/password/")).bearer_auth(access);
    peyk.send(request.json(body)).await
}

/// `POST password/reset/`.
pub(crate) async fn ask_reset(peyk: &Peyk, mobile: &str) -> Answer {
    peyk.post("/api/password/reset/", &json!({"mobile_number": mobile})).await
}

/// `POST password/reset/confirm/` with [`OTHER`] as the new password.
pub(crate) async fn confirm(peyk: &Peyk, mobile: &str, code: &str, more: Value) -> Answer {
    let mut body = json!({
        "mobile_number": mobile, "code": code, "password": OTHER, "password2": OTHER,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    peyk.post("/api/password/reset/confirm/", &body).await
}

pub(crate) fn assert_no_account(answer: &Answer) {
    assert_eq!((answer.status, text(answer, "detail")), (401, NO_ACCOUNT.to_owned()), "{answer:?}");
    assert_eq!(answer.json["code"], "no_active_account");
}

/// An account with this hash, as it was in Django.
pub(crate) async fn imported(peyk: &Peyk, username: &str, hash: &str) {
    let insert = "INSERT INTO users (username, password, created_at) VALUES ($1, $2, now())";
    let made = sqlx::query(insert).bind(username).bind(hash).execute(&peyk.database.pool).await;
    made.expect("the row is good");
}

/// What is stored as the password of an account.
pub(crate) async fn stored(peyk: &Peyk, username: &str) -> Option<String> {
    let query = sqlx::query_scalar("SELECT password FROM users WHERE username = $1").bind(username);
    query.fetch_one(&peyk.database.pool).await.expect("the account is there")
}

/// Changes rows of `users` by their name.
pub(crate) async fn update(peyk: &Peyk, set: &'static str, username: &str) {
    let done = sqlx::query(set).bind(username).execute(&peyk.database.pool).await;
    assert_eq!(done.expect("the statement is good").rows_affected(), 1);
}
