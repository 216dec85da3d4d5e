//! Counts what providers did with our texts, by the hour: calls, times, codes that were used.

use chrono::TimeDelta;
use futures_util::FutureExt;
use shared::sms::learning::{self, Counting};

use super::{CronJob, End, Run};
use crate::Environment;

/// Every five minutes, beside the full minute of the others.
pub const JOB: CronJob = CronJob {
    name: "count-provider-hours",
    alias: None,
    schedule: "50 */5 * * * *",
    about: "Counts what each provider did with our texts, by the hour",
    work: |env, run| count(env, run).boxed(),
    count: |env| due(env).boxed(),
};

async fn due(env: &Environment) -> Result<i64, sqlx::Error> {
    let hours = learning::stale_hours(&env.pool, env.clock.now()).await?;
    Ok(hours.len().try_into().unwrap_or(i64::MAX))
}

async fn count(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    for hour in learning::stale_hours(&env.pool, env.clock.now()).await? {
        let hour = (hour, hour + TimeDelta::hours(1));
        let mut counting = Counting::of(hour, env.config.sms.price_rials);
        loop {
            if !run.still_mine().await? {
                return Ok(End::Stopped);
            }
            if !counting.step(&env.pool).await? {
                break;
            }
        }
        let hours = counting.into_hours();
        learning::write(&env.pool, &hours).await?;
        run.count(hours.len().try_into().unwrap_or(i64::MAX));
    }
    Ok(End::Done)
}
