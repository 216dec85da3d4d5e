//! Asks gateways what was paid and not verified, where they tell: so payments are found too that were
//! given up.

use futures_util::FutureExt;
use shared::{jobs::Queue, payments::gateways::Unanswered};

use super::{CronJob, End, Run};
use crate::Environment;

/// Every two minutes.
pub const JOB: CronJob = CronJob {
    name: "list-unverified-payments",
    alias: None,
    schedule: "15 0/2 * * * *",
    about: "Asks gateways that tell (ZarinPal) what was paid and not verified, and verifies what is ours",
    work: |env, run| list(env, run).boxed(),
    count: |_| std::future::ready(Ok(0)).boxed(),
};

async fn list(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let gateways = env.payments.gateways().iter();
    for gateway in gateways.filter(|gateway| gateway.capabilities().unverified) {
        if !run.still_mine().await? {
            return Ok(End::Stopped);
        }
        let list = match gateway.unverified().await {
            Ok(list) => list,
            Err(Unanswered::Unsupported) => continue,
            Err(Unanswered::Unavailable(code)) => {
                tracing::warn!(gateway = gateway.name(), code, "no list of unverified payments");
                continue;
            }
        };
        let listed = env.payments.hear_unverified(gateway.name(), &list).await?;
        for id in &listed.due {
            env.pusher.push(Queue::Payments, *id);
        }
        let changed = listed.due.len() + listed.to_review;
        run.count(i64::try_from(changed).unwrap_or(i64::MAX));
    }
    Ok(End::Done)
}
