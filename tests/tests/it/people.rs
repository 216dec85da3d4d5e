//! People who are logged in, and what they ask for.

use std::sync::atomic::{AtomicU32, Ordering};

use peyk_tests::harness::{Answer, Peyk, fresh_mobile};
use reqwest::Method;
use serde_json::Value;

use crate::login_steps::{log_in, text};

/// Somebody with an account and a session.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) mobile: String,
    pub(crate) token: String,
}

impl Person {
    /// Somebody new.
    pub(crate) async fn new(peyk: &Peyk) -> Self {
        Self::with(peyk, &fresh_mobile()).await
    }

    /// Whoever has this number.
    pub(crate) async fn with(peyk: &Peyk, mobile: &str) -> Self {
        let login = log_in(peyk, mobile).await;
        let id = login.json["user"]["id"].as_i64().unwrap();
        Self { id, mobile: mobile.to_owned(), token: text(&login, "access") }
    }

    /// A request of theirs at the first api.
    pub(crate) async fn ask(
        &self,
        peyk: &Peyk,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        self.ask_at(peyk, 0, method, path, body).await
    }

    /// A request of theirs at any api.
    pub(crate) async fn ask_at(
        &self,
        peyk: &Peyk,
        api: usize,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        ask(peyk, api, method, path, Some(&self.token), body).await
    }

    /// `GET`.
    pub(crate) async fn get(&self, peyk: &Peyk, path: &str) -> Answer {
        self.ask(peyk, Method::GET, path, None).await
    }

    /// `POST`.
    pub(crate) async fn post(&self, peyk: &Peyk, path: &str, body: &Value) -> Answer {
        self.ask(peyk, Method::POST, path, Some(body)).await
    }

    /// Lets an hour pass since they proved who they are.
    pub(crate) async fn grow_stale(&self, peyk: &Peyk) {
        let stale = "UPDATE sessions SET authenticated_at = authenticated_at - interval '1 hour'
            WHERE user_id = $1";
        sqlx::query(stale).bind(self.id).execute(&peyk.database.pool).await.unwrap();
    }

    /// Makes them this on the staff.
    pub(crate) async fn join_staff(&self, peyk: &Peyk, role: &str) {
        let grant = "UPDATE users SET role = $2 WHERE id = $1";
        sqlx::query(grant).bind(self.id).bind(role).execute(&peyk.database.pool).await.unwrap();
    }
}

/// A request at any api, with or without a token. `path` is below `/api/`.
pub(crate) async fn ask(
    peyk: &Peyk,
    api: usize,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Answer {
    let mut request = peyk.client().request(method, format!("{}/api/{path}", peyk.urls[api]));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    peyk.send(request).await
}

/// A number no other one of this process is.
pub(crate) fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The operations of a tag in the document: `operationId METHOD path`, sorted.
pub(crate) async fn documented(peyk: &Peyk, tag: &str) -> Vec<String> {
    let document = peyk.get("/openapi.json").await.json;
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["tags"][0] == tag {
                let id = operation["operationId"].as_str().unwrap();
                found.push(format!("{id} {} {path}", method.to_uppercase()));
            }
        }
    }
    found.sort();
    found
}

/// Only these fields of each of the results of a page.
pub(crate) fn column<'a>(page: &'a Answer, name: &str) -> Vec<&'a Value> {
    assert_eq!(page.status, 200, "{page:?}");
    page.json["results"].as_array().unwrap().iter().map(|row| &row[name]).collect()
}
