//! Deletes events and their deliveries after `webhooks.keep_days`.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::webhooks::deliveries;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-webhook-events",
    alias: None,
    schedule: "0 30 2 * * *",
    about: "Deletes webhook events and their deliveries that are older than webhooks.keep_days",
    work: |env, run| purge(env, run).boxed(),
    count: |env| deliveries::count_purgeable(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(env.config.webhooks.keep_days.into())
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| deliveries::purge(&env.pool, slice)).await
}
