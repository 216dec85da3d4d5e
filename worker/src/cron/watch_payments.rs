//! Finds payers who paid and never came back: their payments are looked at, and in the end expire or
//! go to a person.

use futures_util::FutureExt;
use shared::{jobs::Queue, payments::Payments};

use super::{CronJob, End, Run};
use crate::Environment;

/// Every half minute.
pub const JOB: CronJob = CronJob {
    name: "watch-payments",
    alias: None,
    schedule: "5/30 * * * * *",
    about: "Has open payments looked at whose payer does not come back, and ends those whose time is over",
    work: |env, run| watch(env, run).boxed(),
    count: |env| env.payments.count_to_watch().boxed(),
};

async fn watch(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    loop {
        if !run.still_mine().await? {
            return Ok(End::Stopped);
        }
        let due = env.payments.watch().await?;
        run.count(i64::try_from(due.len()).unwrap_or(i64::MAX));
        for id in &due {
            env.pusher.push(Queue::Payments, *id);
        }
        if !Payments::has_more(&due) {
            return Ok(End::Done);
        }
    }
}
