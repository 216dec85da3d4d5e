//! The bound of a provider's line holds over all workers, and whatever Redis does.

use chrono::{DateTime, TimeDelta, Utc};
use peyk_tests::{
    fake::FakeKavenegar,
    harness::{Peyk, PeykBuilder, fresh_mobile, wait_for},
};
use serde_json::json;

use crate::bulk_steps::{all_once, key, peyk, post, send_bulk};

const PER_SECOND: usize = 10;

fn bounded(fake: &FakeKavenegar) -> PeykBuilder {
    peyk(fake, 5_000)
        .set("SMS__PROVIDERS__KAVENEGAR__PER_SECOND", PER_SECOND.to_string())
        .set("LIMITS__WORKER_PROCESSES", "2")
        .workers(2)
}

/// The most texts that arrived within any second.
fn most_in_a_second(fake: &FakeKavenegar, mobiles: &[String]) -> usize {
    let effects = fake.effects().into_iter();
    let times = effects.filter(|effect| mobiles.contains(&effect.destination));
    let mut times: Vec<DateTime<Utc>> = times.map(|effect| effect.at).collect();
    times.sort_unstable();
    let within = |begin: DateTime<Utc>| {
        let end = begin + TimeDelta::seconds(1);
        times.iter().filter(|at| (begin..end).contains(*at)).count()
    };
    times.iter().map(|begin| within(*begin)).max().unwrap_or_default()
}

/// Claims of texts to many: those that did not end in a call are waste.
async fn claims(peyk: &Peyk) -> i64 {
    peyk.database.count("SELECT sum(attempt)::bigint FROM sms_messages WHERE kind = 'bulk'").await
}

#[tokio::test]
async fn two_workers_together_keep_to_the_line_and_waiting_costs_no_attempt() {
    let fake = FakeKavenegar::start().await;
    let peyk = bounded(&fake).start().await;
    let key = key(&peyk).await;
    let (_, mut mobiles) = send_bulk(&peyk, &key, 40).await;
    // Codes pass, and a single text does not wait behind all of the others.
    let (code, single) = (fresh_mobile(), fresh_mobile());
    assert_eq!(peyk.send_otp(&code).await.status, 200);
    let body = json!({"mobile_number": single, "message_text": "ready"});
    post(&peyk, &key, "/api/message/send/", &body).await;
    peyk.database.settled_message_to(&single).await;
    let waiting = "SELECT count(*) FROM sms_messages WHERE kind = 'bulk' AND status = 'queued'";
    assert!(peyk.database.count(waiting).await > 10, "the text waited behind texts to many");
    let histories = all_once(&peyk, &fake, &mobiles).await;
    assert!(histories.iter().all(|history| history == &["send accepted"]), "{histories:?}");
    mobiles.push(single);
    let most = most_in_a_second(&fake, &mobiles);
    assert!(most <= PER_SECOND, "{most} in a second");
    let claims = claims(&peyk).await;
    assert!(claims <= 80, "{claims} claims for 40 texts");
}

#[tokio::test]
async fn the_line_holds_while_redis_is_lost_and_comes_back_empty() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = bounded(&fake).start().await;
    let key = key(&peyk).await;
    let (_, mobiles) = send_bulk(&peyk, &key, 50).await;
    for enough in [10, 25] {
        fake.wait_for_effects(enough).await;
        peyk.redis.restart().await;
    }
    wait_for("all texts", || async {
        let row = peyk.database.count("SELECT count(*) FROM sms_messages WHERE status <> 'sent'");
        (row.await == 0).then_some(())
    })
    .await;
    all_once(&peyk, &fake, &mobiles).await;
    let most = most_in_a_second(&fake, &mobiles);
    assert!(most <= PER_SECOND, "{most} in a second");
}

#[tokio::test]
async fn a_line_that_is_far_behind_is_not_hammered() {
    let fake = FakeKavenegar::start().await;
    let peyk = bounded(&fake).set("SMS__PROVIDERS__KAVENEGAR__PER_SECOND", "1").start().await;
    let key = key(&peyk).await;
    send_bulk(&peyk, &key, 300).await;
    fake.wait_for_effects(4).await;
    let (claims, sent) = (claims(&peyk).await, fake.effects().len());
    assert!(claims <= 20, "{claims} claims for {sent} texts");
}
