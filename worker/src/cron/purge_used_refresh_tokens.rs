//! Deletes what is known of refresh tokens of the old system that were used and have expired since.
//!
//! `flushexpiredtokens` is what simplejwt calls its own.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::auth::legacy;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-used-refresh-tokens",
    alias: Some("flushexpiredtokens"),
    schedule: "0 55 1 * * *",
    about: "Deletes used refresh tokens of the old system that expired more than a day ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| legacy::count_expired(&env.pool, before(env)).boxed(),
};

/// A day, so that no clock that is behind takes one of them for new.
fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(1)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| legacy::purge(&env.pool, slice)).await
}
