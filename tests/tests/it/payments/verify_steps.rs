//! What the tests of verification do again and again: a shop at the gateways, payers who pay and come
//! back or not, and what became of it.

use std::time::Duration;

use peyk_tests::{
    fake::{
        FakePayPing, FakeZarinPal, FakeZibal, PAYPING_TOKEN, Receiver, ZARINPAL_MERCHANT,
        ZIBAL_MERCHANT,
    },
    harness::{Answer, Peyk, PeykBuilder, wait_within},
};
use serde_json::{Value, json};

use crate::{
    people::Person,
    webhooks::steps::{SECRET, endpoint},
};

/// Longest wait for what the sweep, the watcher and a few retries come to, on a busy machine.
pub(crate) const SETTLED_WITHIN: Duration = Duration::from_mins(1);

/// The gateways outside.
pub(crate) struct Outside {
    pub(crate) zarinpal: FakeZarinPal,
    pub(crate) zibal: FakeZibal,
    pub(crate) payping: FakePayPing,
    pub(crate) shop: Receiver,
}

impl Outside {
    pub(crate) async fn new() -> Self {
        Self {
            zarinpal: FakeZarinPal::start().await,
            zibal: FakeZibal::start().await,
            payping: FakePayPing::start().await,
            shop: Receiver::start(SECRET).await,
        }
    }

    /// A Peyk over all of them, hasty: the watcher looks every second.
    pub(crate) fn peyk(&self) -> PeykBuilder {
        let builder = Peyk::builder()
            .set("WORKER__SWEEP_MS", "100")
            // A soak takes longer than a token lives.
            .set("AUTH__ACCESS_TTL_SECONDS", "86400")
            .set("PAYMENTS__GATEWAYS__ZARINPAL__MERCHANT_ID", ZARINPAL_MERCHANT)
            .set("PAYMENTS__GATEWAYS__ZARINPAL__BASE_URL", self.zarinpal.url())
            .set("PAYMENTS__GATEWAYS__ZIBAL__MERCHANT", ZIBAL_MERCHANT)
            .set("PAYMENTS__GATEWAYS__ZIBAL__BASE_URL", self.zibal.url())
            .set("PAYMENTS__GATEWAYS__PAYPING__TOKEN", PAYPING_TOKEN)
            .set("PAYMENTS__GATEWAYS__PAYPING__BASE_URL", self.payping.url())
            .set("PAYMENTS__GATEWAY", "zarinpal")
            .set("PAYMENTS__CHOICES", "zarinpal,zibal,payping")
            .set("PAYMENTS__HOURLY_PER_USER", "100000")
            .set("PAYMENTS__FRONTEND_HOSTS", "shop.example")
            .set("PAYMENTS__BUDGET_MS", "1500")
            .set("PAYMENTS__CONNECT_TIMEOUT_MS", "1000")
            .set("LIMITS__PAYMENT_LOOKS_PER_PAGE", "100000/1s");
        endpoint(builder, "SHOP", &self.shop.url())
    }
}

/// The watcher and the list of the unverified run every second, and look at everything.
pub(crate) fn watchful(builder: PeykBuilder) -> PeykBuilder {
    builder
        .set("CRON__WATCH_PAYMENTS__SCHEDULE", "* * * * * *")
        .set("CRON__LIST_UNVERIFIED_PAYMENTS__SCHEDULE", "* * * * * *")
        .set("PAYMENTS__WATCH_AFTER_SECONDS", "1")
        .set("PAYMENTS__WATCH_EVERY_SECONDS", "1")
}

/// Neither of them runs.
pub(crate) fn unwatched(builder: PeykBuilder) -> PeykBuilder {
    builder
        .set("CRON__WATCH_PAYMENTS__ENABLED", "false")
        .set("CRON__LIST_UNVERIFIED_PAYMENTS__ENABLED", "false")
}

/// A payment that was begun.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) id: i64,
    pub(crate) authority: String,
}

/// Begins a payment of so many rials.
pub(crate) async fn begin(peyk: &Peyk, who: &Person, gateway: &str, rials: i64) -> Begun {
    begin_with(peyk, who, &json!({"amount": rials, "currency": "IRR", "gateway": gateway})).await
}

