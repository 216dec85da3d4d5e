//! Deletes what every api process had to know of ended sessions, an hour after their access tokens have
//! expired: clocks of processes differ.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::sessions;

use super::{CronJob, End, Run};
use crate::Environment;

/// Every ten minutes.
pub const JOB: CronJob = CronJob {
    name: "purge-revocations",
    alias: None,
    schedule: "15 */10 * * * *",
    about: "Deletes revocations whose access tokens expired more than an hour ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| sessions::count_old_revocations(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::hours(1)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| sessions::purge_revocations(&env.pool, slice)).await
}
