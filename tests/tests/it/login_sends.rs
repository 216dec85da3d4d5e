//! Sending codes: the answer, the waiting, sending again, the cool-down.

use std::time::{Duration, Instant};

use peyk_tests::{
    aging::{age_code_to, pass_seconds},
    fake::{Behaviour, FakeKavenegar},
    harness::{Answer, Peyk, fresh_mobile, wait_for, wait_within},
};
use serde_json::json;

use crate::login_steps::{count, header, log_in, patient, send, text};

/// `wait_ms` of Peyks that are not to wait for long.
const SHORT: Duration = Duration::from_millis(300);
/// Ten seconds in which a pushed id is trusted to arrive, a sweep, and room for a busy machine.
const SENT_WITHOUT_REDIS: Duration = Duration::from_mins(1);

fn assert_accepted(answer: &Answer) {
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json["details"], "The OTP code is on its way.");
    let location = header(answer, "location").unwrap();
    assert_eq!(answer.json["status_url"], location);
    let path = format!("/api/otp/{}/", text(answer, "request_id"));
    assert_eq!(location, format!("http://127.0.0.1:8080{path}"), "http.public_url and the path");
}

fn assert_cool_down(answer: &Answer, seconds: std::ops::RangeInclusive<u32>) {
    assert_eq!(answer.status, 409, "{answer:?}");
    let wait: u32 = header(answer, "retry-after").unwrap().parse().unwrap();
    assert!(seconds.contains(&wait), "{wait} s");
    assert_eq!(
        (&answer.json["code"], &answer.json["retry_after"]),
        (&json!("otp_cooldown"), &json!(wait))
    );
    let sentence = format!(
        "An OTP code has already been sent. Please wait {wait} seconds before trying again."
    );
    assert_eq!(text(answer, "details"), sentence);
}

#[tokio::test]
async fn who_prefers_not_to_wait_is_told_where_to_ask() {
    let peyk = patient().workers(0).start().await;
    for prefer in ["respond-async", "wait=10, Respond-Async", "respond-async; foo=bar"] {
        let request = peyk.client().post(peyk.url("/api/otp/send/")).header("Prefer", prefer);
        let begun = Instant::now();
        let sent = peyk.send(request.json(&json!({"mobile_number": fresh_mobile()}))).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "answered at once");
        assert_accepted(&sent);
        assert_eq!(sent.json["status"], "queued");
    }
}

#[tokio::test]
async fn without_a_worker_a_send_is_accepted_and_delivered_once_later() {
    let short = SHORT.as_millis().to_string();
    let mut peyk = Peyk::builder().set("HTTP__WAIT_MS", short).workers(0).start().await;
    let begun = Instant::now();
    let sent = peyk.send_otp(&fresh_mobile()).await;
    assert!(begun.elapsed() >= SHORT, "it waited for a worker");
    assert_accepted(&sent);
    assert_eq!(sent.json["status"], "queued");
    peyk.start_worker().await;
    peyk.wait_for_status(&text(&sent, "request_id"), &["sent"]).await;
    assert_eq!(count(&peyk, "SELECT count(*) FROM sms_attempts").await, 1);
}

#[tokio::test]
async fn without_redis_sends_are_accepted_at_once_and_logins_work() {
    let mut peyk = patient().start().await;
    let (mobile, other) = (fresh_mobile(), fresh_mobile());
    let (request_id, code) = send(&peyk, &mobile).await;
    peyk.redis.kill();
    wait_for("the api to notice", || async {
        (peyk.get("/readyz").await.json["redis"] == false).then_some(())
    })
    .await;
    let begun = Instant::now();
    let sent = peyk.send_otp(&other).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "at once, not after http.wait_ms");
    assert_accepted(&sent);
    assert_eq!(sent.json["status"], "queued");
    let login = peyk.authenticate(&mobile, &code, Some(&request_id)).await;
    assert_eq!(login.status, 200, "{login:?}");
    // The sweep finds it once it is not trusted to be in the queue any more, and hands it in.
    let url = format!("/api/otp/{}/", text(&sent, "request_id"));
    wait_within(SENT_WITHOUT_REDIS, "the text to be sent", || async {
        (peyk.get(&url).await.json["status"] == "sent").then_some(())
    })
    .await;
    let code = peyk.sandbox_code(&other).await;
    assert_eq!(peyk.authenticate(&other, &code, None).await.status, 200);
}

