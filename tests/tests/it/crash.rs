//! Processes killed in the middle: nothing accepted is lost, and a handset rings once more only
//! where nobody could know better, with the same code.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use peyk_tests::{
    fake::{Behaviour, FakeKavenegar},
    harness::{Peyk, PeykBuilder, fresh_mobile, wait_for},
};
use shared::jobs::Queue;
use tokio::sync::{Notify, watch};

use crate::bulk_steps::hold;

/// What a lease is longer than the budget.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

fn peyk(fake: &FakeKavenegar, template: bool, budget_ms: u64) -> PeykBuilder {
    let builder = Peyk::builder().kavenegar(&fake.url()).hasty(budget_ms);
    if template { builder.set("OTP__TEMPLATE", "login") } else { builder }
}

/// Accepts a send to each of so many fresh numbers.
async fn accept(peyk: &Peyk, count: usize) -> Vec<String> {
    let mobiles: Vec<_> = (0..count).map(|_| fresh_mobile()).collect();
    accept_to(peyk, &mobiles).await;
    mobiles
}

async fn accept_to(peyk: &Peyk, mobiles: &[String]) {
    join_all(mobiles.iter().map(|mobile| async {
        let answer = peyk.send_otp_async(mobile).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }))
    .await;
}

/// Each attempt as `action outcome`; one without an answer counts as unknown.
async fn attempts(peyk: &Peyk, message: i64) -> Vec<String> {
    let word = |line: &str, at: usize| line.split(' ').nth(at).unwrap_or_default().to_owned();
    let history = peyk.database.history(message).await;
    let shape =
        |line: &String| format!("{} {}", word(line, 1), word(line, 2).replace('-', "unknown"));
    history.iter().map(shape).collect()
}

/// The attempts a message had, and how many texts came of them.
type Expected<'a> = (&'a [&'a str], usize);

/// Every message ended as sent after these attempts, and each handset got so many texts, all the
/// same.
async fn all_arrived(
    peyk: &Peyk,
    fake: &FakeKavenegar,
    mobiles: &[String],
    expected: Expected<'_>,
) {
    for mobile in mobiles {
        let row = peyk.database.settled_message_to(mobile).await;
        assert_eq!(row.status, "sent", "{row:?}");
        assert_eq!(attempts(peyk, row.id).await, expected.0);
        let texts = fake.effects_to(mobile);
        assert_eq!(texts.len(), expected.1, "texts to one number");
        let different: BTreeSet<_> = texts.iter().map(|text| &text.content).collect();
        assert_eq!(different.len(), 1, "different codes to one number");
    }
}

#[tokio::test]
async fn killed_after_the_claim_and_before_the_call_the_text_goes_out_once() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake, true, 1_000).start().await;
    for _ in 0..2 {
        let lock = peyk.database.hold_up_attempts().await;
        let mobiles = accept(&peyk, 5).await;
        // They share transactions: all are claimed, and some statement waits for all of them.
        wait_for("all claims", async || {
            let claimed = "SELECT count(*) FROM sms_messages WHERE status = 'sending'";
            (peyk.database.count(claimed).await == 5).then_some(())
        })
        .await;
        lock.wait_for_waiters(1).await;
        peyk.kill_worker().await;
        let killed = Instant::now();
        lock.end_waiters().await;
        lock.release().await;
        peyk.start_worker().await;
        all_arrived(&peyk, &fake, &mobiles, (&["send accepted"], 1)).await;
        for mobile in &mobiles {
            let row = peyk.database.message_to(mobile).await.unwrap();
            assert_eq!(row.attempt, 2, "the first attempt ended before its call");
        }
        // One lease and one sweep; the rest is room for a busy machine.
        let bound = Duration::from_secs(1) + LEASE_MARGIN + Duration::from_secs(5);
        assert!(killed.elapsed() < bound, "{:?}", killed.elapsed());
    }
}

#[tokio::test]
async fn killed_during_the_call_there_is_at_most_one_more_text_with_the_same_code() {
    tokio::join!(killed_during_the_call(true), killed_during_the_call(false));
}

async fn killed_during_the_call(template: bool) {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake, template, 1_500).start().await;
    for _ in 0..2 {
        let calls = fake.calls().len();
        let [carried, lost] = [true, false].map(|effect| {
            let mobiles = [(); 3].map(|()| fresh_mobile()).to_vec();
            let hang = Behaviour::HangAfterRead { effect };
            for mobile in &mobiles {
                fake.behave_to(mobile, hang.clone());
            }
            mobiles
        });
        accept_to(&peyk, &[carried.clone(), lost.clone()].concat()).await;
        fake.wait_for_calls(calls + 6).await;
        peyk.kill_worker().await;
        peyk.start_worker().await;
        let (if_carried, if_lost): (Expected<'_>, Expected<'_>) = if template {
            ((&["send unknown", "send accepted"], 2), (&["send unknown", "send accepted"], 1))
        } else {
            let again = &["send unknown", "lookup not_found", "send accepted"];
            ((&["send unknown", "lookup found"], 1), (again, 1))
        };
        all_arrived(&peyk, &fake, &carried, if_carried).await;
        all_arrived(&peyk, &fake, &lost, if_lost).await;
    }
}

#[tokio::test]
async fn killed_after_the_answer_and_before_it_is_settled_the_answer_counts_as_lost() {
    tokio::join!(killed_before_the_settle(true), killed_before_the_settle(false));
}

