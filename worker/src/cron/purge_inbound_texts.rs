//! Deletes inbound texts after `sms.inbound_retention_days`.

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use shared::sms::inbound;

use super::{CronJob, End, Run};
use crate::Environment;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-inbound-texts",
    alias: None,
    schedule: "0 35 1 * * *",
    about: "Deletes inbound texts that came more than sms.inbound_retention_days ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| inbound::count_purgeable(&env.pool, before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    inbound::kept_since(env.clock.now(), &env.config)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    run.in_batches(before(env), |slice| inbound::purge(&env.pool, slice)).await
}
