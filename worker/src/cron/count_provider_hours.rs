//! Counts what providers did with our texts, by the hour: calls, times, codes that were used.

use futures_util::FutureExt;
use shared::sms::learning;

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
        if !run.still_mine().await? {
            return Ok(End::Stopped);
        }
        let rows = learning::count_hour(&env.pool, hour, env.config.sms.price_rials).await?;
        run.count(rows.try_into().unwrap_or(i64::MAX));
    }
    Ok(End::Done)
}
