//! Deletes one-time codes and their requests a day after they ended. The day is kept because the
//! rows carry the daily caps of their number.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;

use super::{CronJob, End, Run};
use crate::Environment;

/// Every ten minutes. `clear_expired` is its name in django-rest-sms-auth.
pub const JOB: CronJob = CronJob {
    name: "purge-expired-otps",
    alias: Some("clear_expired"),
    schedule: "0 */10 * * * *",
    about: "Deletes one-time codes and requests that ended more than a day ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| env.otp.count_purgeable(before(env)).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(1)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let before = before(env);
    match run.in_batches(before, |slice| env.otp.purge_codes(slice)).await? {
        End::Done => run.in_batches(before, |slice| env.otp.purge_requests(slice)).await,
        End::Stopped => Ok(End::Stopped),
    }
}
