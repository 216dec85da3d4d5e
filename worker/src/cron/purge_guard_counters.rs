//! Deletes the guard's counters the day after: those of addresses are many, and name addresses.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::otp::guard;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-guard-counters",
    alias: None,
    schedule: "0 50 1 * * *",
    about: "Deletes the guard's counters of the days before yesterday",
    work: |env, run| purge(env, run).boxed(),
    count: |env| guard::count_counters(&env.pool, before(env)).boxed(),
};

/// A code sent before midnight may be verified after it.
fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(1)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| guard::purge_counters(&env.pool, slice)).await
}
