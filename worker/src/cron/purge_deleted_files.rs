//! Deletes the files of messages and rooms that were deleted, after `chat.deleted_days`.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::chat::files::Files;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night, before the rooms themselves go.
pub const JOB: CronJob = CronJob {
    name: "purge-deleted-files",
    alias: None,
    schedule: "0 10 1 * * *",
    about: "Deletes files of messages and rooms that were deleted more than chat.deleted_days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| Files::count_deleted(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(env.config.chat.deleted_days.into())
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let before = before(env);
    if run.in_batches(before, |slice| env.files.purge_deleted(&env.pool, slice)).await?
        == End::Stopped
    {
        return Ok(End::Stopped);
    }
    run.in_batches(before, |slice| env.files.purge_of_rooms(&env.pool, slice)).await
}
