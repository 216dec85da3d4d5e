//! Deletes sessions thirty days after they ended: were revoked, or could not be refreshed any more.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::sessions;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-ended-sessions",
    alias: None,
    schedule: "0 45 1 * * *",
    about: "Deletes sessions that were revoked or expired more than 30 days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| sessions::count_ended(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(30)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| sessions::purge(&env.pool, slice)).await
}
