//! Asks a gateway to give a payment's money back: claim, call, settle.

use futures_util::FutureExt;
use shared::{
    batch::WriteError,
    events::{MessageSettled, ReplyTo, reply_channel},
    jobs::{Queue, RowId},
    sms::MessageStatus,
};

use super::Job;
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
    let Some(address) = done.reply_to.as_deref().and_then(ReplyTo::parse) else { return Ok(()) };
    let channel = reply_channel(&env.config.redis.prefix, &address.process);
    // How it ended is in the row.
    let settled = MessageSettled { waiter: address.waiter, status: MessageStatus::Sent };
    let payload = serde_json::to_string(&settled).unwrap_or_default();
    if let Err(error) = env.redis.publish(&channel, &payload).await {
        tracing::debug!(%error, "nobody was told: who waits looks at the row");
    }
    Ok(())
}
