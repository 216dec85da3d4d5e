//! Deletes blocks of numbers and addresses a day after they were over.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::blocks;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-expired-blocks",
    alias: None,
    schedule: "0 20 2 * * *",
    about: "Deletes blocks of numbers and addresses that were over more than a day ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| blocks::count_purgeable(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(1)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| blocks::purge(&env.pool, slice)).await
}
