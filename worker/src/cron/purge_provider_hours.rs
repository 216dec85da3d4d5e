//! Deletes what was counted of providers after four hundred days: a year, to compare with.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::sms::learning;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-provider-hours",
    alias: None,
    schedule: "0 35 2 * * *",
    about: "Deletes what was counted of providers more than 400 days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| learning::count_purgeable(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(400)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| learning::purge(&env.pool, slice)).await
}
