//! Deletes settled messages and their attempts after thirty days.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::sms::deliveries;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-sms-messages",
    alias: None,
    schedule: "0 30 1 * * *",
    about: "Deletes text messages and their attempts that ended more than 30 days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| deliveries::count_purgeable(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(30)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| deliveries::purge(&env.pool, slice)).await
}
