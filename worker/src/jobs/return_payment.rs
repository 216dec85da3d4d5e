//! Asks a gateway to give a payment's money back: claim, call, settle.

use futures_util::FutureExt;
use shared::{
    batch::WriteError,
    events::Outcome,
    jobs::{Queue, RowId},
};

use super::{Job, reply};
use crate::Environment;

/// Money on its way back.
pub const JOB: Job = Job {
    queue: Queue::Returns,
    limit: |config| config.payments.lease() * 2,
    run: |id, env| return_payment(id, env).boxed(),
    tidy: |env| env.payments.tidy_returns().boxed(),
    take_due: |env, room| env.payments.take_due_returns(room).boxed(),
    backlog: |env| env.payments.return_backlog().boxed(),
};

/// Works on one row, and tells whoever waits for it that it is over.
async fn return_payment(id: RowId, env: &Environment) -> Result<(), WriteError> {
    let Some(done) = env.payments.perform_return(id).await? else { return Ok(()) };
    if let Some(waiter) = &done.reply_to {
        reply(env, waiter, Outcome::Payment).await;
    }
    Ok(())
}
