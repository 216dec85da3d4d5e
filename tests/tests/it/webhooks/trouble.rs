//! Crashes, lost wake-ups and receivers that are down or slow.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use peyk_tests::{
    fake::{Behaviour, FakeKavenegar, Receiver},
    harness::{fresh_mobile, wait_for},
};
use shared::jobs::Queue;

use super::steps::{
    SECRET, emit, endpoint, event, key, outbox, pass_pauses, peyk, teller, text, wait_for_status,
};

/// How often each event was taken, by its handle.
fn times(receiver: &Receiver) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for told in receiver.told() {
        *times.entry(told.id).or_default() += 1;
    }
    times
}

#[tokio::test]
async fn a_receiver_that_was_down_is_told_when_it_is_back_under_the_same_handle() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).start().await;
    shop.answer_with(500);
    emit(&peyk, &[event("a", 1)]).await;
    for attempt in 1..=2 {
        shop.wait_for_calls(attempt).await;
        let failed = format!(
            "SELECT count(*) FROM webhook_deliveries WHERE attempt = {attempt}
             AND status = 'queued' AND response_status = 500 AND reason = 'http.500'
             AND next_attempt_at > now()"
        );
        wait_for("the end of an attempt", || async {
            let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(failed.clone()))
                .fetch_one(&peyk.database.pool)
                .await
                .unwrap();
            (rows == 1).then_some(())
        })
        .await;
        pass_pauses(&peyk).await;
    }
    shop.wait_for_calls(3).await;
    shop.answer_with(200);
    wait_for("the next try", || async {
        pass_pauses(&peyk).await;
        (shop.told().len() == 1).then_some(())
    })
    .await;
    wait_for_status(&peyk, "sent", 1).await;
    let calls = shop.calls();
    assert!(calls.iter().all(|call| call.header("webhook-id") == calls[0].header("webhook-id")));
    assert!(calls.iter().all(|call| call.body == calls[0].body));
}

#[tokio::test]
async fn killed_in_mid_delivery_nothing_is_lost_and_repetitions_have_the_same_handle() {
    let shop = Receiver::start(SECRET).await;
    let mut peyk = teller(&shop).start().await;
    for round in 1..=2 {
        let calls = shop.calls().len();
        // Three are taken without an answer, two are lost, the others go through.
        for effect in [true, false, true, false, true] {
            shop.behave(Behaviour::HangAfterRead { effect });
        }
        let events: Vec<_> = (0..10).map(|at| event(&format!("{round}-{at}"), at)).collect();
        emit(&peyk, &events).await;
        shop.wait_for_calls(calls + 5).await;
        peyk.kill_worker().await;
        peyk.start_worker().await;
        wait_for_status(&peyk, "sent", round * 10).await;
        let times = times(&shop);
        assert_eq!(times.len(), usize::try_from(round).unwrap() * 10, "{times:?}");
        assert!(times.values().all(|times| (1..=2).contains(times)), "{times:?}");
    }
}

#[tokio::test]
async fn killed_before_the_end_of_a_text_is_written_both_it_and_its_event_are_written_later() {
    let (fake, shop) = tokio::join!(FakeKavenegar::start(), Receiver::start(SECRET));
    let mut peyk = peyk(&fake, &shop).set("HTTP__WAIT_MS", "0").start().await;
    let key = key(&peyk).await;
    let lock = peyk.database.hold_up_webhooks().await;
    let mobile = fresh_mobile();
    text(&peyk, &key, &mobile).await;
    fake.wait_for_effects(1).await;
    lock.wait_for_waiters(1).await;
    let sent = "SELECT count(*) FROM sms_messages WHERE status = 'sent'";
    assert_eq!(peyk.database.count(sent).await, 0, "a state without its event");
    peyk.kill_worker().await;
    lock.end_waiters().await;
    lock.release().await;
    assert_eq!(peyk.database.count(sent).await, 0, "a state without its event");
    peyk.start_worker().await;
    shop.wait_for_told(1).await;
    wait_for_status(&peyk, "sent", 1).await;
    let events = "SELECT count(*) FROM webhook_events WHERE kind = 'sms.sent'";
    assert_eq!((peyk.database.count(events).await, peyk.database.count(sent).await), (1, 1));
    assert_eq!((shop.told().len(), fake.effects_to(&mobile).len()), (1, 1));
}

