//! Quiet hours: texts to many wait for their end, everything else does not.

use chrono::{DateTime, TimeDelta, Utc};
use peyk_tests::{
    fake::FakeKavenegar,
    harness::{Answer, Peyk, PeykBuilder, fresh_mobile, wait_for},
};
use serde_json::json;
use shared::{
    clock::{Clock, SystemClock},
    jobs::Queue,
    queue::QueueServer,
};

use crate::bulk_steps::{key, peyk, post, send_bulk};

/// Quiet from an hour ago until in an hour, and when that is.
fn in_quiet_hours(builder: PeykBuilder) -> (PeykBuilder, DateTime<Utc>) {
    let now = SystemClock.now();
    let ends = now + TimeDelta::hours(1);
    let time = |at: DateTime<Utc>| at.format("%H:%M").to_string();
    let builder = builder
        .set("SMS__QUIET_HOURS__FROM", time(now - TimeDelta::hours(1)))
        .set("SMS__QUIET_HOURS__TO", time(ends))
        .set("SMS__QUIET_HOURS__ZONE", "UTC");
    (builder, ends)
}

/// Minutes from the database's now until the only text to many is due, and it lives beyond that.
async fn due_in_minutes(peyk: &Peyk) -> i64 {
    let minutes = "SELECT (extract(epoch FROM next_attempt_at - now()) / 60)::bigint
        FROM sms_messages
        WHERE kind = 'bulk' AND status = 'queued' AND expires_at > next_attempt_at";
    peyk.database.count(minutes).await
}

#[tokio::test]
async fn a_bulk_waits_for_the_end_of_quiet_hours_and_codes_and_single_texts_do_not() {
    let fake = FakeKavenegar::start().await;
    let (builder, ends) = in_quiet_hours(peyk(&fake, 5_000));
    let peyk = builder.start().await;
    let key = key(&peyk).await;
    let (answer, _) = send_bulk(&peyk, &key, 1).await;
    let told = answer.json["send_at"].as_str().unwrap();
    let told = DateTime::parse_from_rfc3339(told).unwrap().to_utc();
    let late = told - ends;
    // The end is a whole minute, and texts are spread over five more.
    assert!((TimeDelta::minutes(-1)..TimeDelta::minutes(6)).contains(&late), "{late}");
    let due = due_in_minutes(&peyk).await;
    assert!((58..=66).contains(&due), "{due}");
    let (code, single) = (fresh_mobile(), fresh_mobile());
    assert_eq!(peyk.send_otp(&code).await.status, 200);
    let body = json!({"mobile_number": single, "message_text": "ready"});
    assert_eq!(post(&peyk, &key, "/api/message/send/", &body).await.status, 200);
    assert_eq!(fake.effects().len(), 2);
    // Asked for at a time that is not quiet: then, be it in the middle of the night elsewhere.
    let at = SystemClock.now() + TimeDelta::hours(3);
    let body = json!({"mobile_numbers": [fresh_mobile()], "message_text": "sale",
                      "send_at": at.to_rfc3339()});
    let answer = post(&peyk, &key, "/api/message/bulk/", &body).await;
    let told = DateTime::parse_from_rfc3339(answer.json["send_at"].as_str().unwrap()).unwrap();
    assert!((told.to_utc() - at).abs() < TimeDelta::milliseconds(1), "{told}");
}

#[tokio::test]
async fn a_text_that_is_late_slips_to_their_end_and_does_not_expire_in_them() {
    let fake = FakeKavenegar::start().await;
    let (builder, _) = in_quiet_hours(peyk(&fake, 5_000));
    let mut peyk = builder.workers(0).start().await;
    let key = key(&peyk).await;
    send_bulk(&peyk, &key, 1).await;
    // As if it had been due before, with its life ending meanwhile.
    let late = "UPDATE sms_messages SET next_attempt_at = now() - interval '30 minutes',
        expires_at = now() - interval '1 minute'";
    peyk.database.execute(late).await;
    peyk.start_worker().await;
    wait_for("the text to slip", || async {
        let due = "SELECT count(*) FROM sms_messages WHERE next_attempt_at <= now()";
        (peyk.database.count(due).await == 0).then_some(())
    })
    .await;
    let due = due_in_minutes(&peyk).await;
    assert!((58..=66).contains(&due), "{due}");
    // What had expired before they began has.
    let dead = "UPDATE sms_messages SET next_attempt_at = now() - interval '30 minutes',
        expires_at = now() - interval '2 hours'";
    peyk.database.execute(dead).await;
    wait_for("its end", || async {
        let expired = "SELECT count(*) FROM sms_messages WHERE status = 'expired'";
        (peyk.database.count(expired).await == 1).then_some(())
    })
    .await;
    assert!(fake.calls().is_empty());
}

