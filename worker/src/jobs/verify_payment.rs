//! Looks at a payment: claim, ask its gateway, settle. What the gateway says alone counts.

use futures_util::{FutureExt, future::join_all};
use shared::{
    batch::WriteError,
    events::Outcome,
    jobs::{Queue, RowId},
};

use super::{Job, reply};
use crate::Environment;

/// Payments to look at.
pub const JOB: Job = Job {
    queue: Queue::Payments,
    limit: |config| config.payments.lease() * 2,
    run: |id, env| verify_payment(id, env).boxed(),
    tidy: |env| env.payments.tidy().boxed(),
    take_due: |env, room| env.payments.take_due(room).boxed(),
    backlog: |env| env.payments.backlog().boxed(),
};

async fn verify_payment(id: RowId, env: &Environment) -> Result<(), WriteError> {
    let Some(claim) = env.payments.claim(id).await? else { return Ok(()) };
    let looked = env.payments.look(&claim).await;
    // If this fails, the lease runs out and the gateway is asked again, which does no harm.
    let settled = env.payments.settle(claim, looked).await?;
    if settled.due {
        env.pusher.push(Queue::Payments, id);
    }
    join_all(settled.waiting.iter().map(|waiter| reply(env, waiter, Outcome::Payment))).await;
    Ok(())
}
