//! The sweep: what makes Redis a doorbell and not a store.
//!
//! Once a second, under a leader lease, it expires rows past their life, takes back the leases of
//! dead workers and pushes due rows, never more than a window's worth, so that no backlog floods
//! Redis. While a backlog lasts it fills the window again as soon as it has room. While Redis is away
//! it hands due rows to the consumers of its own process, as many as those have room for.
//! Of a queue that rests nothing is pushed; lives end and leases are taken back there as always.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use shared::{
    leases,
    queue::{QueueDepths, QueueServer},
    telemetry::{LEADER, QUEUE_DEPTH, QUEUE_DUE, QUEUE_OLDEST_MS, SWEEP_SECONDS, SWEPT_ROWS},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Environment, JOBS, consumers::SideDoors, jobs::Job, pauses::Pauses};

/// The duty's name in `leases`.
const LEASE: &str = "sweep";
/// Pause between two looks at a window that a backlog fills.
const REFILL_PAUSE: Duration = Duration::from_millis(50);

/// Sweeps until `shutdown`, whenever this process leads.
pub async fn run(
    env: Arc<Environment>,
    side_doors: SideDoors,
    pauses: Pauses,
    shutdown: CancellationToken,
) {
    let sweep = Sweep::new(&env, side_doors, pauses);
    while !shutdown.is_cancelled() {
        let begun = Instant::now();
        let backlog = sweep.all().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "sweep failed");
            false
        });
        let next = begun + sweep.period;
        let waiting = async {
            if backlog {
                sweep.refill_until(next).await;
            }
            tokio::time::sleep_until(next).await;
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = waiting => {}
        }
    }
    LEADER.with_label_values(&[LEASE]).set(0);
    if let Err(error) = leases::release(&env.pool, LEASE, &env.process).await {
        tracing::debug!(%error, "lease left to run out");
    }
}

struct Sweep<'a> {
    env: &'a Environment,
    depths: QueueDepths,
    side_doors: SideDoors,
    pauses: Pauses,
    /// Redis did not answer in this sweep: it is not waited for again.
    redis_away: AtomicBool,
    period: Duration,
    window: u64,
}

impl<'a> Sweep<'a> {
    fn new(env: &'a Environment, side_doors: SideDoors, pauses: Pauses) -> Self {
        let depths = QueueDepths::new(QueueServer::new(&env.config.redis));
        let window = u64::from(env.config.worker.queue_window);
        let (redis_away, period) = (AtomicBool::new(false), env.config.worker.sweep());
        Self { env, depths, side_doors, pauses, redis_away, period, window }
    }

    /// One whole sweep, if this process leads; whether a backlog stays behind. What fails for the
    /// rows of one queue keeps nobody from those of the others.
    async fn all(&self) -> Result<bool, sqlx::Error> {
        // Long enough to survive a slow sweep, short enough for a quick successor. Two sweeps at
        // once would do no harm: rows are taken with their locks.
        let ttl = (self.period * 5).max(Duration::from_secs(1));
        let (pool, process) = (&self.env.pool, &self.env.process);
        let leads = leases::acquire(pool, LEASE, process, ttl).await?.is_some();
        LEADER.with_label_values(&[LEASE]).set(i64::from(leads));
        let mut backlog = false;
        self.redis_away.store(false, Ordering::Relaxed);
        for job in JOBS {
            if leads {
                let _timer = SWEEP_SECONDS.with_label_values(&[job.queue.name()]).start_timer();
                if let Err(error) = self.tidy(job).await {
                    tracing::warn!(queue = job.queue.name(), %error, "rows not tidied");
                }
                match self.fill(job).await {
                    Ok(more) => backlog |= more,
                    Err(error) => tracing::warn!(queue = job.queue.name(), %error, "not filled"),
                }
            }
            // Every process shows the same: an alarm need not know who leads.
            if let Err(error) = self.measure(job).await {
                tracing::warn!(queue = job.queue.name(), %error, "backlog not counted");
            }
        }
        Ok(backlog)
    }

    async fn refill_until(&self, end: Instant) {
        while Instant::now() + REFILL_PAUSE < end {
            tokio::time::sleep(REFILL_PAUSE).await;
            for job in JOBS {
                if let Err(error) = self.fill(job).await {
                    tracing::warn!(queue = job.queue.name(), %error, "refill failed");
                    return;
                }
            }
        }
    }

    async fn tidy(&self, job: &Job) -> Result<(), sqlx::Error> {
        let tidied = (job.tidy)(self.env).await?;
        for (found, rows) in [("expired", tidied.expired), ("lost_lease", tidied.reclaimed)] {
            SWEPT_ROWS.with_label_values(&[found]).inc_by(rows);
        }
        Ok(())
    }

    /// Pushes as many due rows as the window has room for; whether more may be due. None of a queue that
    /// rests: they would be pushed again and again.
    async fn fill(&self, job: &Job) -> Result<bool, sqlx::Error> {
        if self.pauses.rests(job.queue) {
            return Ok(false);
        }
        let Some(depth) = self.depth(job).await else { return self.hand_in(job).await };
        let room = self.window.saturating_sub(depth);
        // Half a window is work for a while; small helpings would cost more than they bring.
        if room < self.window.div_ceil(2) {
            return Ok(true);
        }
        let due = (job.take_due)(self.env, clamp(room)).await?;
        SWEPT_ROWS.with_label_values(&["due"]).inc_by(due.len() as u64);
        let more = due.len() as u64 == room;
        for id in due {
            self.env.pusher.push(job.queue, id);
        }
        Ok(more)
    }

    /// Without Redis: hands in as many due rows as the process's own consumer has room for.
    async fn hand_in(&self, job: &Job) -> Result<bool, sqlx::Error> {
        let Some(door) = self.side_doors.get(&job.queue) else { return Ok(false) };
        let room = door.room();
        if room == 0 {
            return Ok(true);
        }
        let due = (job.take_due)(self.env, i64::try_from(room).unwrap_or(i64::MAX)).await?;
        SWEPT_ROWS.with_label_values(&["due"]).inc_by(due.len() as u64);
        let more = due.len() == room;
        for id in due {
            door.hand_in(id);
        }
        Ok(more)
    }

    async fn depth(&self, job: &Job) -> Option<u64> {
        if self.redis_away.load(Ordering::Relaxed) {
            return None;
        }
        let name = job.queue.name();
        match self.depths.of(job.queue).await {
            Ok(depth) => {
                QUEUE_DEPTH.with_label_values(&[name]).set(clamp(depth));
                Some(depth)
            }
            Err(error) => {
                tracing::warn!(queue = name, %error, "queue depth unknown, due rows are handed in");
                self.redis_away.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    async fn measure(&self, job: &Job) -> Result<(), sqlx::Error> {
        self.depth(job).await;
        let backlog = (job.backlog)(self.env).await?;
        let name = job.queue.name();
        QUEUE_DUE.with_label_values(&[name]).set(backlog.due);
        let oldest = i64::try_from(backlog.oldest.as_millis()).unwrap_or(i64::MAX);
        QUEUE_OLDEST_MS.with_label_values(&[name]).set(oldest);
        Ok(())
    }
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
