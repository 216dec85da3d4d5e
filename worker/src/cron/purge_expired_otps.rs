//! Deletes one-time codes, their requests and what changes of numbers were asked for with them a
//! day after they ended. The day is kept because the
//! rows carry the daily caps of their number.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::auth::phone_change;

use super::{CronJob, End, Run};
use crate::Environment;

/// Every ten minutes. `clear_expired` is its name in django-rest-sms-auth.
pub const JOB: CronJob = CronJob {
    name: "purge-expired-otps",
    alias: Some("clear_expired"),
    schedule: "0 */10 * * * *",
    about: "Deletes one-time codes, requests and unconfirmed changes of numbers that ended more than a day ago",
    work: |env, run| purge(env, run).boxed(),
    count: |env| count(env).boxed(),
};

fn before(env: &Environment) -> DateTime<Utc> {
    env.clock.now() - TimeDelta::days(1)
}

async fn count(env: &Environment) -> Result<i64, sqlx::Error> {
    let codes = env.otp.count_purgeable(before(env)).await?;
    Ok(codes + phone_change::count_purgeable(&env.pool, before(env)).await?)
}

async fn purge(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let before = before(env);
    if run.in_batches(before, |slice| env.otp.purge_codes(slice)).await? == End::Stopped
        || run.in_batches(before, |slice| env.otp.purge_requests(slice)).await? == End::Stopped
    {
        return Ok(End::Stopped);
    }
    run.in_batches(before, |slice| phone_change::purge(&env.pool, slice)).await
}
