//! Takes away what belonged to rooms that were deleted.

use futures_util::FutureExt;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-deleted-rooms",
    alias: None,
    schedule: "0 15 3 * * *",
    about: "Deletes the messages and events of rooms that were deleted `chat.deleted_days` ago, and the rooms",
    work: |env, run| purge(env, run).boxed(),
    count: |env| env.chat.count_deleted_rooms().boxed(),
};

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    while env.chat.delete_empty_rooms().await? > 0 {
        if !run.still_mine().await? {
            return Ok(End::Stopped);
        }
    }
    loop {
        if !run.still_mine().await? {
            return Ok(End::Stopped);
        }
        let rows = env.chat.purge_deleted_room().await?;
        if rows == 0 {
            return Ok(End::Done);
        }
        run.count(rows);
    }
}
