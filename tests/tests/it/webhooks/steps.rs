//! What the tests of webhooks have in common.

use std::sync::Arc;

use peyk_tests::{
    fake::{FakeKavenegar, Receiver},
    harness::{Answer, Peyk, PeykBuilder, wait_for},
};
use serde_json::json;
use shared::{
    clock::SystemClock,
    config::{WebhookEndpoint, Webhooks},
    webhooks::{
        Outbox,
        events::{Kind, NewEvent},
    },
};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const NEXT_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A Peyk over this provider whose endpoint `shop` is this receiver.
pub(crate) fn peyk(fake: &FakeKavenegar, shop: &Receiver) -> PeykBuilder {
    let builder = Peyk::builder().kavenegar(&fake.url()).hasty(2_000);
    endpoint(builder, "SHOP", &shop.url())
}

/// A Peyk that only tells endpoint `shop` of what the test emits.
pub(crate) fn teller(shop: &Receiver) -> PeykBuilder {
    let builder = Peyk::builder().apis(0).set("WORKER__SWEEP_MS", "100");
    endpoint(builder, "SHOP", &shop.url())
}

/// One more endpoint.
pub(crate) fn endpoint(builder: PeykBuilder, name: &str, url: &str) -> PeykBuilder {
    let table = format!("WEBHOOKS__ENDPOINTS__{name}");
    builder
        .set(&format!("{table}__URL"), url)
        .set(&format!("{table}__SECRETS"), SECRET)
        .set(&format!("{table}__TIMEOUT_MS"), "1000")
}

pub(crate) async fn key(peyk: &Peyk) -> String {
    let arguments = ["keys", "create", "web shop", "--scope", "sms:send"];
    let (worked, output) = peyk.run("api", &arguments).await;
    assert!(worked, "{output}");
    output.lines().next().unwrap().to_owned()
}

/// Asks for a text to a number.
pub(crate) async fn text(peyk: &Peyk, key: &str, mobile: &str) -> Answer {
    let body = json!({"mobile_number": mobile, "message_text": "Sentence-of-the-text"});
    let request = peyk.client().post(peyk.url("/api/message/send/"));
    peyk.send(request.header("X-API-Key", key).json(&body)).await
}

/// The outbox of endpoints of these names.
pub(crate) fn outbox(names: &[&str]) -> Outbox {
    let each = names.iter().map(|name| ((*name).to_owned(), WebhookEndpoint::default()));
    let config = Webhooks { endpoints: each.collect(), ..Webhooks::default() };
    Outbox::new(&config, Arc::new(SystemClock))
}

pub(crate) fn event(subject: &str, number: usize) -> NewEvent {
    NewEvent {
        kind: Kind::SmsSent,
        subject: subject.to_owned(),
        data: json!({ "subject": subject, "number": number }),
    }
}

/// Emits to `shop` and commits.
pub(crate) async fn emit(peyk: &Peyk, events: &[NewEvent]) {
    let mut tx = peyk.database.pool.begin().await.unwrap();
    outbox(&["shop"]).emit(&mut tx, events).await.unwrap();
    tx.commit().await.unwrap();
}

/// What a receiver took, as `subject number`.
pub(crate) fn numbers(receiver: &Receiver) -> Vec<String> {
    let short = |event: &serde_json::Value| {
        format!("{} {}", event["data"]["subject"].as_str().unwrap_or("-"), event["data"]["number"])
    };
    receiver.told().iter().map(|told| short(&told.event)).collect()
}

/// Lets the pauses of deliveries that wait for another try end.
pub(crate) async fn pass_pauses(peyk: &Peyk) {
    let due = "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE status = 'queued'";
    peyk.database.execute(due).await;
}

/// Waits until so many deliveries are in a state.
pub(crate) async fn wait_for_status(peyk: &Peyk, status: &str, count: i64) {
    wait_for(&format!("{count} deliveries that are {status}"), || async {
        let rows = "SELECT count(*) FROM webhook_deliveries WHERE status = $1";
        let rows: i64 =
            sqlx::query_scalar(rows).bind(status).fetch_one(&peyk.database.pool).await.unwrap();
        (rows == count).then_some(())
    })
    .await;
}
