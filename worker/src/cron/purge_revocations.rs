//! Deletes what every api process had to know of ended sessions, an hour after their access tokens have
//! expired, and tickets of WebSockets an hour after they were good for nothing: clocks of processes
//! differ.

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
    about: "Deletes revocations whose access tokens expired more than an hour ago, and such tickets of WebSockets",
    work: |env, run| purge(env, run).boxed(),
    count: |env| count(env).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::hours(1)
}

async fn count(env: &Environment) -> Result<i64, sqlx::Error> {
    let revocations = sessions::count_old_revocations(&env.pool, before(env)).await?;
    Ok(revocations + env.chat.count_old_tickets(before(env)).await?)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let before = before(env);
    let revocations = |slice| sessions::purge_revocations(&env.pool, slice);
    if run.in_batches(before, revocations).await? == End::Stopped {
        return Ok(End::Stopped);
    }
    run.in_batches(before, |slice| env.chat.purge_tickets(slice)).await
}
