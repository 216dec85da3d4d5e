//! Deletes invitations to organizations thirty days after they were answered, withdrawn or expired.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::organizations;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-ended-invitations",
    alias: None,
    schedule: "0 45 2 * * *",
    about: "Deletes invitations to organizations that ended more than 30 days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| organizations::count_ended_invitations(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(30)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| organizations::purge_invitations(&env.pool, slice)).await
}
