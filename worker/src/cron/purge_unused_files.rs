//! Deletes files that no message has after `chat.files.unused_hours`, and what is left of uploads that
//! broke off.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::chat::files::Files;

use super::{CronJob, End, Run};
use crate::Environment;

/// Every hour.
pub const JOB: CronJob = CronJob {
    name: "purge-unused-files",
    alias: None,
    schedule: "0 20 * * * *",
    about: "Deletes uploaded files that no message has after chat.files.unused_hours",
    work: |env, run| purge(env, run).boxed(),
    count: |env| Files::count_unused(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::hours(env.config.chat.files.unused_hours.into())
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let now = env.clock.now();
    run.in_batches(before(env), |slice| env.files.purge_unused(&env.pool, slice, now)).await
}
