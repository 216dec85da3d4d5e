//! Deletes idempotency keys a day after they came: then they are over.

use futures_util::FutureExt;
use shared::idempotency;

use super::{CronJob, End, Run};
use crate::Environment;

/// Every ten minutes.
pub const JOB: CronJob = CronJob {
    name: "purge-idempotency-keys",
    alias: None,
    schedule: "30 */10 * * * *",
    about: "Deletes idempotency keys of more than 24 hours ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| idempotency::count_purgeable(&env.pool, env.clock.now()).boxed(),
};

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(env.clock.now(), |slice| idempotency::purge(&env.pool, slice)).await
}
