//! Deletes what reconciliation found after four hundred days: a year, to compare with.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-payment-reports",
    alias: None,
    schedule: "0 40 2 * * *",
    about: "Deletes reports of reconciliation of more than 400 days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| env.payments.count_old_reports(before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(400)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| env.payments.purge_reports(slice)).await
}
