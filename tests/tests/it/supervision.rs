//! Jobs that go wrong in every way a job can: nobody else notices.

use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use peyk_tests::harness::{TestDatabase, TestRedis, wait_for};
use shared::{
    config::Config,
    jobs::{Backlog, Queue, RowId, Tidied},
};
use tokio_util::sync::CancellationToken;
use worker::{Environment, consumers::Consumers, jobs::Job};

/// Ids whose jobs panic, never end, or block their thread until released; all others end well.
const PANICS: i64 = 1_000;
const HANGS: i64 = 2_000;
const BLOCKS: i64 = 3_000;

/// Ids of jobs that ended well.
static DONE: Mutex<BTreeSet<i64>> = Mutex::new(BTreeSet::new());
static RELEASED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

async fn work(id: i64) {
    match id {
        PANICS..HANGS => panic!("as ordered"),
        HANGS..BLOCKS => std::future::pending().await,
        BLOCKS.. => {
            let mut released = RELEASED.0.lock().unwrap();
            while !*released {
                released = RELEASED.1.wait(released).unwrap();
            }
        }
        _ => {}
    }
    DONE.lock().unwrap().insert(id);
}

const JOB: Job = Job {
    queue: Queue::Otp,
    limit: |_| Duration::from_millis(300),
    run: |RowId(id), _| work(id).map(Ok).boxed(),
    tidy: |_| std::future::ready(Ok(Tidied::default())).boxed(),
    take_due: |_, _| std::future::ready(Ok(Vec::new())).boxed(),
    backlog: |_| std::future::ready(Ok(Backlog::default())).boxed(),
};

fn config(database: &TestDatabase, redis: &TestRedis) -> Config {
    let mut config = Config::default();
    config.database.url = database.url().into();
    config.redis.url = redis.url().into();
    "k1".clone_into(&mut config.otp.active_key);
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    config.otp.keys.insert("k1".to_owned(), key.into());
    config
}

async fn done(ids: std::ops::Range<i64>) {
    wait_for("the jobs to end", || async {
        let done = DONE.lock().unwrap();
        ids.clone().all(|id| done.contains(&id)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn jobs_that_panic_hang_or_block_their_thread_hold_up_nobody() {
    let (database, redis) = (TestDatabase::create().await, TestRedis::start().await);
    let config = config(&database, &redis);
    let shutdown = CancellationToken::new();
    let build = || Environment::build(config, "worker-test".to_owned());
    let consumers = Consumers::start(&[JOB], build, &shutdown).unwrap();
    let health = consumers.health();
    let queue = redis.queue().await;
    let push = async |ids: std::ops::Range<i64>| {
        let payloads: Vec<_> = ids.map(|id| RowId(id).encode()).collect();
        queue.push(&payloads).await;
    };

    // More than run at once, so that places have to be given back.
    push(PANICS..PANICS + 100).await;
    push(HANGS..HANGS + 100).await;
    push(1..101).await;
    done(1..101).await;
    assert_eq!(health.threads_blocked_for(), Duration::ZERO);

    // One blocked thread leaves others.
    push(BLOCKS..BLOCKS + 1).await;
    push(101..201).await;
    done(101..201).await;

    // All blocked: no job gets a turn, and those who ask are told.
    push(BLOCKS + 1..BLOCKS + 60).await;
    wait_for("a complaint", || async {
        (health.threads_blocked_for() > Duration::from_secs(1)).then_some(())
    })
    .await;
    *RELEASED.0.lock().unwrap() = true;
    RELEASED.1.notify_all();
    push(201..301).await;
    done(201..301).await;
    done(BLOCKS..BLOCKS + 60).await;
    wait_for("an all-clear", || async {
        (health.threads_blocked_for() == Duration::ZERO).then_some(())
    })
    .await;

    shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), consumers.wait()).await;
    assert!(ended.is_ok(), "hanging jobs end with their limit, so the drain does, too");
    consumers.end();
}
