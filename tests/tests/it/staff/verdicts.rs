//! "Why does no code come?": the answer to each, after it really happened.

use peyk_tests::{
    aging::pass_seconds,
    fake::{Behaviour, FakeKavenegar},
    harness::{Peyk, fresh_mobile, wait_for},
};
use serde_json::json;

use super::timeline_steps::{
    received, sent_while, staff_through, timeline, wait_for_items, wait_for_verdict,
};
use crate::{
    guard::only,
    login_steps::{patient, send, wrong},
    people::Person,
};

async fn viewer(peyk: &Peyk) -> Person {
    let viewer = Person::new(peyk).await;
    viewer.join_staff(peyk, "viewer").await;
    viewer
}

#[tokio::test]
async fn what_became_of_the_code_at_the_providers_is_the_answer() {
    let fake = FakeKavenegar::start().await;
    let peyk = Peyk::builder().kavenegar(&fake.url()).hasty(900).set("HTTP__WAIT_MS", "8000");
    let peyk = peyk.start().await;
    let viewer = staff_through(&peyk, &fake, "viewer").await;
    let nobody = timeline(&peyk, &viewer, &fresh_mobile()).await;
    assert_eq!(nobody.json["answer"]["verdict"], "never_asked");
    assert_eq!(nobody.json["results"], json!([]));

    let refused = sent_while(&peyk, &fake, Behaviour::Error(411)).await;
    let page = wait_for_verdict(&peyk, &viewer, &refused, "provider_refused").await;
    let answer = &page.json["answer"];
    assert_eq!(answer["params"]["code"], "kavenegar.411", "{answer}");
    assert!(answer["text"].as_str().unwrap().contains("kavenegar, kavenegar.411"), "{answer}");
    assert!(answer["advice"].is_string() && answer["message_id"].is_i64(), "{answer}");

    let silent = fresh_mobile();
    for _ in 0..8 {
        fake.behave_to(&silent, Behaviour::HangAfterRead { effect: false });
    }
    peyk.send_otp_async(&silent).await;
    wait_for_verdict(&peyk, &viewer, &silent, "provider_slow").await;

    let taken = sent_while(&peyk, &fake, Behaviour::Ok).await;
    wait_for_verdict(&peyk, &viewer, &taken, "sent").await;
    // Two minutes pass, and the provider says nothing; then that it arrived, and then it is over.
    let pool = &peyk.database.pool;
    pass_seconds(pool, &taken, 120).await;
    let earlier = "UPDATE sms_attempts SET started_at = started_at - interval '2 minutes',
            finished_at = finished_at - interval '2 minutes'";
    peyk.database.execute(earlier).await;
    wait_for_verdict(&peyk, &viewer, &taken, "sent_not_delivered").await;
    peyk.database
        .execute("UPDATE sms_messages SET delivery = 'delivered', delivery_at = now() WHERE status = 'sent'")
        .await;
    wait_for_verdict(&peyk, &viewer, &taken, "delivered").await;
    pass_seconds(pool, &taken, 600).await;
    wait_for_verdict(&peyk, &viewer, &taken, "expired_before_use").await;

    let lost = sent_while(&peyk, &fake, Behaviour::Ok).await;
    received(&fake, &lost).await;
    wait_for_verdict(&peyk, &viewer, &lost, "sent").await;
    let gone = "UPDATE sms_messages SET delivery = 'undelivered', delivery_code = 'kavenegar.14',
            delivery_at = now() WHERE phone = $1";
    let e164 = peyk_tests::aging::e164(&lost);
    sqlx::query(gone).bind(e164).execute(pool).await.unwrap();
    let page = wait_for_verdict(&peyk, &viewer, &lost, "sent_not_delivered").await;
    assert_eq!(page.json["answer"]["params"]["code"], "kavenegar.14");
}

#[tokio::test]
async fn what_was_typed_is_the_answer() {
    let peyk = patient().start().await;
    let viewer = viewer(&peyk).await;
    let mobile = fresh_mobile();
    let (handle, code) = send(&peyk, &mobile).await;
    peyk.authenticate(&mobile, &wrong(&code), Some(&handle)).await;
    wait_for_verdict(&peyk, &viewer, &mobile, "wrong_code").await;
    for _ in 0..5 {
        peyk.authenticate(&mobile, &wrong(&code), Some(&handle)).await;
    }
    wait_for_verdict(&peyk, &viewer, &mobile, "attempts_spent").await;
    // Without the handle there is a budget of its own.
    assert_eq!(peyk.authenticate(&mobile, &code, None).await.status, 200);
    wait_for_verdict(&peyk, &viewer, &mobile, "verified").await;
    let used = peyk.authenticate(&mobile, &code, None).await;
    assert_eq!(used.status, 401, "{used:?}");
    wait_for_items(&peyk, &viewer, &mobile, ("code_used", 1)).await;

    let late = fresh_mobile();
    let (handle, code) = send(&peyk, &late).await;
    pass_seconds(&peyk.database.pool, &late, 590).await;
    assert_eq!(peyk.authenticate(&late, &code, Some(&handle)).await.status, 401);
    wait_for_verdict(&peyk, &viewer, &late, "expired_before_use").await;

    let disabled = Person::new(&peyk).await;
    let switch = "UPDATE users SET is_active = false WHERE id = $1";
    sqlx::query(switch).bind(disabled.id).execute(&peyk.database.pool).await.unwrap();
    pass_seconds(&peyk.database.pool, &disabled.mobile, 900).await;
    let (handle, code) = send(&peyk, &disabled.mobile).await;
    assert_eq!(peyk.authenticate(&disabled.mobile, &code, Some(&handle)).await.status, 401);
    wait_for_verdict(&peyk, &viewer, &disabled.mobile, "account_disabled").await;
}