/// Puts the ids of a bulk into Redis, as if they had been due before.
async fn push(peyk: &Peyk, answer: &Answer) {
    let list = QueueServer::new(&shared::config::Redis::default()).key(Queue::Bulk);
    let ids = answer.json["results"].as_array().unwrap().iter().map(|result| &result["id"]);
    let ids: Vec<_> = ids.map(|id| id.as_i64().unwrap()).collect();
    let mut connection = peyk.redis.connection().await;
    redis::cmd("RPUSH").arg(list).arg(ids).exec_async(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_backlog_that_meets_quiet_hours_is_not_touched_before_it_is_put_off() {
    let fake = FakeKavenegar::start().await;
    let (builder, _) = in_quiet_hours(peyk(&fake, 5_000));
    // The sweep, which puts it off, comes once a minute; its first one finds nothing.
    let peyk = builder.set("WORKER__SWEEP_MS", "60000").start().await;
    let key = key(&peyk).await;
    let (answer, _) = send_bulk(&peyk, &key, 40).await;
    peyk.database.execute("UPDATE sms_messages SET next_attempt_at = now()").await;
    // What is written gets another transaction's number.
    let written = "SELECT max(xmin::text::bigint) + count(DISTINCT xmin::text) FROM sms_messages";
    let before = peyk.database.count(written).await;
    push(&peyk, &answer).await;
    wait_for("the jobs to end", async || {
        let ended = peyk.worker_metric("peyk_job_seconds_count{queue=\"bulk\"}").await?;
        (ended.parse::<u32>().ok()? >= 40).then_some(())
    })
    .await;
    assert_eq!(peyk.database.count(written).await, before, "rows were written");
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn in_quiet_hours_no_part_of_a_backlog_is_handed_out() {
    let fake = FakeKavenegar::start().await;
    let (builder, _) = in_quiet_hours(peyk(&fake, 5_000));
    let mut peyk = builder.workers(0).start().await;
    // More than one sweep puts off.
    let backlog = "INSERT INTO sms_messages
            (kind, phone, local_id, body, created_at, expires_at, next_attempt_at)
        SELECT 'bulk', '+989120000000', nth, 'sale', now(), now() + interval '1 day', now()
        FROM generate_series(1, 12000) nth";
    peyk.database.execute(backlog).await;
    peyk.start_worker().await;
    wait_for("it to be put off", async || {
        let due = "SELECT count(*) FROM sms_messages WHERE next_attempt_at <= now()";
        (peyk.database.count(due).await == 0).then_some(())
    })
    .await;
    let swept = async |found: &str| {
        let series = format!("peyk_swept_rows_total{{found=\"{found}\"}}");
        peyk.worker_metric(&series).await.map_or(0, |rows| rows.parse::<u32>().unwrap())
    };
    assert_eq!((swept("quiet_hours").await, swept("due").await), (12_000, 0));
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn a_text_in_doubt_is_asked_about_in_quiet_hours_and_then_waits() {
    let fake = FakeKavenegar::start().await;
    let (builder, _) = in_quiet_hours(peyk(&fake, 5_000));
    let mut peyk = builder.workers(0).start().await;
    let key = key(&peyk).await;
    let (_, mobiles) = send_bulk(&peyk, &key, 1).await;
    // As if a call had ended without an answer just before they began.
    let in_doubt = "WITH m AS (
            UPDATE sms_messages SET status = 'unknown', attempt = 1, next_attempt_at = now()
            RETURNING id)
        INSERT INTO sms_attempts (message_id, attempt, provider, action, finished_at, outcome)
        SELECT id, 1, 'kavenegar', 'send', now(), 'unknown' FROM m";
    peyk.database.execute(in_doubt).await;
    peyk.start_worker().await;
    let row = wait_for("the answer", async || {
        let row = peyk.database.message_to(&mobiles[0]).await?;
        (row.status == "queued" && row.due_in? > 60.0).then_some(row)
    })
    .await;
    let history = peyk.database.history(row.id).await;
    assert_eq!(history, ["kavenegar send unknown", "kavenegar lookup not_found"]);
    assert!(fake.effects().is_empty());
}
