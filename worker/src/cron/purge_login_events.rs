//! Deletes what went wrong on the way in after thirty days.

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use shared::{admin::timeline::kept, login_events};

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-login-events",
    alias: None,
    schedule: "0 10 2 * * *",
    about: "Deletes refused sends and codes that were not right of more than 30 days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| login_events::count_old(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - kept::LOGIN_EVENTS
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| login_events::purge(&env.pool, slice)).await
}
