//! Keeps one apalis worker per queue alive until the process is told to stop.

use std::{sync::Arc, time::Duration};

use apalis::{
    layers::WorkerBuilderExt,
    prelude::{BoxDynError, WorkerBuilder, WorkerError},
};
use futures_util::future::BoxFuture;
use shared::{
    ids,
    jobs::RowId,
    queue::{Consumer, LastFetch, QueueServer, SideDoor},
    telemetry::{JOB_SECONDS, JOBS_RUNNING},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{Environment, jobs::Job};

/// Pauses between restarts of a dead worker, in milliseconds; the last one repeats.
const RESTART_PAUSES_MS: [u64; 4] = [200, 1_000, 2_000, 5_000];

/// What others see of the consumer of a queue, whichever it is at the moment.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// When Redis was last heard of.
    pub last_fetch: LastFetch,
    /// The way in while it is not.
    pub side_door: SideDoor,
}

/// Consumes the queue of `job` until `shutdown`, whatever happens to the worker inside; then waits
/// for the running jobs.
pub async fn supervise(env: Arc<Environment>, job: Job, entry: Entry, shutdown: CancellationToken) {
    let running = TaskTracker::new();
    let mut pauses = RESTART_PAUSES_MS.iter().copied();
    let mut pause = 0;
    while !shutdown.is_cancelled() {
        let ended =
            consume(env.clone(), job, entry.clone(), running.clone(), shutdown.clone()).await;
        if shutdown.is_cancelled() {
            break;
        }
        pause = pauses.next().unwrap_or(pause.max(RESTART_PAUSES_MS[3]));
        let queue = job.queue.name();
        tracing::error!(queue, error = ?ended.err(), pause, "worker died, restarting");
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
    }
    running.close();
    running.wait().await;
}

/// One life of one worker. Boxed in a function that is not async: otherwise the compiler cannot
/// prove the future general enough to be spawned.
fn consume(
    env: Arc<Environment>,
    job: Job,
    entry: Entry,
    running: TaskTracker,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    // A name per start: the library treats a reused one as still alive.
    let name = ids::process_name(job.queue.name(), &mut rand::rng());
    let server = QueueServer::new(&env.config.redis);
    let Entry { last_fetch, side_door } = entry;
    let rests = env.pauses.watch(job.queue);
    let (stop, handing_back) = (shutdown.clone(), running.clone());
    let consumer =
        Consumer::start(server, job.queue, last_fetch, rests, stop.clone(), handing_back);
    consumer.open(&side_door);
    let concurrency = env.jobs_at_once(job.queue);
    let worker = WorkerBuilder::new(name).backend(consumer).concurrency(concurrency).build(
        move |id: RowId| {
            let (env, running, shutdown) = (env.clone(), running.clone(), stop.clone());
            async move {
                if wait_while_it_rests(&env, job, &shutdown).await {
                    guard(env, running, job, id).await;
                }
                Ok::<(), BoxDynError>(())
            }
        },
    );
    Box::pin(worker.run_until(async move {
        shutdown.cancelled().await;
        Ok::<(), WorkerError>(())
    }))
}

/// The one door to every job, whoever brings the id: what was popped before the queue was told to rest
/// waits here. `false`: the process ends; the sweep of another worker brings the row.
async fn wait_while_it_rests(env: &Environment, job: Job, shutdown: &CancellationToken) -> bool {
    let mut rests = env.pauses.watch(job.queue);
    tokio::select! {
        () = shutdown.cancelled() => !env.pauses.rests(job.queue),
        goes_on = rests.wait_for(|rests| !rests) => goes_on.is_ok(),
    }
}

/// Runs a job on a task of its own, so that neither its panic nor the end of its worker touches
/// anything else, and within a time after which its lease is lost anyway. A process that was
/// stopped meanwhile finds that time over with answers in its hands: it gets half as much again
/// to write them down.
async fn guard(env: Arc<Environment>, running: TaskTracker, job: Job, id: RowId) {
    let queue = job.queue.name();
    let span = tracing::info_span!("job", queue, job.id = id.0);
    let timed = async move {
        let _count = Running::new(queue);
        let _timer = JOB_SECONDS.with_label_values(&[queue]).start_timer();
        let limit = (job.limit)(&env.config);
        let mut work = std::pin::pin!((job.run)(id, &env));
        let mut ended = tokio::time::timeout(limit, &mut work).await;
        if ended.is_err() {
            ended = tokio::time::timeout(limit / 2, &mut work).await;
        }
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "job left to the sweep"),
            Err(_) => tracing::error!("job hung and was dropped"),
        }
    };
    if running.spawn(timed.instrument(span)).await.is_err() {
        tracing::error!(queue, job.id = id.0, "job panicked");
    }
}

/// Counts a running job until it ends, however it does.
struct Running(&'static str);

impl Running {
    fn new(queue: &'static str) -> Self {
        JOBS_RUNNING.with_label_values(&[queue]).inc();
        Self(queue)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        JOBS_RUNNING.with_label_values(&[self.0]).dec();
    }
}
