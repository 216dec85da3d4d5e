//! What staff do to many rows of a queue at once: have them tried again, give them up.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{CHANGED_AT_ONCE, Queues, entry, kind_of, store};
use crate::{
    admin::accounts::Acting,
    audit::{self, Entry},
    jobs::Queue,
    payments, sms,
    webhooks::history,
};

/// Which rows are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// These, at most [`CHANGED_AT_ONCE`]; what is not the queue's, or not to be changed, is left out.
    Ids(Vec<i64>),
    /// Those in a state, with this reason if one is given.
    All {
        /// Which.
        state: State,
        /// See `reason` of the rows.
        reason: Option<String>,
    },
}

/// The states in which rows of a queue can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They could be worked on now.
    Due,
    /// Their time is yet to come.
    Scheduled,
    /// They ended badly.
    Failed,
    /// Nobody knows how they ended.
    Unknown,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Scheduled => "scheduled",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// The rows: ring for those that are tried again.
    pub ids: Vec<i64>,
    /// Idempotency keys of codes that nobody got and nobody will: to be told to
    /// [`crate::otp::Otp::unsent`].
    pub unsent: Vec<i64>,
    /// Whether there are more than one request changes.
    pub more: bool,
}

impl Changed {
    /// Where nothing could be changed asking again helps nobody.
    fn of(ids: Vec<i64>, unsent: Vec<i64>, more: bool) -> Self {
        let more = more && !ids.is_empty();
        Self { ids, unsent, more }
    }
}

/// Why nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// Nobody gives up money: each payment and return is settled by a person.
    #[error("rows of this queue are not given up")]
    NotGivenUp,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Queues {
    /// Has rows tried again, now: what waits is due, a text that ended without being sent for sure is due
    /// as if it were new, a code only while it lives. Payments are looked at.
    ///
    /// # Errors
    /// When the database is away; of payments some may have been made due then.
    pub async fn retry(
        &self,
        acting: &Acting,
        queue: Queue,
        chosen: &Chosen,
    ) -> Result<Changed, OperateError> {
        let (ids, more) = self.choose(queue, chosen).await?;
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let ids = match queue {
            Queue::Otp | Queue::Sms | Queue::Bulk => {
                sms::staff::retry_all(&mut tx, kind_of(queue), &ids, self.message_life, now).await?
            }
            Queue::Webhooks => {
                let mut again = Vec::new();
                for id in ids {
                    if history::replay_one(&mut tx, id, self.give_up_after).await? {
                        again.push(id);
                    }
                }
                again
            }
            Queue::Returns => payments::returns::retry(&mut tx, &ids).await?,
            Queue::Payments => self.look_at(acting, ids).await?,
        };
        let what = entry(acting, "queue.retried", queue);
        record(&mut tx, described(what, chosen, &ids), now).await?;
        tx.commit().await?;
        Ok(Changed::of(ids, Vec::new(), more))
    }

    /// Each in a transaction of its own, with its own event.
    async fn look_at(&self, acting: &Acting, ids: Vec<i64>) -> Result<Vec<i64>, sqlx::Error> {
        let mut due = Vec::new();
        for id in ids {
            let looked = self.payments.look_by_hand(acting, id, None).await?;
            due.extend(looked.filter(|back| back.looking).map(|back| back.id));
        }
        Ok(due)
    }

    /// Gives rows up that wait: they are not tried any more. A text that may have been sent ends as
    /// unknown.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn give_up(
        &self,
        acting: &Acting,
        queue: Queue,
        chosen: &Chosen,
    ) -> Result<Changed, OperateError> {
        if matches!(queue, Queue::Payments | Queue::Returns) {
            return Err(OperateError::NotGivenUp);
        }
        let (ids, more) = self.choose(queue, chosen).await?;
        let mut tx = self.pool.begin().await?;
        let (ids, unsent) = if queue == Queue::Webhooks {
            (history::give_up(&mut tx, &ids).await?, Vec::new())
        } else {
            sms::staff::give_up(&mut tx, &self.outbox, kind_of(queue), &ids).await?
        };
        let what = entry(acting, "queue.given_up", queue);
        record(&mut tx, described(what, chosen, &ids), self.clock.now()).await?;
        tx.commit().await?;
        Ok(Changed::of(ids, unsent, more))
    }

    /// The rows that are meant, and whether there may be more of them.
    async fn choose(&self, queue: Queue, chosen: &Chosen) -> Result<(Vec<i64>, bool), sqlx::Error> {
        let (state, reason) = match chosen {
            Chosen::Ids(ids) => {
                let ids: Vec<_> = ids.iter().copied().take(CHANGED_AT_ONCE).collect();
                return Ok((ids, false));
            }
            Chosen::All { state, reason } => (*state, reason.as_deref()),
        };
        let found = self.candidates(queue, state).await?;
        let looked_at_all = found.len() < usize::try_from(store::LOOKED_AT).unwrap_or(usize::MAX);
        let fits = |row: &store::Candidate| reason.is_none() || row.reason.as_deref() == reason;
        let mut ids: Vec<_> = found.into_iter().filter(fits).map(|row| row.id).collect();
        let more = ids.len() > CHANGED_AT_ONCE || !looked_at_all;
        ids.truncate(CHANGED_AT_ONCE);
        Ok((ids, more))
    }

    async fn candidates(
        &self,
        queue: Queue,
        state: State,
    ) -> Result<Vec<store::Candidate>, sqlx::Error> {
        let (pool, waits) = (&self.pool, matches!(state, State::Due | State::Scheduled));
        let due = state == State::Due;
        match queue {
            Queue::Otp | Queue::Sms | Queue::Bulk if waits => {
                store::sms::waiting(pool, kind_of(queue).as_str(), due).await
            }
            Queue::Otp | Queue::Sms | Queue::Bulk => {
                store::sms::ended(pool, kind_of(queue).as_str(), state.as_str()).await
            }
            Queue::Webhooks if waits => store::webhooks::waiting(pool, &self.endpoints, due).await,
            Queue::Webhooks if state == State::Failed => store::webhooks::failed(pool).await,
            Queue::Payments if waits => store::payments::waiting(pool, due).await,
            Queue::Payments => {
                let failed = state == State::Failed;
                let word = if failed { "failed" } else { "needs_review" };
                store::payments::ended(pool, word).await
            }
            Queue::Returns if waits => store::returns::waiting(pool, due).await,
            // Nobody is unsure of a webhook, and a return that ended is settled by a person.
            Queue::Webhooks | Queue::Returns => Ok(Vec::new()),
        }
    }
}

/// What changed nothing is no event.
async fn record(
    connection: &mut PgConnection,
    entry: Option<Entry<'_>>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    match entry {
        Some(entry) => audit::record(connection, &entry, now).await,
        None => Ok(()),
    }
}

/// `None`: no rows.
fn described<'a>(entry: Entry<'a>, chosen: &Chosen, ids: &[i64]) -> Option<Entry<'a>> {
    let entry = match chosen {
        Chosen::Ids(_) => entry,
        Chosen::All { state, reason } => {
            let entry = entry.with("state", state.as_str());
            match reason {
                Some(reason) => entry.with("reason", reason.as_str()),
                None => entry,
            }
        }
    };
    (!ids.is_empty()).then(|| entry.with("rows", ids))
}
