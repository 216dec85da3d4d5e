//! What is learnt about providers: counted from the rows of texts, as often as one likes.

use chrono::{DateTime, TimeDelta, Utc};
use peyk_tests::harness::{Peyk, TestDatabase, fresh_mobile};
use serde_json::{Value, json};
use shared::sms::learning::{Counting, SLICE_CALLS};

use super::{
    cron::cron,
    login_steps::{log_in, patient, send},
};

/// Texts and calls of one full hour, two hours ago, and of the hour before it.
///
/// `a` took codes 1 to 3 (used after 10 s, after 61 s, never) in 80, 80 and 300 ms, was silent about
/// 4 (which `b` then took, used after 5 s) and refused text 5. `b` took text 6 and, an hour earlier, 7.
const TEXTS: &str = "
    INSERT INTO sms_messages (kind, phone, local_id, status, created_at, expires_at, settled_at,
        provider, body, price_rials, delivery, verified_at)
    SELECT kind, '+989123456789', n, status, h, h, h, provider, body, price, delivery,
        h + used * interval '1 second'
    FROM date_trunc('hour', now()) AS now_hour, LATERAL (SELECT now_hour - interval '2 hours') t(h),
        (VALUES (1, 'otp', 'sent', 'a', NULL, NULL::bigint, 'delivered', 10),
                (2, 'otp', 'sent', 'a', NULL, NULL, 'undelivered', 61),
                (3, 'otp', 'sent', 'a', NULL, NULL, NULL, NULL),
                (4, 'otp', 'sent', 'b', NULL, NULL, 'delivered', 5),
                (5, 'text', 'failed', NULL, 'x', 900, NULL, NULL),
                (6, 'text', 'sent', 'b', 'x', 900, 'delivered', NULL),
                (7, 'text', 'sent', 'b', 'x', 900, NULL, NULL))
        AS v(n, kind, status, provider, body, price, delivery, used);
    INSERT INTO sms_attempts (message_id, attempt, provider, action, started_at, finished_at, outcome)
    SELECT m.id, v.attempt, v.provider, action, h - ms * interval '1 ms' + shift, h + shift, outcome
    FROM sms_messages m,
        LATERAL (SELECT date_trunc('hour', now()) - interval '2 hours' + interval '500 ms') t(h),
        (VALUES (1, 1, 'a', 'send', 80, 'accepted'), (2, 1, 'a', 'send', 80, 'accepted'),
                (3, 1, 'a', 'send', 300, 'accepted'), (4, 1, 'a', 'send', 400, 'unknown'),
                (4, 2, 'a', 'lookup', 50, 'unsupported'), (4, 3, 'b', 'send', 90, 'accepted'),
                (5, 1, 'a', 'send', 70, 'rejected_request'), (6, 1, 'b', 'send', 60, 'accepted'),
                (7, 1, 'b', 'send', 60, 'accepted'))
        AS v(message, attempt, provider, action, ms, outcome),
        LATERAL (SELECT CASE WHEN message = 7 THEN interval '-1 hour' ELSE '0' END) s(shift)
    WHERE m.local_id = v.message";

const HOURS: &str = "
    SELECT concat_ws(' ', extract(epoch FROM date_trunc('hour', now()) - hour)::int / 3600, provider,
        kind, sends, accepted, refused, put_off, unknown, '|', took_ms, took[1], took[2], took[8],
        '|', carried, verified, delivered, undelivered, cost_rials)
    FROM sms_provider_hours ORDER BY hour, provider, kind";

async fn hours(database: &TestDatabase) -> Vec<String> {
    sqlx::query_scalar(HOURS).fetch_all(&database.pool).await.unwrap()
}

async fn count(peyk: &Peyk) {
    cron(peyk, &["run", "count-provider-hours"]).await;
}

