//! Jobs: one file each. A job is an id on a queue; the row it names says what is to be done and
//! whether it still is, and carries the job's state.

use std::time::Duration;

use futures_util::future::BoxFuture;
use shared::{
    batch::WriteError,
    config::Config,
    events::{Outcome, ReplyTo, Settled, reply_channel},
    jobs::{Backlog, Queue, RowId, Tidied},
};

use crate::Environment;

pub mod deliver_bulk;
pub mod deliver_sms;
pub mod deliver_webhook;
pub mod return_payment;
pub mod verify_payment;

/// What a job or the sweep of its rows comes to.
pub type Work<'a, T, E> = BoxFuture<'a, Result<T, E>>;

/// A kind of job: what is done with the rows of one queue, and what the sweep needs of them.
#[derive(Clone, Copy)]
pub struct Job {
    /// Where the ids come from.
    pub queue: Queue,
    /// How long one may run; it has lost its lease long before.
    pub limit: fn(&Config) -> Duration,
    /// Works on one row: claim, call, settle. An error leaves the row to the sweep.
    pub run: for<'a> fn(RowId, &'a Environment) -> Work<'a, (), WriteError>,
    /// Expires rows past their life and takes back the leases of dead workers.
    pub tidy: for<'a> fn(&'a Environment) -> Work<'a, Tidied, sqlx::Error>,
    /// Marks up to so many due rows as pushed and returns them.
    pub take_due: for<'a> fn(&'a Environment, i64) -> Work<'a, Vec<RowId>, sqlx::Error>,
    /// What is due, for metrics.
    pub backlog: for<'a> fn(&'a Environment) -> Work<'a, Backlog, sqlx::Error>,
}

/// Wakes the api process in which somebody waits for a row's outcome; it reads the row anyway when
/// its time is up.
async fn reply(env: &Environment, reply_to: &str, outcome: Outcome) {
    let Some(reply_to) = ReplyTo::parse(reply_to) else { return };
    let settled = Settled { waiter: reply_to.waiter, outcome };
    let Ok(payload) = serde_json::to_string(&settled) else { return };
    let channel = reply_channel(env.redis.prefix(), &reply_to.process);
    if let Err(error) = env.redis.publish(&channel, &payload).await {
        tracing::debug!(%error, "nobody told");
    }
}
