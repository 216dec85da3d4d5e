//! The queue between api and worker: why it is our own backend, and what it survives.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use apalis::prelude::{BoxDynError, TaskSink, WorkerBuilder};
use apalis_redis::RedisStorage;
use peyk_tests::{
    fake::FakeKavenegar,
    harness::{Peyk, TestRedis, fresh_mobile, wait_for},
};
use shared::{
    jobs::{Queue, RowId},
    queue::{Consumer, LastFetch},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The README's decision against the library's own storage rests on this; should it ever fail,
/// the decision can be thought over.
#[tokio::test]
async fn the_storage_of_apalis_redis_is_stuck_for_ever_once_8000_jobs_are_due() {
    let redis = TestRedis::start().await;
    let config = apalis_redis::Config::default().queue("stuck");
    let mut storage = RedisStorage::<u32, _>::new(redis.connection().await).with_config(config);
    storage.push_bulk((0..8_000).collect()).await.unwrap();
    for attempt in ["first", "second"] {
        let worker = WorkerBuilder::new(attempt)
            .backend(storage.clone())
            .build(async |_: u32| Ok::<(), BoxDynError>(()));
        let ended = tokio::time::timeout(Duration::from_secs(20), worker.run()).await;
        let error = ended.expect("it dies at once").expect_err("it cannot fetch");
        assert!(format!("{error:?}").contains("too many results to unpack"), "{error:?}");
    }
}

#[tokio::test]
async fn our_consumer_drains_10000_ids_and_drops_what_is_no_id() {
    let redis = TestRedis::start().await;
    let mut payloads: Vec<_> = (1..=10_000).map(|id| RowId(id).encode()).collect();
    for (at, junk) in [(0, "{\"id\":1}"), (5_000, ""), (9_000, "-7"), (9_500, "\u{fffd}")] {
        payloads.insert(at, junk.to_owned());
    }
    redis.queue().await.push(&payloads).await;
    let consumer = Consumer::start(
        redis.queue_server(),
        Queue::Otp,
        LastFetch::default(),
        watch::channel(false).1,
        CancellationToken::new(),
        TaskTracker::new(),
    );
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&seen);
    let worker = WorkerBuilder::new("ours").backend(consumer).build(move |id: RowId| {
        noting.lock().unwrap().push(id.0);
        std::future::ready(Ok::<(), BoxDynError>(()))
    });
    let running = tokio::spawn(worker.run());
    wait_for("10,000 ids", || async { (seen.lock().unwrap().len() >= 10_000).then_some(()) }).await;
    assert_eq!(*seen.lock().unwrap(), (1..=10_000).collect::<Vec<_>>());
    assert!(!running.is_finished());
    running.abort();
}

#[tokio::test]
async fn a_worker_survives_junk_cut_connections_and_a_new_redis() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = Peyk::builder()
        .kavenegar(&fake.url())
        .hasty(2_000)
        .set("HTTP__WAIT_MS", "1000")
        .start()
        .await;
    peyk.redis.queue().await.push(&["junk", "9999999999", "", "0"]).await;
    arrives(&peyk, &fake).await;
    peyk.workers[0].log_line("undecodable payload dropped").await;
    for kind in ["normal", "pubsub"] {
        let mut command = redis::cmd("CLIENT");
        command.arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes");
        command.exec_async(&mut peyk.redis.connection().await).await.unwrap();
    }
    arrives(&peyk, &fake).await;
    peyk.redis.restart().await;
    arrives(&peyk, &fake).await;
    assert!(peyk.workers[0].is_running());
    assert_eq!(fake.duplicates(), []);
}

/// A send now reaches its handset, whatever the api says of it meanwhile.
async fn arrives(peyk: &Peyk, fake: &FakeKavenegar) {
    let mobile = fresh_mobile();
    let answer = peyk.send_otp(&mobile).await;
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    assert_eq!(peyk.database.settled_message_to(&mobile).await.status, "sent");
    assert_eq!(fake.effects_to(&mobile).len(), 1);
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_its_calls_and_hands_back_what_it_had_not_begun() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = Peyk::builder()
        .kavenegar(&fake.url())
        .hasty(10_000)
        // One sweep, at the start: none that pushes what waits for the test.
        .set("WORKER__SWEEP_MS", "60000")
        .set("WORKER__OTP_CONCURRENCY", "4")
        .start()
        .await;
    let (answer, may_answer) = watch::channel(false);
    fake.on_call(move |_| {
        let mut may_answer = may_answer.clone();
        async move { drop(may_answer.wait_for(|may| *may).await) }
    });
    for _ in 0..30 {
        assert_eq!(peyk.send_otp_async(&fresh_mobile()).await.status, 202);
    }
    fake.wait_for_calls(4).await;
    let queue = peyk.redis.queue().await;
    // Four are being sent and ten wait in the worker.
    wait_for("the worker to take its fill", || async {
        (queue.length().await <= 16).then_some(())
    })
    .await;
    let mut worker = peyk.workers.pop().unwrap();
    worker.signal("TERM").await;
    worker.log_line("draining").await;
    answer.send_replace(true);
    assert!(worker.wait().await.success(), "{}", worker.output());
    worker.log_line("worker stopped").await;
    let unsent: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM sms_messages WHERE status = 'queued'")
            .fetch_all(&peyk.database.pool)
            .await
            .unwrap();
    let sent = "SELECT count(*) FROM sms_messages WHERE status = 'sent'";
    let sent = peyk.database.count(sent).await;
    assert!(sent >= 4 && unsent.len() + usize::try_from(sent).unwrap() == 30, "{sent} sent");
    let unsent: BTreeSet<_> = unsent.into_iter().map(|id| RowId(id).encode()).collect();
    wait_for("all unsent ids to be on the queue", || async {
        let waiting: BTreeSet<_> = queue.payloads().await.into_iter().collect();
        waiting.is_superset(&unsent).then_some(())
    })
    .await;
    peyk.start_worker().await;
    fake.wait_for_effects(30).await;
    wait_for("the end of all", || async {
        let open = "SELECT count(*) FROM sms_messages WHERE status <> 'sent'";
        (peyk.database.count(open).await == 0).then_some(())
    })
    .await;
    assert_eq!(fake.duplicates(), []);
}

#[tokio::test]
async fn a_worker_that_starts_while_its_servers_are_away_works_once_they_are_back() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = Peyk::builder()
        .kavenegar(&fake.url())
        .hasty(2_000)
        .set("HTTP__WAIT_MS", "1000")
        .gated()
        .workers(0)
        .start()
        .await;
    for (without_postgres, without_redis) in [(true, false), (false, true), (true, true)] {
        let gate = peyk.gate.as_mut().unwrap();
        if without_postgres {
            gate.shut().await;
        }
        if without_redis {
            peyk.redis.kill();
        }
        let worker = peyk.start_worker().await;
        assert!(worker.is_running());
        peyk.gate.as_mut().unwrap().open().await;
        if without_redis {
            peyk.redis.restart().await;
        }
        arrives(&peyk, &fake).await;
        assert!(peyk.workers[0].is_running());
        peyk.kill_worker().await;
    }
    assert_eq!(fake.duplicates(), []);
}
