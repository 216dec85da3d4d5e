//! An api killed in the middle of a request with an `Idempotency-Key`: the repeat neither doubles
//! anything nor stays locked.

use std::time::Duration;

use peyk_tests::{
    fake::FakeKavenegar,
    harness::{Peyk, PeykBuilder, TestDatabase, fresh_mobile, wait_for},
};
use serde_json::{Value, json};

use crate::idempotency::{BULK, Caller, SEND, api_key, hello, post};

fn peyk(fake: &FakeKavenegar) -> PeykBuilder {
    let builder = Peyk::builder().kavenegar(&fake.url()).hasty(2_000);
    builder.set("HTTP__WAIT_MS", "500").set("HTTP__REQUEST_TIMEOUT_MS", "2000")
}

/// Sends a request whose answer will never come.
fn post_into_the_void(peyk: &Peyk, caller: Caller<'_>, path: &str, body: &Value) {
    let request = peyk.client().post(peyk.url(path)).json(body);
    let request = request.header("Idempotency-Key", caller.key);
    let request = request.header("X-API-Key", caller.api_key.unwrap());
    tokio::spawn(request.send());
}

/// Statements of the api that wait for a lock.
async fn waiting(database: &TestDatabase) -> i64 {
    database
        .count(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await
}

#[tokio::test]
async fn killed_before_the_commit_the_repeat_is_the_first() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake).start().await;
    let shop = api_key(&peyk).await;
    let caller = Caller { api_key: Some(&shop), key: "k" };
    let mobile = fresh_mobile();
    // The key is claimed, and the rest of its transaction waits.
    let mut lock = peyk.database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE sms_messages IN EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    post_into_the_void(&peyk, caller, SEND, &hello(&mobile));
    wait_for("the insert to wait", async || (waiting(&peyk.database).await > 0).then_some(()))
        .await;
    peyk.apis[0].kill().await;
    lock.rollback().await.unwrap();
    peyk.start_api().await;
    let repeat = wait_for("the repeat to be accepted", async || {
        let answer = post(&peyk, 1, caller, SEND, &hello(&mobile)).await;
        [200, 202].contains(&answer.status).then_some(answer)
    })
    .await;
    let again = post(&peyk, 1, caller, SEND, &hello(&mobile)).await;
    assert_eq!(again.json["id"], repeat.json["id"], "{again:?}");
    peyk.database.settled_message_to(&mobile).await;
    // Whether or not the dead process's last statement got through: there is one of it.
    assert_eq!(fake.effects_to(&mobile).len(), 1);
    assert_eq!(peyk.database.count("SELECT count(*) FROM sms_messages").await, 1);
}

#[tokio::test]
async fn killed_after_the_commit_the_repeat_is_told_of_the_first() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake).workers(0).start().await;
    let shop = api_key(&peyk).await;
    let caller = Caller { api_key: Some(&shop), key: "k" };
    let mobile = fresh_mobile();
    // It waits for an outcome nobody brings about.
    post_into_the_void(&peyk, caller, SEND, &hello(&mobile));
    let row = wait_for("the commit", async || peyk.database.message_to(&mobile).await).await;
    peyk.apis[0].kill().await;
    peyk.start_api().await;
    let repeat = post(&peyk, 1, caller, SEND, &hello(&mobile)).await;
    assert_eq!((repeat.status, &repeat.json["id"]), (202, &json!(row.id)), "{repeat:?}");
    peyk.start_worker().await;
    peyk.database.settled_message_to(&mobile).await;
    assert_eq!(fake.effects_to(&mobile).len(), 1);
}

#[tokio::test]
async fn a_bulk_killed_half_way_is_finished_by_its_repeat_and_doubles_nothing() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake).workers(0).start().await;
    let shop = api_key(&peyk).await;
    let caller = Caller { api_key: Some(&shop), key: "campaign" };
    let mobiles: Vec<_> = (0..700).map(|_| fresh_mobile()).collect();
    let body = json!({"mobile_numbers": mobiles, "message_text": "hi"});
    // The second of its three batches cannot be written: a row of it is locked by its number.
    let hold_up = "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF (SELECT count(*) FROM sms_messages) BETWEEN 256 AND 699 THEN
                 PERFORM pg_advisory_xact_lock(7);
             END IF;
             RETURN NULL; END $$;
         CREATE TRIGGER stop AFTER INSERT ON sms_messages FOR EACH STATEMENT
             WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION stop()";
    peyk.database.execute(hold_up).await;
    let mut lock = peyk.database.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(7)").execute(&mut *lock).await.unwrap();
    post_into_the_void(&peyk, caller, BULK, &body);
    let written = "SELECT count(*) FROM sms_messages";
    wait_for("a part of it", async || {
        let some = peyk.database.count(written).await > 0;
        (some && waiting(&peyk.database).await > 0).then_some(())
    })
    .await;
    peyk.apis[0].kill().await;
    peyk.database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await;
    lock.rollback().await.unwrap();
    peyk.database.execute("DROP FUNCTION stop CASCADE").await;
    let part = peyk.database.count(written).await;
    assert!((1..700).contains(&part), "{part}");
    peyk.start_api().await;
    let begun = std::time::Instant::now();
    let repeat = wait_for("the lease to end", async || {
        let answer = post(&peyk, 1, caller, BULK, &body).await;
        if answer.status == 409 {
            assert_eq!(answer.json["code"], "idempotency_in_flight");
            return None;
        }
        Some(answer)
    })
    .await;
    assert_eq!((repeat.status, &repeat.json["accepted"]), (202, &json!(700)), "{repeat:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "request_timeout_ms and two seconds");
    assert_eq!(peyk.database.count(written).await, 700);
    let bulks = "SELECT count(DISTINCT bulk_id) FROM sms_messages";
    assert_eq!(peyk.database.count(bulks).await, 1);
    let again = post(&peyk, 1, caller, BULK, &body).await;
    assert_eq!(again.json, repeat.json);
    peyk.start_worker().await;
    peyk.database.all_settled(peyk_tests::harness::PATIENCE).await;
    assert!(mobiles.iter().all(|mobile| fake.effects_to(mobile).len() == 1));
}
