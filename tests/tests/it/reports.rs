//! Delivery reports: asked for in time, and only ever moving a message on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use peyk_tests::{
    fake::{
        Behaviour, FakeKavenegar, FakeProvider,
        sms_ir::{API_KEY as SMS_IR_KEY, sms_ir},
    },
    harness::{Peyk, TestDatabase, fresh_mobile},
};
use serde_json::json;
use shared::{
    clock::SystemClock,
    config::Webhooks,
    sms::{
        providers::{DeliveryStatus, Report},
        reports,
    },
    webhooks::Outbox,
};

#[tokio::test]
async fn a_provider_is_asked_and_the_message_says_delivered() {
    let fake = FakeKavenegar::start().await;
    let peyk = Peyk::builder().kavenegar(&fake.url()).hasty(2_000).start().await;
    let (_, output) = peyk
        .run("api", &["keys", "create", "shop", "--scope", "sms:send", "--scope", "sms:read"])
        .await;
    let key = output.lines().next().unwrap().to_owned();
    let body = json!({"mobile_number": fresh_mobile(), "message_text": "hello"});
    let request = peyk.client().post(peyk.url("/api/message/send/"));
    let sent = peyk.send(request.header("X-API-Key", &key).json(&body)).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let waits = "SELECT count(*) FROM sms_messages
                 WHERE poll_at BETWEEN now() + interval '40 seconds' AND now() + interval '1 minute'";
    assert_eq!(peyk.database.count(waits).await, 1);

    let poll = async || peyk.run("worker", &["cron", "run", "poll-delivery-reports"]).await;
    let calls = fake.calls().len();
    assert!(poll().await.0);
    assert_eq!(fake.calls().len(), calls, "nobody is asked before it is time");
    peyk.database.execute("UPDATE sms_messages SET poll_at = now()").await;
    let (worked, output) = poll().await;
    assert!(worked, "{output}");
    let seen = peyk.url(&format!("/api/message/{}/", sent.json["id"]));
    let seen = peyk.send(peyk.client().get(seen).header("X-API-Key", &key)).await;
    assert_eq!(
        (&seen.json["status"], &seen.json["reason"]),
        (&json!("delivered"), &json!("kavenegar.10"))
    );
    let over = "SELECT count(*) FROM sms_messages WHERE poll_at IS NULL";
    assert_eq!(peyk.database.count(over).await, 1);
}

/// A message that provider `a` took as `7`, and one that `b` took under the same id.
const TAKEN: &str = "
    INSERT INTO sms_messages (kind, phone, local_id, status, created_at, expires_at, settled_at,
        provider, provider_message_id, poll_at)
    VALUES ('otp', '+989123456789', 1, 'sent', now(), now(), now(), 'a', '7', now()),
           ('otp', '+989123456789', 2, 'sent', now(), now(), now(), 'b', '7', now())";

fn says(status: Option<DeliveryStatus>, code: &str) -> Report {
    Report { provider_message_id: "7".to_owned(), status, code: code.to_owned() }
}

#[tokio::test]
async fn a_report_only_ever_moves_a_message_on() {
    use DeliveryStatus::{Accepted, Carried, Delivered, Undelivered};
    let database = TestDatabase::create().await;
    database.execute(TAKEN).await;
    let outbox = Outbox::new(&Webhooks::default(), Arc::new(SystemClock));
    let steps = [
        (says(Some(Accepted), "a.1"), Some("accepted a.1")),
        (says(None, "a.100"), Some("accepted a.1")),
        (says(Some(Carried), "a.5"), Some("carried a.5")),
        (says(Some(Accepted), "a.1"), Some("carried a.5")),
        (says(Some(Delivered), "a.10"), Some("delivered a.10")),
        (says(Some(Undelivered), "a.11"), Some("delivered a.10")),
        (says(Some(Delivered), "a.10"), Some("delivered a.10")),
    ];
    for (report, expected) in steps {
        reports::record(&database.pool, &outbox, "a", std::slice::from_ref(&report)).await.unwrap();
        let now = "SELECT delivery || ' ' || delivery_code FROM sms_messages WHERE provider = 'a'";
        let now: Option<String> = sqlx::query_scalar(now).fetch_one(&database.pool).await.unwrap();
        assert_eq!(now.as_deref(), expected, "after {report:?}");
    }
    let others = "SELECT count(*) FROM sms_messages WHERE provider = 'b' AND delivery IS NULL";
    assert_eq!(database.count(others).await, 1, "ids of one provider mean nothing to another");
}

