//! Deletes events of the audit log after `audit.keep_days`.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::audit;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-audit-events",
    alias: None,
    schedule: "0 40 2 * * *",
    about: "Deletes events of the audit log that were kept for audit.keep_days",
    work: |env, run| purge(env, run).boxed(),
    count: |env| audit::count_old(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(env.config.audit.keep_days.into())
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| audit::purge(&env.pool, slice)).await
}
