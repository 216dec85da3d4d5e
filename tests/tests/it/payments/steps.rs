//! What these tests do again and again.

use peyk_tests::{
    fake::RecordedZarinPal,
    harness::{Answer, Peyk, PeykBuilder},
};
use serde_json::{Value, json};

use crate::{login_steps::patient, people::Person};

/// Where payments are begun, below `/api/`.
pub(super) const CREATE: &str = "payment/create/";

/// Sandbox mode with payments at this gateway, named `zarinpal`.
pub(super) fn at(gateway: &RecordedZarinPal) -> PeykBuilder {
    patient()
        .set("PAYMENTS__GATEWAYS__ZARINPAL__BASE_URL", gateway.url())
        .set("PAYMENTS__GATEWAYS__ZARINPAL__MERCHANT_ID", "11111111-2222-3333-4444-555555555555")
}

/// Begins a payment of so many rials.
pub(super) async fn begin(peyk: &Peyk, payer: &Person, amount: i64) -> Answer {
    let begun = payer.post(peyk, CREATE, &json!({"amount": amount})).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    begun
}

/// The same with an `Idempotency-Key` at any api; what comes comes.
pub(super) async fn begin_under(
    peyk: &Peyk,
    api: usize,
    payer: &Person,
    key: &str,
    body: &Value,
) -> Answer {
    let url = format!("{}/api/{CREATE}", peyk.urls[api]);
    let request = peyk.client().post(url).bearer_auth(&payer.token).json(body);
    peyk.send(request.header("Idempotency-Key", key)).await
}

/// Payments and pages in the database.
pub(super) async fn written(peyk: &Peyk) -> (i64, i64) {
    let payments = peyk.database.count("SELECT count(*) FROM payments").await;
    (payments, peyk.database.count("SELECT count(*) FROM payment_sessions").await)
}

/// The states of all payments and of all pages, oldest first.
pub(super) async fn states(peyk: &Peyk) -> (Vec<String>, Vec<String>) {
    let read = async |sql| {
        sqlx::query_scalar::<_, String>(sql).fetch_all(&peyk.database.pool).await.unwrap()
    };
    let payments = read("SELECT state FROM payments ORDER BY id").await;
    (payments, read("SELECT state FROM payment_sessions ORDER BY id").await)
}
