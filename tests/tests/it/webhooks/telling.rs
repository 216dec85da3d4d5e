//! What endpoints are told, and by whom.

use std::collections::BTreeSet;

use peyk_tests::{
    fake::{Behaviour, FakeKavenegar, Receiver},
    harness::{Peyk, fresh_mobile},
};
use serde_json::json;
use shared::webhooks::events::Kind;

use super::steps::{NEXT_SECRET, SECRET, emit, endpoint, event, key, outbox, peyk, text};
use super::steps::{teller, wait_for_status};

const EVENTS: &str = "SELECT count(*) FROM webhook_events";

#[tokio::test]
async fn a_text_of_an_account_names_its_owner_by_number_alone() {
    let (fake, shop) = tokio::join!(FakeKavenegar::start(), Receiver::start(SECRET));
    let peyk = peyk(&fake, &shop).start().await;
    let add = "INSERT INTO users (username, scopes, created_at)
        VALUES ('sara', '{sms:send}', now()) RETURNING id";
    let owner: i64 = sqlx::query_scalar(add).fetch_one(&peyk.database.pool).await.unwrap();
    let key = key(&peyk).await;
    assert_eq!(text(&peyk, &key, &fresh_mobile()).await.status, 200);
    // As if it had been sent with the account's token.
    let own = "UPDATE sms_messages SET user_id = $1, api_key_id = NULL, poll_at = now()
        WHERE status = 'sent'";
    sqlx::query(own).bind(owner).execute(&peyk.database.pool).await.unwrap();
    let (polled, output) = peyk.run("worker", &["cron", "run", "poll-delivery-reports"]).await;
    assert!(polled, "{output}");
    let told = shop.wait_for_told(2).await.remove(1);
    assert_eq!(told.kind(), "sms.delivered");
    let data = &told.event["data"];
    assert_eq!((&data["user_id"], &data["api_key"]), (&json!(owner), &json!(null)));
    assert!(!told.event.to_string().contains("sara"));
}

#[tokio::test]
async fn what_became_of_a_text_is_told_signed_and_without_its_words() {
    let (fake, shop) = tokio::join!(FakeKavenegar::start(), Receiver::start(SECRET));
    let peyk = peyk(&fake, &shop).start().await;
    let key = key(&peyk).await;
    let (mobile, refused) = (fresh_mobile(), fresh_mobile());
    let sent = text(&peyk, &key, &mobile).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let told = shop.wait_for_told(1).await.remove(0);
    assert!(shared::ids::is_handle(&told.id), "{told:?}");
    assert_eq!(told.kind(), "sms.sent");
    let data = &told.event["data"];
    assert_eq!(
        (&data["id"], &data["receiver"], &data["status"], &data["provider"], &data["kind"]),
        (
            &sent.json["id"],
            &json!(format!("+98{}", &mobile[1..])),
            &json!("sent"),
            &json!("kavenegar"),
            &json!("text")
        )
    );
    assert_eq!(data["api_key"], json!({"name": "web shop", "prefix": &key[..12]}));
    assert_eq!(data["user_id"], json!(null));
    assert_eq!(data["segments"], 1);
    assert!(data["provider_message_id"].is_string() && data["settled_at"].is_string());
    fake.behave_to(&refused, Behaviour::Error(411));
    assert_eq!(text(&peyk, &key, &refused).await.status, 502);
    let told = shop.wait_for_told(2).await.remove(1);
    assert_eq!(
        (told.kind(), &told.event["data"]["reason"]),
        ("sms.failed", &json!("kavenegar.411"))
    );

    // A code has events of its own, and delivery reports are told, too.
    assert_eq!(peyk.send_otp(&fresh_mobile()).await.status, 200);
    assert_eq!(shop.wait_for_told(3).await[2].kind(), "otp.sent");
    let due = "UPDATE sms_messages SET poll_at = now() WHERE status = 'sent' AND kind = 'text'";
    peyk.database.execute(due).await;
    let (polled, output) = peyk.run("worker", &["cron", "run", "poll-delivery-reports"]).await;
    assert!(polled, "{output}");
    let told = shop.wait_for_told(4).await.remove(3);
    assert_eq!(told.kind(), "sms.delivered");
    assert_eq!(
        (&told.event["data"]["id"], &told.event["data"]["status"]),
        (&sent.json["id"], &json!("delivered"))
    );
    wait_for_status(&peyk, "sent", 4).await;
    for call in shop.calls() {
        assert!(!String::from_utf8_lossy(&call.body).contains("Sentence-of-the-text"));
        assert!(call.header("user-agent").is_some_and(|agent| agent.starts_with("peyk/")));
        assert!(call.header("authorization").is_none());
    }
}

#[tokio::test]
async fn a_text_that_expires_is_told_of() {
    let (fake, shop) = tokio::join!(FakeKavenegar::start(), Receiver::start(SECRET));
    let mut peyk = peyk(&fake, &shop).workers(0).start().await;
    let key = key(&peyk).await;
    text(&peyk, &key, &fresh_mobile()).await;
    peyk.database.execute("UPDATE sms_messages SET expires_at = now()").await;
    peyk.start_worker().await;
    let told = shop.wait_for_told(1).await.remove(0);
    assert_eq!((told.kind(), &told.event["data"]["status"]), ("sms.failed", &json!("expired")));
}

