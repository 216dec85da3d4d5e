//! Deletes what the guard against pumping decided after thirty days.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::otp::guard;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-guard-decisions",
    alias: None,
    schedule: "0 5 2 * * *",
    about: "Deletes decisions of the guard of more than 30 days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| guard::count_decisions(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(30)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| guard::purge_decisions(&env.pool, slice)).await
}