#[tokio::test]
async fn sending_again_repeats_the_code_while_it_lives() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (first_request, code) = send(&peyk, &mobile).await;
    assert_cool_down(&peyk.send_otp(&mobile).await, 1..=60);
    for round in 1..=3 {
        age_code_to(&peyk.database.pool, &mobile, 61 * round).await;
        let (request, again) = send(&peyk, &mobile).await;
        assert_eq!(again, code, "round {round}");
        assert_ne!(request, first_request);
    }
    // Every handle of this code opens it.
    assert_eq!(peyk.authenticate(&mobile, &code, Some(&first_request)).await.status, 200);
}

#[tokio::test]
async fn a_code_with_little_life_left_is_extended_once() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    age_code_to(&peyk.database.pool, &mobile, 121).await;
    let extended = peyk.send_otp(&mobile).await;
    assert_eq!((extended.status, &extended.json["expires_in"]), (200, &json!(240)));
    age_code_to(&peyk.database.pool, &mobile, 121 + 130).await;
    let again = peyk.send_otp(&mobile).await;
    let left = again.json["expires_in"].as_i64().unwrap();
    assert!((100..=115).contains(&left), "not extended a second time: {left}");
    assert_eq!(peyk.sandbox_code(&mobile).await, code);
    // It is 251 s old, and good.
    assert_eq!(peyk.authenticate(&mobile, &code, None).await.status, 200);
}

#[tokio::test]
async fn a_code_with_much_life_left_is_not_extended_and_none_lives_past_ten_minutes() {
    let peyk = patient().set("OTP__TTL_SECONDS", "600").start().await;
    let mobile = fresh_mobile();
    send(&peyk, &mobile).await;
    for (age, left) in [(200, 380..=400), (400, 180..=200), (590, 1..=10)] {
        age_code_to(&peyk.database.pool, &mobile, age).await;
        let again = peyk.send_otp(&mobile).await;
        let expires_in = again.json["expires_in"].as_i64().unwrap();
        assert!(left.contains(&expires_in), "{age} s old: {expires_in}");
    }
}

#[tokio::test]
async fn an_expired_code_is_replaced() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (_, old) = send(&peyk, &mobile).await;
    age_code_to(&peyk.database.pool, &mobile, 240).await;
    let (_, new) = send(&peyk, &mobile).await;
    assert_ne!(new, old);
    assert_eq!(peyk.authenticate(&mobile, &old, None).await.status, 401);
    assert_eq!(peyk.authenticate(&mobile, &new, None).await.status, 200);
}

#[tokio::test]
async fn a_used_code_starts_no_cool_down_and_is_replaced() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (_, old) = send(&peyk, &mobile).await;
    assert_eq!(peyk.authenticate(&mobile, &old, None).await.status, 200);
    let (_, new) = send(&peyk, &mobile).await;
    assert_ne!(new, old);
}

#[tokio::test]
async fn until_expiry_the_cool_down_lasts_as_long_as_the_code() {
    let peyk = patient().set("OTP__COOLDOWN", "until_expiry").start().await;
    let mobile = fresh_mobile();
    let sent = peyk.send_otp(&mobile).await;
    assert_eq!((&sent.json["expires_in"], &sent.json["resend_after"]), (&json!(240), &json!(240)));
    age_code_to(&peyk.database.pool, &mobile, 200).await;
    assert_cool_down(&peyk.send_otp(&mobile).await, 1..=40);
    age_code_to(&peyk.database.pool, &mobile, 240).await;
    assert_eq!(peyk.send_otp(&mobile).await.status, 200);
}

#[tokio::test]
async fn parallel_sends_to_one_number_make_one_text() {
    let provider = FakeKavenegar::start().await;
    let limits = "LIMITS__OTP_SEND_PER_TARGET";
    let peyk = patient().set(limits, "100/1h").kavenegar(&provider.url()).apis(2).start().await;
    let mobile = fresh_mobile();
    let sends = (0..20).map(|at| {
        let url = format!("{}/api/otp/send/", peyk.urls[at % 2]);
        peyk.send(peyk.client().post(url).json(&json!({"mobile_number": mobile})))
    });
    let answers = futures_util::future::join_all(sends).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[409; 19][..]));
    assert_eq!(provider.effects_to(&mobile).len(), 1);
}

