//! Does the work of one run and writes down how it ended.

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use shared::telemetry::{CRON_LAST_MS, CRON_RUNS};
use tokio_util::sync::CancellationToken;

use super::{
    CronJob, End, Run,
    store::{self, Ending},
};
use crate::Environment;

/// Makes way for a run if the one before it died.
pub(super) async fn bury(env: &Environment, job: &str) -> Result<(), sqlx::Error> {
    let died = store::bury(&env.pool, job).await?;
    if died > 0 {
        tracing::warn!(job, "the cron run before this one died");
        CRON_RUNS.with_label_values(&[job, "died"]).inc_by(died);
    }
    Ok(())
}

/// A run that has just been written down.
pub(super) fn begun(
    env: &Environment,
    job: &CronJob,
    fire_at: DateTime<Utc>,
    stop: CancellationToken,
) -> Run {
    Run {
        pool: env.pool.clone(),
        job: job.name,
        fire_at,
        holder: env.process.clone(),
        stop,
        rows: AtomicI64::new(0),
    }
}

/// Does the work of a firing.
pub(super) async fn perform(env: Arc<Environment>, job: &'static CronJob, run: Run) {
    // The error was logged; the next firing tries again.
    let _ = perform_recorded(&env, job, &run).await;
}

/// Does the work and writes down how it ended.
async fn perform_recorded(env: &Environment, job: &CronJob, run: &Run) -> Result<End, sqlx::Error> {
    let began = Instant::now();
    let result = (job.work)(env, run).await;
    let ending = ending(&result, began.elapsed());
    CRON_RUNS.with_label_values(&[job.name, ending.outcome]).inc();
    CRON_LAST_MS.with_label_values(&[job.name]).set(ending.took_ms);
    let (rows, Ending { outcome, took_ms, error }) = (run.rows(), &ending);
    tracing::info!(job = job.name, outcome, rows, took_ms, error, "cron run");
    match store::finish(run, &ending).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(job = job.name, "cron run had been taken for dead"),
        Err(error) => tracing::error!(job = job.name, %error, "cron run not recorded"),
    }
    result
}

fn ending(result: &Result<End, sqlx::Error>, took: Duration) -> Ending {
    let outcome = match result {
        Ok(End::Done) => "ok",
        Ok(End::Stopped) => "stopped",
        Err(_) => "error",
    };
    Ending {
        outcome,
        took_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
        error: result.as_ref().err().map(ToString::to_string),
    }
}

/// What came of wanting to run a job by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByHand {
    /// It ran to its end.
    Done { rows: i64 },
    /// A run of it is under way; nothing was done.
    UnderWay,
    /// It was told to stop.
    Stopped { rows: i64 },
}

/// Runs a job now, whoever leads; recorded like any other run.
///
/// # Errors
/// When the work fails or its beginning cannot be recorded.
pub(super) async fn run_by_hand(
    env: &Environment,
    job: &'static CronJob,
    stop: CancellationToken,
) -> Result<ByHand, sqlx::Error> {
    let fire_at = env.clock.now();
    bury(env, job.name).await?;
    if !store::claim_by_hand(&env.pool, job.name, fire_at, &env.process).await? {
        return Ok(ByHand::UnderWay);
    }
    let run = begun(env, job, fire_at, stop);
    let end = perform_recorded(env, job, &run).await?;
    let rows = run.rows();
    Ok(if end == End::Done { ByHand::Done { rows } } else { ByHand::Stopped { rows } })
}
