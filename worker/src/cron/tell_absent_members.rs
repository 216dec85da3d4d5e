//! Tells members of rooms who are not there that something waits for them.

use futures_util::FutureExt;
use rand::rngs::StdRng;
use shared::jobs::Queue;

use super::{CronJob, End, Run};
use crate::Environment;

/// Every ten seconds: `chat.absent_after_seconds` is exact to so much.
pub const JOB: CronJob = CronJob {
    name: "tell-absent-members",
    alias: None,
    schedule: "*/10 * * * * *",
    about: "Tells members who have not read what was written in their rooms a while ago",
    work: |env, run| tell(env, run).boxed(),
    count: |env| env.chat.count_absent().boxed(),
};

async fn tell(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let mut rng: StdRng = rand::make_rng();
    loop {
        if !run.still_mine().await? {
            return Ok(End::Stopped);
        }
        let looked = env.chat.tell_absent(&env.messages, &mut rng).await?;
        run.count(looked.told);
        for id in looked.texts {
            env.pusher.push(Queue::Sms, id);
        }
        for id in looked.events {
            env.pusher.push(Queue::Webhooks, id);
        }
        if !looked.has_more {
            return Ok(End::Done);
        }
    }
}
