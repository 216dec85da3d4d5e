//! Deletes settled messages and their attempts after thirty days.

use chrono::TimeDelta;
use futures_util::FutureExt;
use shared::sms::deliveries;

use super::{CronJob, Mode};
use crate::Environment;

/// Rows deleted by one statement.
const BATCH: i64 = 1_000;

/// Once a night.
pub const JOB: CronJob = CronJob {
    name: "purge-sms-messages",
    alias: None,
    schedule: "0 30 1 * * *",
    about: "Deletes text messages and their attempts that ended more than 30 days ago",
    work: |env, mode| purge(env, mode).boxed(),
};

async fn purge(env: &Environment, mode: Mode) -> Result<u64, sqlx::Error> {
    let before = env.clock.now() - TimeDelta::days(30);
    if mode == Mode::DryRun {
        return deliveries::count_purgeable(&env.pool, before).await;
    }
    let mut total = 0;
    loop {
        let rows = deliveries::purge(&env.pool, before, BATCH).await?;
        total += rows;
        if rows == 0 {
            return Ok(total);
        }
    }
}
