//! Wallets: what shops, users and staff do with them.

mod crash;
mod floats;
mod holds;
mod moves;
mod proof;
mod staff;

use peyk_tests::harness::{Answer, Peyk, PeykBuilder};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{login_steps::text, people::Person};

/// A shop's server with its API key.
#[derive(Debug, Clone)]
struct Shop {
    key: String,
}

impl Shop {
    async fn new(peyk: &Peyk, scopes: &[&str]) -> Self {
        let mut arguments = vec!["keys", "create", "shop"];
        arguments.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        let (worked, output) = peyk.run("api", &arguments).await;
        assert!(worked, "{output}");
        Self { key: output.lines().next().unwrap().to_owned() }
    }

    async fn that_may_all(peyk: &Peyk) -> Self {
        Self::new(peyk, &["wallet:read", "wallet:write"]).await
    }

    async fn post_at(
        &self,
        (peyk, api): (&Peyk, usize),
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Answer {
        let url = format!("{}/api/wallet/{path}", peyk.urls[api]);
        let mut request = peyk.client().post(url).header("X-API-Key", &self.key).json(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        peyk.send(request).await
    }

    async fn post(&self, peyk: &Peyk, path: &str, key: &str, body: &Value) -> Answer {
        self.post_at((peyk, 0), path, Some(key), body).await
    }

    async fn get(&self, peyk: &Peyk, path: &str) -> Answer {
        let url = format!("{}/api/wallet/{path}", peyk.urls[0]);
        peyk.send(peyk.client().get(url).header("X-API-Key", &self.key)).await
    }

    /// What a user has: to spend and set aside.
    async fn has(&self, peyk: &Peyk, user: i64) -> (i64, i64) {
        let wallet = self.get(peyk, &format!("users/{user}/")).await;
        let number =
            |name: &str| wallet.json[name].as_i64().unwrap_or_else(|| panic!("{wallet:?}"));
        (number("balance_rials"), number("held_rials"))
    }
}

/// An account without a login.
async fn user(peyk: &Peyk) -> i64 {
    sqlx::query_scalar(
        "INSERT INTO users (username, created_at)
         VALUES ('u' || (SELECT count(*) FROM users), now()) RETURNING id",
    )
    .fetch_one(&peyk.database.pool)
    .await
    .unwrap()
}

/// An account with so many rials, which staff gave.
async fn rich(peyk: &Peyk, staff: &Person, rials: i64) -> i64 {
    let user = user(peyk).await;
    let given = adjust(peyk, staff, user, rials, &format!("rich-{user}")).await;
    assert_eq!(given.status, 200, "{given:?}");
    user
}

async fn finance(peyk: &Peyk) -> Person {
    let person = Person::new(peyk).await;
    person.join_staff(peyk, "finance").await;
    person
}

async fn adjust(peyk: &Peyk, staff: &Person, user: i64, rials: i64, key: &str) -> Answer {
    let body = json!({"amount": rials, "currency": "IRR", "reason": "for a test"});
    adjust_with(peyk, staff, user, key, &body).await
}

async fn adjust_with(peyk: &Peyk, staff: &Person, user: i64, key: &str, body: &Value) -> Answer {
    let url = peyk.url(&format!("/api/admin/wallets/{user}/adjust/"));
    let request = peyk.client().request(Method::POST, url).bearer_auth(&staff.token);
    peyk.send(request.header("Idempotency-Key", key).json(body)).await
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, text(answer, "code")), (status, code.to_owned()), "{answer:?}");
}

/// The proof by the command: it says so by its exit, too.
async fn assert_proven(peyk: &Peyk) {
    let (worked, output) = peyk.run("api", &["ledger", "verify"]).await;
    assert!(worked && output.contains(" 0 differences"), "{output}");
}

fn two_apis() -> PeykBuilder {
    // All tests share one server: a hundred requests at once need no connection each.
    crate::login_steps::patient().apis(2).set("DATABASE__MAX_CONNECTIONS", "6")
}

fn spend(user: i64, rials: i64) -> Value {
    json!({"user_id": user, "amount": rials, "currency": "IRR", "order_id": "order-7"})
}
