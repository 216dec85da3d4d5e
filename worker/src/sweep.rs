//! The one-second sweep: what makes Redis a doorbell and not a store.
//!
//! Under a leader lease it expires rows past their life, takes back the leases of dead workers
//! and pushes due rows, never more than a window's worth, so that no backlog floods Redis.

use std::{sync::Arc, time::Duration};

use shared::{
    jobs::Queue,
    leases,
    queue::QueueServer,
    sms::deliveries,
    telemetry::{QUEUE_DEPTH, QUEUE_DUE, QUEUE_OLDEST_MS, SWEPT_ROWS},
};
use tokio_util::sync::CancellationToken;

use crate::Environment;

/// The duty's name in `leases`.
const LEASE: &str = "sweep";

/// Sweeps until `shutdown`, whenever this process leads.
pub async fn run(env: Arc<Environment>, shutdown: CancellationToken) {
    let period = Duration::from_millis(env.config.worker.sweep_ms);
    let queues = QueueServer::new(&env.config.redis);
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = sweep_if_leader(&env, &queues, period).await {
            tracing::warn!(%error, "sweep failed");
        }
    }
    if let Err(error) = leases::release(&env.pool, LEASE, &env.process).await {
        tracing::debug!(%error, "lease left to run out");
    }
}

async fn sweep_if_leader(
    env: &Environment,
    queues: &QueueServer,
    period: Duration,
) -> Result<(), sqlx::Error> {
    // Long enough to survive a slow sweep, short enough for a quick successor. Two sweeps at once
    // would do no harm: rows are taken with their locks.
    let ttl = (period * 5).max(Duration::from_secs(1));
    if leases::acquire(&env.pool, LEASE, &env.process, ttl).await?.is_none() {
        return Ok(());
    }
    for queue in Queue::ALL {
        sweep(env, queues, queue).await?;
    }
    Ok(())
}

async fn sweep(env: &Environment, queues: &QueueServer, queue: Queue) -> Result<(), sqlx::Error> {
    let window = u64::from(env.config.worker.queue_window);
    // Without Redis nothing is pushed: the rows would only be marked for nothing.
    let room = match queues.depth(queue).await {
        Ok(depth) => {
            QUEUE_DEPTH.with_label_values(&[queue.name()]).set(clamp(depth));
            clamp(window.saturating_sub(depth))
        }
        Err(error) => {
            tracing::warn!(queue = queue.name(), %error, "queue depth unknown, nothing pushed");
            0
        }
    };
    let swept = deliveries::sweep(&env.pool, queue, room, env.clock.now()).await?;
    for (found, rows) in [
        ("due", swept.due.len() as u64),
        ("expired", swept.expired),
        ("lost_lease", swept.reclaimed),
    ] {
        SWEPT_ROWS.with_label_values(&[found]).inc_by(rows);
    }
    for id in swept.due {
        env.pusher.push(queue, id);
    }
    let (due, oldest_seconds) = deliveries::backlog(&env.pool, queue).await?;
    QUEUE_DUE.with_label_values(&[queue.name()]).set(due);
    let oldest = Duration::try_from_secs_f64(oldest_seconds).unwrap_or_default();
    QUEUE_OLDEST_MS
        .with_label_values(&[queue.name()])
        .set(i64::try_from(oldest.as_millis()).unwrap_or(i64::MAX));
    Ok(())
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