#[tokio::test]
async fn hours_are_counted_from_calls_and_texts_and_again_when_these_change() {
    let peyk = Peyk::builder().apis(0).workers(0).set("SMS__PRICE_RIALS", "100").start().await;
    peyk.database.execute(TEXTS).await;
    count(&peyk).await;
    let expected = [
        "3 b text 1 1 0 0 0 | 60 1 1 1 | 1 0 0 0 900",
        "2 a otp 4 3 0 0 1 | 860 2 2 4 | 3 1 1 1 300",
        "2 a text 1 0 1 0 0 | 70 1 1 1 | 0 0 0 0 0",
        "2 b otp 1 1 0 0 0 | 90 1 1 1 | 1 1 1 0 100",
        "2 b text 1 1 0 0 0 | 60 1 1 1 | 1 0 1 0 900",
    ];
    assert_eq!(hours(&peyk.database).await, expected);
    count(&peyk).await;
    assert_eq!(hours(&peyk.database).await, expected, "counting twice counts nothing twice");
    // What was counted last is counted again whenever that was; reports may have come.
    peyk.database
        .execute("UPDATE sms_messages SET delivery = 'delivered' WHERE local_id = 3")
        .await;
    count(&peyk).await;
    assert_eq!(hours(&peyk.database).await[1], "2 a otp 4 3 0 0 1 | 860 2 2 4 | 3 1 2 1 300");
}

#[tokio::test]
async fn a_code_that_is_used_within_a_minute_counts_for_the_text_that_brought_it() {
    let peyk = patient().set("OTP__RESEND_AFTER_SECONDS", "1").start().await;
    log_in(&peyk, &fresh_mobile()).await;
    send(&peyk, &fresh_mobile()).await;
    // Asked for twice: the second text is the one that brought it.
    let twice = fresh_mobile();
    send(&peyk, &twice).await;
    peyk.database
        .execute("UPDATE otp_codes SET last_sent_at = last_sent_at - interval '2 seconds'")
        .await;
    log_in(&peyk, &twice).await;
    let used = "SELECT string_agg((verified_at IS NOT NULL)::int::text, '' ORDER BY id)
        FROM sms_messages";
    let used: String = sqlx::query_scalar(used).fetch_one(&peyk.database.pool).await.unwrap();
    assert_eq!(used, "1001");

    count(&peyk).await;
    let figures = providers(&peyk).await;
    for period in ["last_hour", "last_day"] {
        let seen = &figures[0][period];
        assert_eq!(seen["sends_by_kind"], json!({"otp": 4}), "{figures}");
        assert_eq!(
            (&seen["codes_carried"], &seen["codes_used_within_60_s"]),
            (&json!(4), &json!(2))
        );
        assert_eq!((&seen["accepted"], &seen["refused"]), (&json!(4), &json!(0)));
    }
    let (_, text) = peyk.run("worker", &["providers"]).await;
    assert!(text.starts_with("sandbox (kind sandbox, 1 of 1)\n  state: ok\n"), "{text}");
    let day = text.lines().find(|line| line.trim_start().starts_with("last day")).unwrap();
    let words: Vec<_> = day.split_whitespace().collect();
    assert_eq!(words[2..9], ["4", "100", "%", "0", "%", "0", "%"], "{text}");
    assert!(day.contains(" 50 % "), "{text}");

    // A minute later it is too late to have been the text that brought it.
    peyk.database
        .execute("UPDATE sms_messages SET verified_at = verified_at + interval '61 seconds'")
        .await;
    count(&peyk).await;
    let figures = providers(&peyk).await;
    assert_eq!(figures[0]["last_day"]["codes_used_within_60_s"], 0, "{figures}");
}

async fn providers(peyk: &Peyk) -> Value {
    let (ok, output) = peyk.run("worker", &["providers", "--json"]).await;
    assert!(ok, "{output}");
    serde_json::from_str::<Value>(&output).unwrap()["providers"].take()
}

#[tokio::test]
async fn where_nobody_was_ever_called_there_is_nothing_to_count() {
    let peyk = Peyk::builder().apis(0).workers(0).start().await;
    count(&peyk).await;
    assert_eq!(hours(&peyk.database).await, [""; 0]);
    assert_eq!(providers(&peyk).await[0]["last_day"]["sends"], 0);
}

