//! Asks providers what is left on our accounts, where they can be asked.

use futures_util::{FutureExt, future::join_all};
use shared::sms::{providers::Unanswered, standing};

use super::{CronJob, End, Run};
use crate::{Environment, guard::Guard};

/// Every ten minutes.
pub const JOB: CronJob = CronJob {
    name: "poll-provider-balances",
    alias: None,
    schedule: "40 */10 * * * *",
    about: "Asks providers what is left on the accounts, and warns below sms.low_balance",
    work: |env, run| poll(env, run).boxed(),
    count: |env| std::future::ready(Ok(env.providers.len().try_into().unwrap_or(i64::MAX))).boxed(),
};

/// All at once: one that hangs costs no more than its budget.
async fn poll(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    if !run.still_mine().await? {
        return Ok(End::Stopped);
    }
    for known in join_all(env.providers.iter().map(|provider| ask(env, provider))).await {
        run.count(known?.into());
    }
    Ok(End::Done)
}

/// Whether the provider said it.
async fn ask(env: &Environment, provider: &Guard) -> Result<bool, sqlx::Error> {
    let name = provider.name();
    match provider.balance().await {
        Ok(balance) => {
            let least = env.config.sms.low_balance.get(name).copied();
            standing::record_balance(&env.pool, &env.outbox, name, &balance, least).await?;
            Ok(true)
        }
        Err(Unanswered::Unsupported) => Ok(false),
        Err(Unanswered::Unavailable(code)) => {
            tracing::warn!(provider = name, code, "no word about the balance");
            Ok(false)
        }
    }
}