#[tokio::test]
async fn a_failed_send_says_so_and_starts_no_cool_down() {
    let provider = FakeKavenegar::start().await;
    let peyk = patient().kavenegar(&provider.url()).start().await;
    let mobile = fresh_mobile();
    provider.behave_to(&mobile, Behaviour::Error(411));
    let failed = peyk.send_otp(&mobile).await;
    assert_eq!((failed.status, text(&failed, "code")), (502, "provider_rejected".to_owned()));
    let sentence = "The SMS service provider was unable to process the request.";
    assert_eq!(text(&failed, "details"), sentence);
    assert_eq!(count(&peyk, "SELECT count(*) FROM sms_messages WHERE status = 'failed'").await, 1);
    let again = peyk.send_otp(&mobile).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_cool_down(&peyk.send_otp(&mobile).await, 1..=60);
    assert_eq!(provider.effects_to(&mobile).len(), 1);
}

#[tokio::test]
async fn the_status_of_a_failed_send_is_failed_and_invites_another() {
    let provider = FakeKavenegar::start().await;
    let peyk = patient().kavenegar(&provider.url()).start().await;
    let mobile = fresh_mobile();
    provider.behave_to(&mobile, Behaviour::Error(411));
    let sent = peyk.send_otp_async(&mobile).await;
    peyk.wait_for_status(&text(&sent, "request_id"), &["failed"]).await;
    let status = peyk.get(&format!("/api/otp/{}/", text(&sent, "request_id"))).await;
    assert_eq!(status.json["resend_after"], 0);
    assert_eq!(peyk.send_otp(&mobile).await.status, 200);
}

#[tokio::test]
async fn a_number_gets_so_many_texts_a_day() {
    let peyk = patient()
        .set("OTP__RESEND_AFTER_SECONDS", "0")
        .set("OTP__DAILY_SENDS_PER_TARGET", "3")
        .start()
        .await;
    let mobile = fresh_mobile();
    // The day may change between the first and the last statement: then it is done once more.
    for _ in 0..2 {
        let begun = today(&peyk).await;
        // A login between the sends changes nothing.
        log_in(&peyk, &mobile).await;
        send(&peyk, &mobile).await;
        send(&peyk, &mobile).await;
        let refused = peyk.send_otp(&mobile).await;
        if today(&peyk).await != begun {
            continue;
        }
        let code = text(&refused, "code");
        assert_eq!((refused.status, code.as_str()), (429, "daily_number_limit"));
        let wait: u32 = header(&refused, "retry-after").unwrap().parse().unwrap();
        assert!((1..=86_400).contains(&wait), "{wait}");
        assert_eq!(peyk.send_otp(&fresh_mobile()).await.status, 200, "others are not concerned");
        let yesterday = sqlx::query("UPDATE otp_codes SET day = day - 1");
        yesterday.execute(&peyk.database.pool).await.unwrap();
        pass_seconds(&peyk.database.pool, &mobile, 1).await;
        assert_eq!(peyk.send_otp(&mobile).await.status, 200, "a new day");
        return;
    }
    panic!("midnight came twice");
}

async fn today(peyk: &Peyk) -> i64 {
    count(peyk, "SELECT (now() AT TIME ZONE 'UTC')::date - date '2000-01-01'::date + 0::bigint")
        .await
}

#[tokio::test]
async fn a_number_that_somebody_holds_keeps_nobody_else_waiting() {
    let peyk = Peyk::builder().workers(0).apis(2).start().await;
    let held = fresh_mobile();
    assert_eq!(peyk.send_otp_async(&held).await.status, 202);
    let mut holder = peyk.database.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM otp_codes FOR UPDATE").execute(&mut *holder).await.unwrap();
    let blocked = peyk.send_otp_async(&held);
    let others = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..40 {
            let begun = Instant::now();
            assert_eq!(peyk.send_otp_async(&fresh_mobile()).await.status, 202);
            slowest = slowest.max(begun.elapsed());
        }
        holder.rollback().await.unwrap();
        slowest
    };
    let (blocked, slowest) = tokio::join!(blocked, others);
    assert!(slowest < Duration::from_millis(800), "{slowest:?}");
    assert!([409, 503].contains(&blocked.status), "{blocked:?}");
}
