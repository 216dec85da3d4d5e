//! Deletes the rows of processes that were killed, a day after they were last seen.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::processes;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night. A process that is told to stop takes its row away itself.
pub const JOB: CronJob = CronJob {
    name: "purge-gone-processes",
    alias: None,
    schedule: "0 20 2 * * *",
    about: "Deletes the rows of processes that were last seen more than a day ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| processes::count_gone(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(1)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| processes::purge(&env.pool, slice)).await
}
