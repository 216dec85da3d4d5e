//! Queues as staff see and run them: how much waits where, what it is; rest and go on, try again,
//! give up.
//!
//! A queue that rests is a row that every worker reads twice a second (worker/src/pauses.rs): nothing
//! of it is claimed then, what is due stays due, and lives go on to end.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use super::accounts::Acting;
use crate::{
    audit::{self, Entry, Source, Subject},
    clock::SharedClock,
    config::Config,
    jobs::Queue,
    payments::Payments,
    sms::MessageKind,
    webhooks::Outbox,
};

mod change;
mod store;

pub use self::change::{Changed, Chosen, OperateError, State};

/// Rows that counts go to; beyond that there are more.
pub const COUNTED_TO: i64 = 10_000;
/// Rows that one request changes at most.
pub const CHANGED_AT_ONCE: usize = 1_000;

/// Queues over one database.
#[derive(Clone)]
pub struct Queues {
    pool: PgPool,
    clock: SharedClock,
    outbox: Outbox,
    payments: Payments,
    /// Of the configuration: whose deliveries there may be.
    endpoints: Vec<String>,
    /// How long a text that is tried again may still go out.
    message_life: TimeDelta,
    /// How long a webhook that is tried again is.
    give_up_after: Duration,
}

/// A number of rows, counted up to [`COUNTED_TO`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// So many.
    pub count: i64,
    /// And more.
    pub more: bool,
}

impl Count {
    /// Of rows that were counted to one beyond the bound.
    fn of(rows: i64) -> Self {
        Self { count: rows.min(COUNTED_TO), more: rows > COUNTED_TO }
    }
}

/// A queue that rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Who said so; `None`: a command on the server.
    pub by: Option<i64>,
    /// Why.
    pub reason: String,
}

/// How a queue stands.
#[derive(Debug, Clone)]
pub struct QueueView {
    /// Which one.
    pub queue: Queue,
    /// Rows in the hands of a worker.
    pub running: Count,
    /// Rows that could be worked on now.
    pub due: Count,
    /// Whole seconds that the oldest of those has been due.
    pub oldest_due_seconds: Option<i64>,
    /// Rows whose time is yet to come.
    pub scheduled: Count,
    /// Rows that ended badly in the last 24 hours.
    pub failed: Count,
    /// Rows of which nobody knows how they ended, of the last 24 hours.
    pub unknown: Count,
    /// What is due, by what it is: see [`Queues`]. Of a queue with one kind alone nothing.
    pub kinds: Vec<(String, i64)>,
    /// `None`: it goes on.
    pub paused: Option<Pause>,
}

/// Numbers of a queue's rows, as its store counts them: to one beyond the bound.
#[derive(Debug, Default)]
struct Counted {
    running: i64,
    due: i64,
    oldest: Option<i64>,
    scheduled: i64,
    failed: i64,
    unknown: i64,
}

impl Queues {
    /// The feature over one database.
    pub fn new(
        pool: PgPool,
        clock: SharedClock,
        outbox: Outbox,
        payments: Payments,
        config: &Config,
    ) -> Self {
        Self {
            pool,
            clock,
            outbox,
            payments,
            endpoints: config.webhooks.endpoints.keys().cloned().collect(),
            message_life: TimeDelta::seconds(config.sms.message_ttl_seconds.into()),
            give_up_after: config.webhooks.give_up_after(),
        }
    }

    /// How every queue stands, and writes down who looked.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn list(&self, source: &Source) -> Result<Vec<QueueView>, sqlx::Error> {
        let pauses = store::pauses(&self.pool).await?;
        let mut views = Vec::new();
        for queue in Queue::ALL {
            let pause = pauses.iter().find(|(name, _)| name == queue.name());
            views.push(self.look(queue, pause.map(|(_, pause)| pause.clone())).await?);
        }
        let looked = Entry::new(source, "queue.listed", Subject { kind: "queue", id: None });
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        Ok(views)
    }

    async fn look(&self, queue: Queue, paused: Option<Pause>) -> Result<QueueView, sqlx::Error> {
        let pool = &self.pool;
        let (counted, kinds) = match queue {
            Queue::Otp | Queue::Sms | Queue::Bulk => {
                (store::sms::count(pool, kind_of(queue).as_str()).await?, Vec::new())
            }
            Queue::Webhooks => store::webhooks::count(pool, &self.endpoints).await?,
            Queue::Payments => {
                (store::payments::count(pool).await?, store::payments::due_kinds(pool).await?)
            }
            Queue::Returns => {
                (store::returns::count(pool).await?, store::returns::due_kinds(pool).await?)
            }
        };
        Ok(QueueView {
            queue,
            running: Count::of(counted.running),
            due: Count::of(counted.due),
            oldest_due_seconds: counted.oldest,
            scheduled: Count::of(counted.scheduled),
            failed: Count::of(counted.failed),
            unknown: Count::of(counted.unknown),
            kinds,
            paused,
        })
    }

    /// Lets a queue rest, in every worker within a second. One that rests already does so for the
    /// reason it had.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pause(
        &self,
        acting: &Acting,
        queue: Queue,
        reason: &str,
    ) -> Result<(), sqlx::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        if store::pause(&mut tx, queue, acting.account(), reason, now).await? {
            let entry = entry(acting, "queue.paused", queue).with("reason", reason);
            audit::record(&mut tx, &entry, now).await?;
        }
        tx.commit().await
    }

    /// Lets a queue go on, in every worker within a second.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn resume(&self, acting: &Acting, queue: Queue) -> Result<(), sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        if store::resume(&mut tx, queue).await? {
            let entry = entry(acting, "queue.resumed", queue);
            audit::record(&mut tx, &entry, self.clock.now()).await?;
        }
        tx.commit().await
    }
}

/// The names of the queues that rest, for workers.
///
/// # Errors
/// When the database is away.
pub async fn paused(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    store::paused(pool).await
}

fn entry<'a>(acting: &'a Acting, action: &'static str, queue: Queue) -> Entry<'a> {
    let subject = Subject { kind: "queue", id: None };
    Entry::new(&acting.source, action, subject).with("queue", queue.name())
}

/// What `sms_messages` calls the texts of a queue.
const fn kind_of(queue: Queue) -> MessageKind {
    match queue {
        Queue::Otp => MessageKind::Otp,
        Queue::Bulk => MessageKind::Bulk,
        Queue::Sms | Queue::Webhooks | Queue::Payments | Queue::Returns => MessageKind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_end_at_their_bound_and_say_that_there_are_more() {
        let count = |count, more| Count { count, more };
        assert_eq!(Count::of(0), count(0, false));
        assert_eq!(Count::of(COUNTED_TO), count(COUNTED_TO, false));
        assert_eq!(Count::of(COUNTED_TO + 1), count(COUNTED_TO, true));
    }

    #[test]
    fn every_queue_of_texts_has_the_kind_that_leads_to_it() {
        for kind in [MessageKind::Otp, MessageKind::Text, MessageKind::Bulk] {
            assert_eq!(kind_of(kind.queue()), kind);
        }
    }
}
