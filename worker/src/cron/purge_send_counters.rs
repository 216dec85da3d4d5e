//! Deletes the counters of the daily caps of texts after thirty days.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-send-counters",
    alias: None,
    schedule: "0 0 2 * * *",
    about: "Deletes the daily counters of texts of more than 30 days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| env.otp.count_counters(before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(30)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| env.otp.purge_counters(slice)).await
}