/// Begins a payment.
pub(crate) async fn begin_with(peyk: &Peyk, who: &Person, body: &Value) -> Begun {
    let answer = who.post(peyk, "payment/create/", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let authority = answer.json["details"]["authority"].as_str().unwrap().to_owned();
    Begun { id: answer.json["id"].as_i64().unwrap(), authority }
}

/// The payer comes back from ZarinPal, to one of the apis.
pub(crate) async fn back_at(peyk: &Peyk, api: usize, authority: &str, status: &str) -> Answer {
    let query = format!("Authority={authority}&Status={status}");
    let url = format!("{}/api/payment/verify/?{query}", peyk.urls[api]);
    peyk.send(peyk.client().get(url)).await
}

/// The payer comes back from ZarinPal.
pub(crate) async fn back(peyk: &Peyk, authority: &str, status: &str) -> Answer {
    back_at(peyk, 0, authority, status).await
}

/// The payer comes back from Zibal.
pub(crate) async fn back_from_zibal(peyk: &Peyk, authority: &str, success: i32) -> Answer {
    let status = if success == 1 { 2 } else { 3 };
    let query = format!("success={success}&trackId={authority}&orderId=x&status={status}");
    peyk.get(&format!("/api/payment/verify/?{query}")).await
}

/// The payer comes back from PayPing with what it has them post, or what they make of it.
pub(crate) async fn post_back(peyk: &Peyk, form: &[(String, String)]) -> Answer {
    peyk.send(peyk.client().post(peyk.url("/api/payment/verify/")).form(form)).await
}

/// A form as PayPing's for this page, with this reference.
pub(crate) fn payping_form(authority: &str, reference: i64) -> Vec<(String, String)> {
    let data = json!({"paymentCode": authority, "paymentRefId": reference}).to_string();
    let pairs = [("status", "1"), ("errorCode", ""), ("data", &data)];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// `is_pay`, `status_code` and `message` of an answer.
pub(crate) fn said(answer: &Answer) -> (i64, Option<i64>, String) {
    let details = &answer.json["details"];
    let message = details["message"].as_str().unwrap_or_default().to_owned();
    (details["is_pay"].as_i64().unwrap_or(-1), details["status_code"].as_i64(), message)
}

/// The state of a payment and why.
pub(crate) async fn state(peyk: &Peyk, id: i64) -> (String, Option<String>) {
    let row = "SELECT state, reason FROM payments WHERE id = $1";
    sqlx::query_as(row).bind(id).fetch_one(&peyk.database.pool).await.unwrap()
}

/// Waits until a payment is in this state.
pub(crate) async fn wait_for_state(peyk: &Peyk, id: i64, wanted: &str) -> Option<String> {
    wait_within(SETTLED_WITHIN, &format!("payment {id} to be {wanted}"), || async {
        let (state, reason) = state(peyk, id).await;
        (state == wanted).then_some(reason)
    })
    .await
}

/// Waits until nobody looks at any payment, nor is to.
pub(crate) async fn wait_until_still(peyk: &Peyk) {
    wait_within(SETTLED_WITHIN, "nobody to look at a payment", || async {
        let busy = "SELECT count(*) FROM payments
            WHERE next_attempt_at IS NOT NULL OR lease_until IS NOT NULL";
        let busy: i64 = sqlx::query_scalar(busy).fetch_one(&peyk.database.pool).await.unwrap();
        (busy == 0).then_some(())
    })
    .await;
}

/// What the ledger has under a payment's name: how many transactions, and the rials of the user's
/// wallet.
pub(crate) async fn credited(peyk: &Peyk, begun: &Begun) -> (i64, i64) {
    let row = "SELECT count(DISTINCT t.id),
            coalesce(sum(e.amount_rials) FILTER (WHERE a.user_id IS NOT NULL), 0)::bigint
        FROM ledger_transactions t
        JOIN ledger_entries e ON e.transaction_id = t.id
        JOIN ledger_accounts a ON a.id = e.account_id
        WHERE t.key = 'payment:' || $1::text";
    sqlx::query_as(row).bind(begun.id).fetch_one(&peyk.database.pool).await.unwrap()
}

/// What the user has to spend.
pub(crate) async fn balance(peyk: &Peyk, who: &Person) -> i64 {
    let row = "SELECT coalesce(sum(balance_rials), 0)::bigint FROM wallets WHERE user_id = $1";
    sqlx::query_scalar(row).bind(who.id).fetch_one(&peyk.database.pool).await.unwrap()
}

/// The states of a payment that the world was told of, in their order.
pub(crate) async fn told(peyk: &Peyk, id: i64) -> Vec<String> {
    let rows = "SELECT kind FROM webhook_events WHERE subject = 'payment:' || $1::text
        ORDER BY created_at, id";
    sqlx::query_scalar(rows).bind(id).fetch_all(&peyk.database.pool).await.unwrap()
}

/// Asserts that a payment was credited once, to the rial, and told once.
pub(crate) async fn assert_paid_once(peyk: &Peyk, begun: &Begun, rials: i64) {
    assert_eq!(state(peyk, begun.id).await.0, "paid", "{begun:?}");
    assert_eq!(credited(peyk, begun).await, (1, rials), "{begun:?}");
    let told = told(peyk, begun.id).await;
    let paid = told.iter().filter(|kind| *kind == "payment.paid").count();
    assert_eq!((paid, told.last().map(String::as_str)), (1, Some("payment.paid")), "{told:?}");
}

/// Lets the time of a payment end.
pub(crate) async fn age(peyk: &Peyk, id: i64) {
    let row = "UPDATE payments SET watch_until = now() - interval '1 hour',
            asked_at = asked_at - interval '1 hour' WHERE id = $1";
    sqlx::query(row).bind(id).execute(&peyk.database.pool).await.unwrap();
}

/// Lets the pauses of payments that wait for another look end.
pub(crate) async fn pass_pauses(peyk: &Peyk) {
    let due = "UPDATE payments SET next_attempt_at = now(), pushed_until = NULL
        WHERE next_attempt_at > now()";
    peyk.database.execute(due).await;
}