async fn killed_before_the_settle(template: bool) {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake, template, 1_500).start().await;
    let answer = hold(&fake);
    for _ in 0..2 {
        let calls = fake.calls().len();
        answer.send_replace(false);
        let mobiles = accept(&peyk, 5).await;
        fake.wait_for_calls(calls + 5).await;
        let lock = peyk.database.hold_up_attempts().await;
        answer.send_replace(true);
        // They share transactions: all are claimed, and some statement waits for all of them.
        wait_for("all claims", async || {
            let claimed = "SELECT count(*) FROM sms_messages WHERE status = 'sending'";
            (peyk.database.count(claimed).await == 5).then_some(())
        })
        .await;
        lock.wait_for_waiters(1).await;
        peyk.kill_worker().await;
        lock.end_waiters().await;
        lock.release().await;
        peyk.start_worker().await;
        let expected: Expected<'_> = if template {
            (&["send unknown", "send accepted"], 2)
        } else {
            (&["send unknown", "lookup found"], 1)
        };
        all_arrived(&peyk, &fake, &mobiles, expected).await;
    }
}

#[tokio::test]
async fn killed_with_ids_that_were_popped_and_not_claimed_the_sweep_brings_them_back() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake, true, 1_000).start().await;
    for _ in 0..2 {
        // Frozen, its blocking pop still takes ids out of Redis: they die with it.
        let queue = peyk.redis.queue().await;
        queue.wait_for_poppers(Queue::ALL.len()).await;
        peyk.workers[0].signal("STOP").await;
        let mobiles = accept(&peyk, 10).await;
        queue.wait_for_poppers(0).await;
        peyk.kill_worker().await;
        peyk.start_worker().await;
        all_arrived(&peyk, &fake, &mobiles, (&["send accepted"], 1)).await;
    }
}

#[tokio::test]
async fn an_api_killed_after_the_commit_and_before_the_push_has_lost_nothing() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake, false, 1_000).start().await;
    // A frozen Redis takes no push, and what was written to it dies with it.
    peyk.redis.signal("STOP").await;
    let mobiles = accept(&peyk, 5).await;
    peyk.apis[0].kill().await;
    peyk.redis.restart().await;
    all_arrived(&peyk, &fake, &mobiles, (&["send accepted"], 1)).await;
}

#[tokio::test]
async fn emptying_redis_in_mid_stream_loses_nothing_and_repeats_nothing() {
    let fake = FakeKavenegar::start().await;
    // One at a time, and that one waits for its answer, so that ids wait in Redis to be lost.
    let peyk = peyk(&fake, true, 15_000).set("WORKER__OTP_CONCURRENCY", "1").start().await;
    let answer = hold(&fake);
    let (mut mobiles, queue) = (Vec::new(), peyk.redis.queue().await);
    for _ in 0..4 {
        answer.send_replace(false);
        mobiles.extend(accept(&peyk, 25).await);
        wait_for("ids in Redis", || async { (queue.length().await >= 5).then_some(()) }).await;
        peyk.redis.flush().await;
        answer.send_replace(true);
    }
    all_arrived(&peyk, &fake, &mobiles, (&["send accepted"], 1)).await;
}

#[tokio::test]
async fn two_workers_on_one_queue_deliver_each_message_once_however_often_its_id_arrives() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake, true, 2_000).workers(0).start().await;
    let mobiles = accept(&peyk, 100).await;
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM sms_messages")
        .fetch_all(&peyk.database.pool)
        .await
        .unwrap();
    let queue = peyk.redis.queue().await;
    for _ in 0..3 {
        queue.push(&ids).await;
    }
    peyk.start_worker().await;
    peyk.start_worker().await;
    all_arrived(&peyk, &fake, &mobiles, (&["send accepted"], 1)).await;
    wait_for("the queue to drain", || async { (queue.length().await == 0).then_some(()) }).await;
    assert_eq!(fake.calls().len(), mobiles.len());
}

#[tokio::test]
async fn a_worker_frozen_past_its_lease_overwrites_nothing_and_its_answer_is_still_recorded() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake, true, 1_000).start().await;
    let let_go = Arc::new(Notify::new());
    let (waiting, first) = (Arc::clone(&let_go), watch::Sender::new(true));
    fake.on_call(move |_| {
        let (waiting, is_first) = (Arc::clone(&waiting), first.send_replace(false));
        async move {
            if is_first {
                waiting.notified().await;
            }
        }
    });
    let mobiles = accept(&peyk, 1).await;
    fake.wait_for_calls(1).await;
    peyk.workers[0].signal("STOP").await;
    let_go.notify_one();
    fake.wait_for_effects(1).await;
    peyk.start_worker().await;
    let settled = peyk.database.settled_message_to(&mobiles[0]).await;
    assert_eq!((settled.status.as_str(), settled.attempt), ("sent", 2));
    assert_eq!(attempts(&peyk, settled.id).await, ["send unknown", "send accepted"]);
    peyk.workers[0].signal("CONT").await;
    peyk.workers[0].log_line("settled too late: the lease was lost").await;
    assert_eq!(peyk.database.message_to(&mobiles[0]).await, Some(settled.clone()));
    // Whatever it made of the answer it slept through, it has written it down.
    let unanswered = "SELECT count(*) FROM sms_attempts WHERE finished_at IS NULL";
    assert_eq!(peyk.database.count(unanswered).await, 0);
    let texts = fake.effects_to(&mobiles[0]);
    assert_eq!((texts.len(), texts[0].content == texts[1].content), (2, true));
}