#[tokio::test]
async fn what_was_refused_or_waits_is_the_answer() {
    let mut peyk = only("IP_PER_DAY", "3").set("OTP__DAILY_SENDS_PER_TARGET", "1").apis(1);
    peyk = peyk.workers(1);
    let mut peyk = peyk.start().await;
    let viewer = viewer(&peyk).await;
    peyk.kill_worker().await;
    let waits = fresh_mobile();
    assert_eq!(peyk.send_otp_async(&waits).await.status, 202);
    wait_for_verdict(&peyk, &viewer, &waits, "queued").await;
    assert_eq!(peyk.send_otp_async(&waits).await.status, 429);
    let page = wait_for_verdict(&peyk, &viewer, &waits, "limited").await;
    assert_eq!(page.json["answer"]["params"]["reason"], "daily_number_limit");

    // Its time is over before a worker comes.
    let late = fresh_mobile();
    assert_eq!(peyk.send_otp_async(&late).await.status, 202);
    pass_seconds(&peyk.database.pool, &late, 900).await;
    peyk.start_worker().await;
    wait_for_verdict(&peyk, &viewer, &late, "expired_unsent").await;

    // Codes that nobody verifies, until they are too many.
    let mut guarded = fresh_mobile();
    let mut accepted = 0;
    while peyk.send_otp_async(&guarded).await.status == 202 {
        accepted += 1;
        assert!(accepted < 50, "the guard lets everything pass");
        guarded = fresh_mobile();
    }
    wait_for_verdict(&peyk, &viewer, &guarded, "guard_refused").await;
    let page = wait_for_items(&peyk, &viewer, &guarded, ("guard_refused", 1)).await;
    let decision = super::timeline_steps::item(&page, "guard_refused");
    assert!(decision["params"]["rules"].as_str().unwrap().starts_with("ip_day "), "{decision}");
    assert_eq!(decision["params"].get("maybe"), None, "the request says it");
}

#[tokio::test]
async fn what_staff_stopped_is_the_answer() {
    let peyk = patient().start().await;
    let (admin, viewer) = (Person::new(&peyk).await, viewer(&peyk).await);
    admin.join_staff(&peyk, "admin").await;
    let reason = json!({"reason": "the provider changes its prices"});
    let paused = admin.post(&peyk, "admin/queues/otp/pause/", &reason).await;
    assert_eq!(paused.status, 200, "{paused:?}");
    // What a worker had taken before it heard of it goes out; nothing that comes later does.
    let waits = wait_for("a code to wait", || async {
        let mobile = fresh_mobile();
        assert_eq!(peyk.send_otp_async(&mobile).await.status, 202);
        let page = timeline(&peyk, &viewer, &mobile).await;
        (page.json["answer"]["verdict"] == "queue_paused").then_some(mobile)
    })
    .await;
    let resumed = admin.post(&peyk, "admin/queues/otp/resume/", &reason).await;
    assert_eq!(resumed.status, 200, "{resumed:?}");
    let sent = ["sent", "delivered"];
    wait_for("the code to go out", || async {
        let verdict = timeline(&peyk, &viewer, &waits).await.json["answer"]["verdict"].clone();
        sent.contains(&verdict.as_str().unwrap()).then_some(())
    })
    .await;

    let mobile = fresh_mobile();
    let block = json!({"kind": "number", "value": mobile, "reason": "asked for by the police"});
    let blocked = admin.post(&peyk, "admin/blocks/", &block).await;
    assert!([200, 201].contains(&blocked.status), "{blocked:?}");
    wait_for_verdict(&peyk, &viewer, &mobile, "blocked").await;
    assert_eq!(peyk.send_otp_async(&mobile).await.status, 429);
    let page = wait_for_items(&peyk, &viewer, &mobile, ("send_refused", 1)).await;
    assert_eq!(page.json["answer"]["verdict"], "blocked");
    assert_eq!(page.json["answer"]["params"]["reason"], "blocked");
}