#[tokio::test]
async fn while_secrets_change_receivers_with_either_of_them_can_check() {
    let (old, new) = tokio::join!(Receiver::start(SECRET), Receiver::start(NEXT_SECRET));
    let both = format!("{SECRET},{NEXT_SECRET}");
    let builder = endpoint(teller(&old), "NEW", &new.url());
    let peyk = builder
        .set("WEBHOOKS__ENDPOINTS__SHOP__SECRETS", &both)
        .set("WEBHOOKS__ENDPOINTS__NEW__SECRETS", &both)
        .start()
        .await;
    let mut tx = peyk.database.pool.begin().await.unwrap();
    outbox(&["shop", "new"]).emit(&mut tx, &[event("a", 1)]).await.unwrap();
    tx.commit().await.unwrap();
    let told = [old.wait_for_told(1).await, new.wait_for_told(1).await];
    assert_eq!(told[0], told[1], "one event has one handle and one body");
    let header = old.calls()[0].header("webhook-signature").unwrap().to_owned();
    let signatures: BTreeSet<_> = header.split(' ').collect();
    assert_eq!(signatures.len(), 2);
    assert!(signatures.iter().all(|signature| signature.starts_with("v1,")));
    // A receiver with another secret takes nothing.
    let stranger = Receiver::start("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    let peyk = teller(&stranger).start().await;
    emit(&peyk, &[event("a", 1)]).await;
    stranger.wait_for_calls(1).await;
    wait_for_status(&peyk, "queued", 1).await;
    assert!(stranger.told().is_empty());
}

#[tokio::test]
async fn an_endpoint_is_told_what_it_asked_for_and_the_rest_costs_nothing() {
    let (fake, shop) = tokio::join!(FakeKavenegar::start(), Receiver::start(SECRET));
    let builder = peyk(&fake, &shop).set("WEBHOOKS__ENDPOINTS__SHOP__EVENTS", "otp.*,sms.failed");
    let peyk = builder.start().await;
    let key = key(&peyk).await;
    assert_eq!(text(&peyk, &key, &fresh_mobile()).await.status, 200);
    assert_eq!(peyk.database.count(EVENTS).await, 0);
    assert_eq!(peyk.send_otp(&fresh_mobile()).await.status, 200);
    assert_eq!(shop.wait_for_told(1).await[0].kind(), "otp.sent");
    assert_eq!(peyk.database.count(EVENTS).await, 1);
}

#[tokio::test]
async fn what_is_rolled_back_is_never_told() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).start().await;
    let mut tx = peyk.database.pool.begin().await.unwrap();
    let ids = outbox(&["shop"]).emit(&mut tx, &[event("a", 1)]).await.unwrap();
    assert_eq!(ids.len(), 1);
    tx.rollback().await.unwrap();
    emit(&peyk, &[event("a", 2)]).await;
    shop.wait_for_told(1).await;
    assert_eq!(super::steps::numbers(&shop), ["a 2"]);
    assert_eq!(peyk.database.count(EVENTS).await, 1);
    // Nobody to tell: nothing is written.
    let mut connection = peyk.database.pool.acquire().await.unwrap();
    assert!(outbox(&[]).emit(&mut connection, &[event("a", 3)]).await.unwrap().is_empty());
    assert!(!outbox(&[]).wants(&Kind::ALL) && outbox(&["shop"]).wants(&[Kind::SmsSent]));
    assert_eq!(peyk.database.count(EVENTS).await, 1);
}

#[tokio::test]
async fn no_redirect_is_followed_and_who_is_gone_is_left_alone() {
    let (shop, other) = tokio::join!(Receiver::start(SECRET), Receiver::start(SECRET));
    let peyk = teller(&shop).start().await;
    let elsewhere = Behaviour::HttpStatus {
        status: 307,
        headers: vec![("Location", other.url())],
        body: String::new(),
    };
    shop.behave(elsewhere);
    emit(&peyk, &[event("a", 1)]).await;
    shop.wait_for_calls(1).await;
    assert_eq!(reason(&peyk).await, "queued http.307");
    assert!(other.calls().is_empty());
    peyk.database.execute("DELETE FROM webhook_events").await;
    shop.answer_with(410);
    emit(&peyk, &[event("a", 2)]).await;
    wait_for_status(&peyk, "failed", 1).await;
    assert_eq!(reason(&peyk).await, "failed http.410");
    peyk.database.execute("DELETE FROM webhook_events").await;
    shop.answer_with(204);
    // A long and slow answer is not read: its status says all.
    let body = " ".repeat(3_000_000);
    shop.behave(Behaviour::HttpStatus { status: 200, headers: Vec::new(), body });
    emit(&peyk, &[event("a", 3)]).await;
    wait_for_status(&peyk, "sent", 1).await;
}

#[tokio::test]
async fn who_asks_for_patience_is_left_in_peace_for_so_long() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).start().await;
    shop.behave(Behaviour::RateLimited { retry_after_secs: 1_000 });
    emit(&peyk, &[event("a", 1)]).await;
    shop.wait_for_calls(1).await;
    assert_eq!(reason(&peyk).await, "queued http.429");
    let waits = "SELECT count(*) FROM webhook_deliveries
                 WHERE next_attempt_at BETWEEN now() + interval '900 s' AND now() + interval '1000 s'";
    assert_eq!(peyk.database.count(waits).await, 1);
}

/// State and reason of the only delivery, once its attempt has ended.
async fn reason(peyk: &Peyk) -> String {
    peyk_tests::harness::wait_for("the end of an attempt", || async {
        let row = "SELECT status || ' ' || reason FROM webhook_deliveries";
        sqlx::query_scalar(row).fetch_one(&peyk.database.pool).await.unwrap()
    })
    .await
}
