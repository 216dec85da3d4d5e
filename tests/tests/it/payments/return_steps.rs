//! What the tests of returns and reconciliation do again and again: payments at ZarinPal that were
//! paid, staff that gives money back, and what the books of both sides say.

use peyk_tests::{
    fake::{FakeZarinPal, ZARINPAL_MERCHANT, ZARINPAL_TERMINAL, ZARINPAL_TOKEN},
    harness::{Answer, Peyk, PeykBuilder, wait_for},
};
use serde_json::json;

use crate::people::Person;

/// What the payments come to, in rials.
pub(super) const RIALS: i64 = 50_000;

/// Sandbox mode with payments at ZarinPal, whose panel may refund.
pub(super) fn at(zarinpal: &FakeZarinPal) -> PeykBuilder {
    let setting = |name: &str| format!("PAYMENTS__GATEWAYS__ZARINPAL__{name}");
    without_panel(zarinpal)
        .set(&setting("ACCESS_TOKEN"), ZARINPAL_TOKEN)
        .set(&setting("TERMINAL_ID"), ZARINPAL_TERMINAL)
        .set(&setting("PANEL_URL"), zarinpal.url())
}

/// The same without the panel: it only takes payments back.
pub(super) fn without_panel(zarinpal: &FakeZarinPal) -> PeykBuilder {
    let setting = |name: &str| format!("PAYMENTS__GATEWAYS__ZARINPAL__{name}");
    Peyk::builder()
        .set("WORKER__SWEEP_MS", "100")
        .set("PAYMENTS__BUDGET_MS", "800")
        .set("PAYMENTS__CONNECT_TIMEOUT_MS", "500")
        .set("HTTP__WAIT_MS", "3000")
        .set("CRON__WATCH_PAYMENTS__ENABLED", "false")
        .set("CRON__LIST_UNVERIFIED_PAYMENTS__ENABLED", "false")
        .set(&setting("MERCHANT_ID"), ZARINPAL_MERCHANT)
        .set(&setting("BASE_URL"), zarinpal.url())
}

/// A payment that was paid: its number and the gateway's name for it.
pub(super) struct Paid {
    pub(super) id: i64,
    pub(super) authority: String,
}

/// Begins a payment for a wallet (`pay_mode` 1) or the shop (2).
pub(super) async fn begin(peyk: &Peyk, payer: &Person, pay_mode: i64) -> Paid {
    let body = json!({"amount": RIALS, "currency": "IRR", "pay_mode": pay_mode});
    let answer = payer.post(peyk, "payment/create/", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let authority = answer.json["details"]["authority"].as_str().unwrap().to_owned();
    Paid { id: answer.json["id"].as_i64().unwrap(), authority }
}

/// The payer pays, and comes back.
pub(super) async fn pay(peyk: &Peyk, zarinpal: &FakeZarinPal, payer: &Person, mode: i64) -> Paid {
    let paid = begin(peyk, payer, mode).await;
    zarinpal.pay(&paid.authority);
    let back = format!("/api/payment/verify/?Authority={}&Status=OK", paid.authority);
    let answer = peyk.get(&back).await;
    assert_eq!(answer.json["details"]["is_pay"], 1, "{answer:?}");
    paid
}

/// Somebody who may give money back.
pub(super) async fn clerk(peyk: &Peyk) -> Person {
    let clerk = Person::new(peyk).await;
    clerk.join_staff(peyk, "finance").await;
    clerk
}

/// Asks for money back.
pub(super) async fn give_back(peyk: &Peyk, clerk: &Person, id: i64, how: &str) -> Answer {
    clerk.post(peyk, &format!("payment/{id}/{how}/"), &json!({"note": "ordered twice"})).await
}

/// The same under a key, waited for or not.
pub(super) async fn give_back_under(
    peyk: &Peyk,
    clerk: &Person,
    (id, how): (i64, &str),
    key: &str,
    note: &str,
) -> Answer {
    let url = format!("{}/api/payment/{id}/{how}/", peyk.urls[0]);
    let request = peyk.client().post(url).bearer_auth(&clerk.token).json(&json!({"note": note}));
    let request = request.header("Prefer", "respond-async");
    peyk.send(request.header("Idempotency-Key", key)).await
}

/// What a payment's latest return came to, once it is over; and why.
pub(super) async fn outcome(peyk: &Peyk, id: i64) -> (String, Option<String>) {
    wait_for(&format!("the return of payment {id} to be over"), || async {
        let row =
            "SELECT state, code FROM payment_returns WHERE payment_id = $1 AND state <> 'asked'
            ORDER BY id DESC LIMIT 1";
        sqlx::query_as(row).bind(id).fetch_optional(&peyk.database.pool).await.unwrap()
    })
    .await
}

/// The state of a payment.
pub(super) async fn state(peyk: &Peyk, id: i64) -> String {
    let row = "SELECT state FROM payments WHERE id = $1";
    sqlx::query_scalar(row).bind(id).fetch_one(&peyk.database.pool).await.unwrap()
}

/// What somebody may spend.
pub(super) async fn balance(peyk: &Peyk, payer: &Person) -> i64 {
    let row = "SELECT coalesce(sum(balance_rials), 0)::bigint FROM wallets WHERE user_id = $1";
    sqlx::query_scalar(row).bind(payer.id).fetch_one(&peyk.database.pool).await.unwrap()
}

/// The keys of the ledger in their order, without what comes of a payment.
pub(super) async fn movements(peyk: &Peyk) -> Vec<String> {
    let rows = "SELECT split_part(key, ':', 1) || ' ' || kind FROM ledger_transactions ORDER BY id";
    sqlx::query_scalar(rows).fetch_all(&peyk.database.pool).await.unwrap()
}

/// The ledger is in balance, and its proof says so.
pub(super) async fn assert_balanced(peyk: &Peyk) {
    let sum = "SELECT coalesce(sum(amount_rials), 0)::bigint FROM ledger_entries";
    assert_eq!(peyk.database.count(sum).await, 0);
    let (good, output) = peyk.run("api", &["ledger", "verify"]).await;
    assert!(good, "{output}");
}

/// Lets the pauses of returns that wait end.
pub(super) async fn pass_pauses(peyk: &Peyk) {
    let due = "UPDATE payment_returns SET next_attempt_at = now(), pushed_until = NULL
        WHERE next_attempt_at > now()";
    peyk.database.execute(due).await;
}
