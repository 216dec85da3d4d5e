//! Gives back what users set aside and nobody asked for in time.

use futures_util::FutureExt;

use super::{CronJob, End, Run};
use crate::Environment;

/// Every minute.
pub const JOB: CronJob = CronJob {
    name: "release-expired-holds",
    alias: None,
    schedule: "20 * * * * *",
    about: "Gives back what was set aside in wallets and whose time is over",
    work: |env, run| release(env, run).boxed(),
    count: |env| env.wallets.count_expired().boxed(),
};

async fn release(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    while run.still_mine().await? {
        let (released, more) = env.wallets.release_expired().await?;
        run.count(released);
        if !more {
            return Ok(End::Done);
        }
    }
    Ok(End::Stopped)
}
