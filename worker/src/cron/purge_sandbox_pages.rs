//! Deletes pages of the sandbox bank thirty days after they were opened.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::payments::gateways::sandbox;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night. There are none in production.
pub const JOB: CronJob = CronJob {
    name: "purge-sandbox-pages",
    alias: None,
    schedule: "0 50 2 * * *",
    about: "Deletes pages of the sandbox bank that were opened more than 30 days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| sandbox::count_old(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(30)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| sandbox::purge(&env.pool, slice)).await
}
