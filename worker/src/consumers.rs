//! The part of the process that runs jobs, on threads of its own: a job that blocks its thread
//! holds up neither the sweep nor cron nor the health checks, and those tell of it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use shared::{
    db,
    jobs::Queue,
    queue::SideDoor,
    telemetry::{LAST_FETCH_MS, THREADS_BLOCKED_MS},
};
use tokio::runtime::{Builder, Runtime};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Environment,
    jobs::Job,
    pauses::Pauses,
    standing,
    supervisor::{self, Entry},
};

/// Fewest threads: one that is blocked leaves others.
const FEWEST_THREADS: usize = 4;
/// How often the threads show that one of them is free.
const BEAT: Duration = Duration::from_secs(1);

/// Consumers of all queues, on a runtime of their own.
pub struct Consumers {
    runtime: Runtime,
    tasks: TaskTracker,
    health: Arc<Health>,
    pauses: Pauses,
}

impl Consumers {
    /// Starts consuming until `shutdown`. `build` makes the environment of the jobs.
    ///
    /// # Errors
    /// When no threads can be had or the environment cannot be built.
    pub fn start(
        jobs: &[Job],
        build: impl FnOnce() -> anyhow::Result<Environment>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads((cores * 2).max(FEWEST_THREADS))
            .thread_name("job")
            .enable_all()
            .build()
            .context("no threads for jobs")?;
        let entered = runtime.enter();
        let env = Arc::new(build()?);
        db::watch("jobs", &env.pool);
        tokio::spawn(standing::run(env.clone()));
        tokio::spawn(env.pauses.clone().follow(env.pool.clone()));
        let pauses = env.pauses.clone();
        let health = Arc::new(Health::new(jobs));
        let tasks = TaskTracker::new();
        for (job, (_, entry)) in jobs.iter().zip(&health.entries) {
            let (env, entry, shutdown) = (env.clone(), entry.clone(), shutdown.clone());
            tasks.spawn(supervisor::supervise(env, *job, entry, shutdown));
        }
        tasks.close();
        tokio::spawn(beat(health.clone()));
        drop(entered);
        Ok(Self { runtime, tasks, health, pauses })
    }

    /// What there is to say about them.
    pub fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// The ways into them past Redis.
    pub fn side_doors(&self) -> SideDoors {
        let doors = self.health.entries.iter();
        doors.map(|(queue, entry)| (*queue, entry.side_door.clone())).collect()
    }

    /// Which queues rest.
    pub fn pauses(&self) -> Pauses {
        self.pauses.clone()
    }

    /// Waits until every job has ended after the shutdown began.
    pub async fn wait(&self) {
        self.tasks.wait().await;
    }

    /// Ends the threads; one that is blocked is left behind.
    pub fn end(self) {
        self.runtime.shutdown_background();
    }
}

async fn beat(health: Arc<Health>) {
    let mut ticks = tokio::time::interval(BEAT);
    loop {
        ticks.tick().await;
        health.beat();
    }
}

/// A way into the consumer of each queue past Redis.
pub type SideDoors = HashMap<Queue, SideDoor>;

/// Whether jobs get their turn.
pub struct Health {
    entries: Vec<(Queue, Entry)>,
    start: Instant,
    beat_ms: AtomicU64,
}

impl Health {
    fn new(jobs: &[Job]) -> Self {
        let entries = jobs.iter().map(|job| (job.queue, Entry::default())).collect();
        Self { entries, start: Instant::now(), beat_ms: AtomicU64::new(0) }
    }

    fn beat(&self) {
        self.beat_ms.store(self.uptime_ms(), Ordering::Relaxed);
    }

    fn uptime_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long no thread has been free; below the length of a beat all is well.
    pub fn threads_blocked_for(&self) -> Duration {
        let beat = self.beat_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.uptime_ms().saturating_sub(beat)).saturating_sub(BEAT)
    }

    /// Time since each queue was last heard of; `None` before the first time.
    pub fn last_fetch_ages(&self) -> Vec<(Queue, Option<Duration>)> {
        self.entries.iter().map(|(queue, entry)| (*queue, entry.last_fetch.age())).collect()
    }

    /// Brings the metrics up to date.
    pub fn show(&self) {
        let number = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        THREADS_BLOCKED_MS.set(number(self.threads_blocked_for()));
        for (queue, age) in self.last_fetch_ages() {
            let age = age.map_or(-1, number);
            LAST_FETCH_MS.with_label_values(&[queue.name()]).set(age);
        }
    }
}
