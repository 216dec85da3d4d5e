//! Single pushes to an idle consumer: none is overslept.

use std::time::{Duration, Instant};

use apalis::prelude::{BoxDynError, WorkerBuilder};
use peyk_tests::{
    chaos::{Dice, Tally, size},
    harness::TestRedis,
};
use shared::{
    jobs::{Queue, RowId},
    queue::{Consumer, LastFetch, Pusher},
};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A lost wake-up would cost two seconds, the end of a blocking pop. Between this and that there
/// is only how busy the machine is.
const LOST: Duration = Duration::from_secs(1);

#[tokio::test]
async fn of_5000_single_pushes_to_an_idle_worker_none_is_overslept() {
    let pushes = size("ROWS", 5_000, std::convert::identity);
    pushes_wake_up(pushes, Duration::from_millis(20)).await;
}

async fn pushes_wake_up(count: usize, p99_within: Duration) {
    let mut dice = Dice::new("wake-ups");
    let redis = TestRedis::start().await;
    let consumer = Consumer::start(
        redis.queue_server(),
        Queue::Otp,
        LastFetch::default(),
        watch::channel(false).1,
        CancellationToken::new(),
        TaskTracker::new(),
    );
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let worker = WorkerBuilder::new("idle").backend(consumer).build(move |id: RowId| {
        let _ = arrived.send((id.0, Instant::now()));
        std::future::ready(Ok::<(), BoxDynError>(()))
    });
    let running = tokio::spawn(worker.run());
    let pusher = Pusher::start(redis.queue_server(), 2_000);
    let queue = redis.queue().await;
    queue.wait_for_poppers(1).await;
    let mut times = Vec::with_capacity(count);
    for id in 1..=i64::try_from(count).unwrap() {
        // At most so many looks, from none at all, so that pushes also meet a pop that is just being
        // made; the last of them meet one that waits.
        for _ in 0..dice.below(8) {
            if queue.poppers().await == Some(1) {
                break;
            }
        }
        let begun = Instant::now();
        pusher.push(Queue::Otp, RowId(id));
        let arrival = tokio::time::timeout(LOST, arrivals.recv()).await;
        let (arrived, at) = arrival.expect("a wake-up is lost").expect("the worker runs");
        assert_eq!(arrived, id);
        times.push(at - begun);
    }
    assert!(!running.is_finished(), "the worker ended");
    running.abort();
    times.sort_unstable();
    let [p50, p99] = [50, 99].map(|percent| times[(count - 1) * percent / 100]);
    Tally::new("Single pushes to an idle worker", &dice)
        .count("pushes", count)
        .count("lost", 0)
        .count("p50 µs", p50.as_micros())
        .count("p99 µs", p99.as_micros())
        .count("longest µs", times[count - 1].as_micros())
        .show();
    assert!(p99 < p99_within, "{p99:?}");
}
