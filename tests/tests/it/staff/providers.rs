//! SMS providers that staff let rest.

use peyk_tests::harness::{Peyk, fresh_mobile, wait_for};
use serde_json::{Value, json};

use super::queues::staff;
use crate::{
    login_steps::patient,
    people::{Person, column},
    provider_outages::metric,
};

async fn two() -> Peyk {
    patient()
        .set("SMS__PROVIDERS__A__KIND", "sandbox")
        .set("SMS__PROVIDERS__B__KIND", "sandbox")
        .set("SMS__ORDER", "a,b")
        .set("WORKER__SWEEP_MS", "100")
        .workers(2)
        .start()
        .await
}

async fn turn(peyk: &Peyk, by: &Person, name: &str, word: &str) {
    let path = format!("admin/providers/{name}/{word}/");
    let answer = by.post(peyk, &path, &json!({"reason": "too dear"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = if word == "pause" { "1" } else { "0" };
    for worker in &peyk.workers {
        let series = format!("peyk_provider_paused{{provider=\"{name}\"}}");
        wait_for("all workers to know", || async {
            (metric(peyk, worker, &series).await.as_deref() == Some(expected)).then_some(())
        })
        .await;
    }
}

/// Who carried a code to somebody.
async fn carrier(peyk: &Peyk, mobile: &str) -> String {
    let row = peyk.database.settled_message_to(mobile).await;
    assert_eq!(row.status, "sent", "{row:?}");
    row.provider.unwrap()
}

#[tokio::test]
async fn texts_go_past_a_provider_that_rests_and_wait_if_all_do() {
    let peyk = two().await;
    let admin = staff(&peyk, "admin").await;
    let send = async || {
        let mobile = fresh_mobile();
        peyk.send_otp_async(&mobile).await;
        mobile
    };
    assert_eq!(carrier(&peyk, &send().await).await, "a");
    turn(&peyk, &admin, "a", "pause").await;
    for _ in 0..5 {
        assert_eq!(carrier(&peyk, &send().await).await, "b");
    }
    turn(&peyk, &admin, "b", "pause").await;
    let waits = send().await;
    let page = admin.get(&peyk, "admin/providers/").await;
    assert_eq!(column(&page, "name"), ["a", "b"]);
    assert_eq!(column(&page, "state"), ["paused", "paused"]);
    assert_eq!(page.json["results"][0]["paused"]["reason"], "too dear");
    assert_eq!(page.json["results"][0]["paused"]["paused_by"], admin.id);
    turn(&peyk, &admin, "a", "pause").await;
    // Nobody was asked to carry it.
    let row = peyk.database.message_to(&waits).await.unwrap();
    assert_eq!((row.status.as_str(), peyk.database.history(row.id).await.len()), ("queued", 0));
    turn(&peyk, &admin, "b", "resume").await;
    assert_eq!(carrier(&peyk, &waits).await, "b");
    turn(&peyk, &admin, "a", "resume").await;
    assert_eq!(carrier(&peyk, &send().await).await, "a");
    let log = admin.get(&peyk, "admin/audit/?subject=provider").await;
    let expected = [
        "provider.resumed",
        "provider.resumed",
        "provider.listed",
        "provider.paused",
        "provider.paused",
    ];
    assert_eq!(column(&log, "action"), expected, "what changed nothing is no event");
}

#[tokio::test]
async fn an_only_provider_rests_too_and_unknown_ones_are_not_there() {
    let peyk = patient().set("WORKER__SWEEP_MS", "100").start().await;
    let admin = staff(&peyk, "admin").await;
    turn(&peyk, &admin, "sandbox", "pause").await;
    let mobile = fresh_mobile();
    assert_eq!(peyk.send_otp_async(&mobile).await.status, 202);
    let listed = admin.get(&peyk, "admin/providers/").await;
    assert_eq!(column(&listed, "state"), ["paused"]);
    assert_eq!(peyk.database.message_to(&mobile).await.unwrap().attempt, 0);
    turn(&peyk, &admin, "sandbox", "resume").await;
    assert_eq!(carrier(&peyk, &mobile).await, "sandbox");
    let reason = json!({"reason": "x"});
    assert_eq!(admin.post(&peyk, "admin/providers/nobody/pause/", &reason).await.status, 404);
}

/// What is counted by the hour is what is shown of it.
#[tokio::test]
async fn figures_are_those_that_were_counted_by_the_hour() {
    let peyk = two().await;
    let viewer = staff(&peyk, "viewer").await;
    let hours = "INSERT INTO sms_provider_hours (hour, provider, kind, sends, accepted, refused,
            put_off, unknown, took_ms, took, carried, verified, delivered, undelivered, cost_rials)
        SELECT date_trunc('hour', now(), 'UTC') - ago * interval '1 hour', 'b', kind, 100, 90, 5, 3,
            2, 9000, ARRAY[50, 60, 90, 95, 99, 100, 100, 100], 90, 45, 30, 10, 1000
        FROM (VALUES (0, 'otp'), (1, 'text'), (20, 'otp'), (30, 'otp')) h (ago, kind)";
    peyk.database.execute(hours).await;
    let page = viewer.get(&peyk, "admin/providers/").await;
    let b = &page.json["results"][1];
    assert_eq!(b["name"], "b");
    let hour = &b["last_hour"];
    let seen = ["sends", "accepted", "refused", "unknown", "verified_percent", "delivered_percent"]
        .map(|name| hour[name].as_i64().unwrap());
    assert_eq!(seen, [200, 180, 10, 4, 50, 75]);
    assert_eq!((&hour["p50_ms"], &hour["p95_ms"]), (&json!(100), &json!(1_000)));
    assert_eq!(b["last_day"]["sends"], 300);
    assert_eq!(page.json["results"][0]["last_day"]["p95_ms"], Value::Null);
}
