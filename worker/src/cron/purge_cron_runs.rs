//! Deletes records of cron runs after ninety days. The latest of each job stays: it says which
//! firings have been made.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;

use super::{CronJob, End, Run, store};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-cron-runs",
    alias: None,
    schedule: "0 15 2 * * *",
    about: "Deletes records of cron runs of more than 90 days ago, never a job's latest",
    work: |env, run| purge(env, run).boxed(),
    count: |env| store::count_purgeable(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(90)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| store::purge(&env.pool, slice)).await
}
