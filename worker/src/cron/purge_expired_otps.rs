//! Deletes one-time codes and their requests a day after they ended. The day is kept because the
//! rows carry the daily caps of their number.

use chrono::TimeDelta;
use futures_util::FutureExt;

use super::{CronJob, Mode};
use crate::Environment;

/// Rows deleted by one statement.
const BATCH: i64 = 1_000;

/// Every ten minutes. `clear_expired` is its name in django-rest-sms-auth.
pub const JOB: CronJob = CronJob {
    name: "purge-expired-otps",
    alias: Some("clear_expired"),
    schedule: "0 */10 * * * *",
    about: "Deletes one-time codes and requests that ended more than a day ago",
    work: |env, mode| purge(env, mode).boxed(),
};

async fn purge(env: &Environment, mode: Mode) -> Result<u64, sqlx::Error> {
    let before = env.clock.now() - TimeDelta::days(1);
    if mode == Mode::DryRun {
        return env.otp.purge(before, BATCH, true).await;
    }
    let mut total = 0;
    loop {
        let rows = env.otp.purge(before, BATCH, false).await?;
        total += rows;
        if rows == 0 {
            return Ok(total);
        }
    }
}