#[tokio::test]
async fn what_stays_open_is_asked_about_five_times_and_then_no_more() {
    let database = TestDatabase::create().await;
    database.execute(TAKEN).await;
    for minutes in [Some(3), Some(10), Some(30), Some(360), None] {
        assert_eq!(reports::take_due(&database.pool, "a", 100).await.unwrap(), ["7"]);
        assert!(reports::take_due(&database.pool, "a", 100).await.unwrap().is_empty());
        let next = "SELECT round(extract(epoch FROM poll_at - now()) / 60)::bigint
                    FROM sms_messages WHERE provider = 'a'";
        let next: Option<i64> = sqlx::query_scalar(next).fetch_one(&database.pool).await.unwrap();
        assert_eq!(next, minutes);
        let due = "UPDATE sms_messages SET poll_at = now() WHERE poll_at IS NOT NULL";
        database.execute(due).await;
    }
    assert!(reports::take_due(&database.pool, "a", 100).await.unwrap().is_empty());
    assert_eq!(reports::count_due(&database.pool).await.unwrap(), 1, "that of the other provider");
}

/// Three hundred messages that are to be asked about, the one with the greatest number longest.
const MANY: &str = "
    INSERT INTO sms_messages (kind, phone, local_id, status, created_at, expires_at, settled_at,
        provider, provider_message_id, poll_at)
    SELECT 'otp', '+989123456789', nth, 'sent', now(), now(), now(), 'ir', (89540000 + nth)::text,
        now() - make_interval(secs => nth)
    FROM generate_series(1, 300) nth";

/// With an account at SMS.ir, which is asked about one message at a time.
async fn one_by_one(fake: &FakeProvider, budget_ms: u64) -> Peyk {
    let builder = Peyk::builder().set("MODE", "production").hasty(budget_ms).workers(0);
    let builder = builder.set("SMS__PROVIDERS__IR__KIND", "sms_ir");
    let builder = builder.set("SMS__PROVIDERS__IR__API_KEY", SMS_IR_KEY);
    let peyk = builder.set("SMS__PROVIDERS__IR__BASE_URL", fake.url()).start().await;
    peyk.database.execute(MANY).await;
    peyk
}

async fn poll(peyk: &Peyk) {
    let (worked, output) = peyk.run("worker", &["cron", "run", "poll-delivery-reports"]).await;
    assert!(worked, "{output}");
}

#[tokio::test]
async fn one_run_asks_about_all_that_is_due_also_where_each_is_a_question() {
    let fake = FakeProvider::start(sms_ir).await;
    let peyk = one_by_one(&fake, 10_000).await;
    poll(&peyk).await;
    let delivered = "SELECT count(*) FROM sms_messages WHERE delivery = 'delivered'";
    assert_eq!((peyk.database.count(delivered).await, fake.calls().len()), (300, 300));
}

#[tokio::test]
async fn the_oldest_are_asked_about_side_by_side_and_a_provider_that_is_silent_is_left_alone() {
    const BUDGET: Duration = Duration::from_secs(3);
    let fake = FakeProvider::start(sms_ir).await;
    let peyk = one_by_one(&fake, 3_000).await;
    for _ in 0..10 {
        fake.behave(Behaviour::HangAfterRead { effect: false });
    }
    let began = Instant::now();
    poll(&peyk).await;
    assert!(began.elapsed() < BUDGET * 5, "one after the other: {:?}", began.elapsed());
    let mut asked: Vec<_> = fake.calls().into_iter().map(|call| call.target).collect();
    asked.sort();
    let oldest: Vec<_> = (291..=300).map(|nth| format!("/v1/send/{}", 89_540_000 + nth)).collect();
    assert_eq!(asked, oldest);
    let due = "SELECT count(*) FROM sms_messages WHERE poll_at <= now()";
    assert_eq!(peyk.database.count(due).await, 290, "they are asked about in the next run");
}
