//! Asks providers what became of the messages they took, where they can be asked.

use futures_util::FutureExt;
use shared::sms::reports;

use super::{CronJob, End, Run};
use crate::{Environment, guard::Guard};

/// Questions to one provider in one run: what is left is due in the next.
const QUESTIONS: usize = 50;

/// Every minute.
pub const JOB: CronJob = CronJob {
    name: "poll-delivery-reports",
    alias: None,
    schedule: "20 * * * * *",
    about: "Asks providers what became of messages: 1, 3, 10, 30 minutes and 6 hours after the last",
    work: |env, run| poll(env, run).boxed(),
    count: |env| reports::count_due(&env.pool).boxed(),
};

async fn poll(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    for provider in env.providers.iter().filter(|provider| provider.statuses_at_once() > 0) {
        for _ in 0..QUESTIONS {
            if !run.still_mine().await? {
                return Ok(End::Stopped);
            }
            if !ask(env, run, provider).await? {
                break;
            }
        }
    }
    Ok(End::Done)
}

/// One question; whether another one may follow.
async fn ask(env: &Environment, run: &Run, provider: &Guard) -> Result<bool, sqlx::Error> {
    let ids = reports::take_due(&env.pool, provider.name(), provider.statuses_at_once()).await?;
    if ids.is_empty() {
        return Ok(false);
    }
    match provider.statuses(&ids).await {
        Ok(said) => {
            let recorded = reports::record(&env.pool, &env.outbox, provider.name(), &said).await?;
            run.count(i64::try_from(recorded.changed.len()).unwrap_or(i64::MAX));
            Ok(true)
        }
        Err(error) => {
            // They come up again by themselves.
            tracing::warn!(provider = provider.name(), ?error, "no delivery reports");
            Ok(false)
        }
    }
}
