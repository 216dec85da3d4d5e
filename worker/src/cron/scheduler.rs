//! Fires cron jobs when they are due, while this process leads.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use shared::{leases, telemetry::CRON_RUNS};
use tokio_util::sync::CancellationToken;

use super::{CronJob, Mode, store};
use crate::{CRON_JOBS, Environment};

/// The duty's name in `leases`.
const LEASE: &str = "cron";
const LEASE_TTL: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_secs(1);

/// Fires what is due, once a second, until `shutdown`.
pub async fn run(env: Arc<Environment>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = fire_if_leader(&env).await {
            tracing::warn!(%error, "cron tick failed");
        }
    }
    let _ = leases::release(&env.pool, LEASE, &env.process).await;
}

async fn fire_if_leader(env: &Arc<Environment>) -> Result<(), sqlx::Error> {
    if leases::acquire(&env.pool, LEASE, &env.process, LEASE_TTL).await?.is_none() {
        return Ok(());
    }
    let now = env.clock.now();
    let runs = store::last_runs(&env.pool).await?;
    for job in CRON_JOBS {
        let last = runs.iter().find(|run| run.job == job.name).map(|run| run.fire_at);
        let Some(fire_at) = due(job, env, last, now) else { continue };
        if store::begin(&env.pool, job.name, fire_at, &env.process).await? {
            tokio::spawn(perform(env.clone(), job, fire_at));
        }
    }
    Ok(())
}

/// The latest firing that is due and was not made: several missed ones are caught up by one run.
fn due(
    job: &CronJob,
    env: &Environment,
    last: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let schedule = job.schedule(&env.config).ok().flatten()?;
    // A job that never ran begins with the next time it is due.
    let since = last.unwrap_or(now - TICK * 2);
    let mut missed = schedule.after(&since).take_while(|at| *at <= now);
    let first = missed.next()?;
    // Look back from now instead of walking every missed firing since a long standstill.
    let recent = now - chrono::TimeDelta::days(32);
    let from = since.max(recent);
    Some(schedule.after(&from).take_while(|at| *at <= now).last().unwrap_or(first))
}

async fn perform(env: Arc<Environment>, job: &'static CronJob, fire_at: DateTime<Utc>) {
    if let Err(error) = perform_recorded(&env, job, fire_at).await {
        tracing::error!(job = job.name, %error, "cron run not recorded");
    }
}

async fn perform_recorded(
    env: &Environment,
    job: &CronJob,
    fire_at: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let result = (job.work)(env, Mode::Real).await;
    let label = if result.is_ok() { "ok" } else { "error" };
    CRON_RUNS.with_label_values(&[job.name, label]).inc();
    let rows = result.as_ref().ok().and_then(|rows| i64::try_from(*rows).ok());
    let error = result.as_ref().err().map(ToString::to_string);
    tracing::info!(job = job.name, rows, error, "cron run");
    store::finish(&env.pool, job.name, fire_at, rows, error.as_deref()).await?;
    result
}

/// Runs a job now, whoever leads; recorded like any other firing unless it is a dry run.
///
/// # Errors
/// When the work fails or cannot be recorded.
pub async fn run_now(env: &Environment, job: &CronJob, mode: Mode) -> Result<u64, sqlx::Error> {
    if mode == Mode::DryRun {
        return (job.work)(env, mode).await;
    }
    let fire_at = env.clock.now();
    store::begin(&env.pool, job.name, fire_at, &env.process).await?;
    perform_recorded(env, job, fire_at).await
}