#[tokio::test]
async fn emptying_redis_loses_nothing_and_repeats_nothing() {
    let shop = Receiver::start(SECRET).await;
    // One at a time, and the first one hangs, so that ids wait in Redis to be lost.
    let peyk = teller(&shop)
        .set("WEBHOOKS__ENDPOINTS__SHOP__TIMEOUT_MS", "4000")
        .set("WORKER__WEBHOOK_CONCURRENCY", "1")
        .start()
        .await;
    shop.behave(Behaviour::HangAfterRead { effect: false });
    let events: Vec<_> = (0..40).map(|at| event(&at.to_string(), at)).collect();
    emit(&peyk, &events).await;
    let queue = peyk.redis.queue_of(Queue::Webhooks).await;
    wait_for("ids in Redis", || async { (queue.length().await >= 5).then_some(()) }).await;
    peyk.redis.flush().await;
    assert!(shop.told().is_empty());
    shop.wait_for_told(39).await;
    wait_for("the one that hung", || async {
        pass_pauses(&peyk).await;
        (shop.told().len() >= 40).then_some(())
    })
    .await;
    wait_for_status(&peyk, "sent", 40).await;
    assert_eq!((times(&shop).len(), shop.told().len()), (40, 40));
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_neither_another_one_nor_a_code() {
    let fake = FakeKavenegar::start().await;
    let (slow, fast) = tokio::join!(Receiver::start(SECRET), Receiver::start(SECRET));
    let builder = endpoint(peyk(&fake, &slow), "FAST", &fast.url());
    let peyk = builder
        .set("WEBHOOKS__ENDPOINTS__SHOP__TIMEOUT_MS", "60000")
        .set("WEBHOOKS__ENDPOINTS__SHOP__EVENTS", "sms.*")
        .set("WORKER__WEBHOOK_CONCURRENCY", "4")
        .start()
        .await;
    for _ in 0..10 {
        slow.behave(Behaviour::HangAfterRead { effect: false });
    }
    let events: Vec<_> = (0..40).map(|at| event(&at.to_string(), at)).collect();
    let mut tx = peyk.database.pool.begin().await.unwrap();
    outbox(&["shop", "fast"]).emit(&mut tx, &events).await.unwrap();
    tx.commit().await.unwrap();
    fast.wait_for_told(40).await;
    slow.wait_for_calls(2).await;
    assert!(slow.told().is_empty());
    assert_eq!(slow.calls().len(), 2, "more than its share of the places");
    let answers = join_all((0..5).map(|_| async { peyk.send_otp(&fresh_mobile()).await })).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    // And those are told, too.
    fast.wait_for_told(45).await;
    assert_eq!(slow.calls().len(), 2);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_taken_out_and_comes_back() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).set("WORKER__WEBHOOK_CONCURRENCY", "1").start().await;
    shop.answer_with(503);
    let events: Vec<_> = (0..12).map(|at| event(&at.to_string(), at)).collect();
    emit(&peyk, &events).await;
    let state = r#"peyk_webhook_breaker_state{endpoint="shop"}"#;
    wait_for("the breaker", || async {
        (peyk.worker_metric(state).await.as_deref() == Some("2")).then_some(())
    })
    .await;
    assert!(shop.calls().len() < 12, "the breaker keeps the others back");
    shop.answer_with(204);
    // Pauses and push marks are passed over; the breaker itself is waited for.
    wait_for("all of them", || async {
        pass_pauses(&peyk).await;
        let again = "UPDATE webhook_deliveries SET pushed_until = NULL WHERE status = 'queued'";
        peyk.database.execute(again).await;
        (shop.told().len() == 12).then_some(())
    })
    .await;
    assert_eq!(peyk.worker_metric(state).await.as_deref(), Some("0"));
}