#[tokio::test]
async fn the_last_day_is_told_before_anybody_counted() {
    let peyk = Peyk::builder().apis(0).workers(0).set("SMS__PROVIDERS__A__KIND", "sandbox");
    let peyk = peyk.set("SMS__PROVIDERS__B__KIND", "sandbox").start().await;
    peyk.database.execute(TEXTS).await;
    let sends = async || {
        let figures = providers(&peyk).await;
        let of = |at: usize| figures[at]["last_day"]["sends_by_kind"].clone();
        [of(0), of(1)]
    };
    let expected = [json!({"otp": 4, "text": 1}), json!({"otp": 1, "text": 2})];
    assert_eq!(sends().await, expected);
    assert_eq!(hours(&peyk.database).await, [""; 0], "it wrote nothing");
    count(&peyk).await;
    assert_eq!(sends().await, expected, "what was counted is not counted again");
    // Of the hour under way not everything was counted yet.
    peyk.database
        .execute(
            "INSERT INTO sms_attempts (message_id, attempt, provider, action, outcome)
             SELECT id, 9, 'a', 'send', 'unknown' FROM sms_messages WHERE local_id = 5",
        )
        .await;
    count(&peyk).await;
    peyk.database
        .execute(
            "INSERT INTO sms_attempts (message_id, attempt, provider, action, outcome)
             SELECT id, 10, 'a', 'send', 'unknown' FROM sms_messages WHERE local_id = 5",
        )
        .await;
    assert_eq!(sends().await[0], json!({"otp": 4, "text": 3}));
}

#[tokio::test]
async fn an_hour_is_counted_in_slices_of_bounded_size() {
    let database = TestDatabase::create().await;
    // Calls a tenth of a second apart, and at the end many of one moment.
    let calls = "
        INSERT INTO sms_messages (kind, phone, local_id, created_at, expires_at)
        SELECT 'otp', '+989123456789', n, now(), now() FROM generate_series(1, 49000) n;
        INSERT INTO sms_attempts (message_id, attempt, provider, action, started_at, finished_at,
            outcome)
        SELECT id, 1, 'a', 'send', at, at + interval '80 ms', 'accepted'
        FROM sms_messages, LATERAL (SELECT date_trunc('hour', now()) - interval '2 hours'
            + least(local_id, 25000) * interval '100 ms') t(at)";
    database.execute(calls).await;
    let hour = "SELECT date_trunc('hour', now()) - interval '2 hours'";
    let hour: DateTime<Utc> = sqlx::query_scalar(hour).fetch_one(&database.pool).await.unwrap();
    let mut counting = Counting::of((hour, hour + TimeDelta::hours(1)), 0);
    let mut slices = Vec::new();
    let mut before = 0;
    while counting.step(&database.pool).await.unwrap() {
        let calls = counting.calls();
        slices.push(calls - before);
        before = calls;
    }
    // What began at one moment is not taken apart; nothing is left behind it.
    assert_eq!(slices, [SLICE_CALLS, 4_999, 24_001, 0]);
    let [hour] = &counting.into_hours()[..] else { panic!("one provider, kind and hour") };
    let figures = &hour.figures;
    assert_eq!((figures.sends, figures.accepted, figures.took_ms), (49_000, 49_000, 3_920_000));
    assert_eq!(figures.took, [49_000; 8]);
}

#[tokio::test]
async fn hours_are_kept_for_four_hundred_days() {
    let peyk = Peyk::builder().apis(0).workers(0).start().await;
    peyk.database
        .execute(
            "INSERT INTO sms_provider_hours (hour, provider, kind, sends, accepted, refused, put_off,
                 unknown, took_ms, took, carried, verified, delivered, undelivered, cost_rials)
             SELECT now() - n * interval '1 hour', 'a', 'otp', 0, 0, 0, 0, 0, 0, '{}', 0, 0, 0, 0, 0
             FROM generate_series(400 * 24 - 2, 400 * 24 + 1500) n",
        )
        .await;
    let old = "SELECT count(*) FROM sms_provider_hours WHERE hour < now() - interval '400 days'";
    let doomed = peyk.database.count(old).await;
    assert!(doomed > 1_499);
    let output = cron(&peyk, &["run", "purge-provider-hours", "--dry-run"]).await;
    assert_eq!(output.trim(), format!("purge-provider-hours: would delete {doomed} rows"));
    cron(&peyk, &["run", "purge-provider-hours"]).await;
    assert_eq!(peyk.database.count(old).await, 0);
    assert_eq!(
        peyk.database.count("SELECT count(*) FROM sms_provider_hours").await,
        3 - (doomed - 1_500)
    );
}
