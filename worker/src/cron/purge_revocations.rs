//! Deletes revocations that are over: the access tokens they were about have expired by themselves.

use futures_util::FutureExt;
use shared::sessions;

use super::{CronJob, End, Run};
use crate::Environment;

/// Every ten minutes.
pub const JOB: CronJob = CronJob {
    name: "purge-revocations",
    alias: None,
    schedule: "15 */10 * * * *",
    about: "Deletes revocations whose access tokens have expired",
    work: |env, run| purge(env, run).boxed(),
    count: |env| sessions::count_old_revocations(&env.pool, env.clock.now()).boxed(),
};

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(env.clock.now(), |slice| sessions::purge_revocations(&env.pool, slice)).await
}
