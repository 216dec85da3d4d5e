//! What staff do with single messages: look at their attempts, try again, give up, take back, send
//! once more. Each inside the caller's transaction, in which it is also written down.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use super::{
    MessageKind, MessageStatus,
    events::{self, Moment},
    messages::{NewMessage, Owner, Repeat, Sender},
    store,
    templates::Wording,
};
use crate::{phone::PhoneNumber, webhooks::Outbox};

/// One attempt of a message.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: i32,
    /// Who was asked.
    pub provider: String,
    /// `send` or `lookup`.
    pub action: String,
    /// How it ended; `None`: not yet, or nobody knows.
    pub outcome: Option<String>,
    /// The provider's code with its name.
    pub code: Option<String>,
    /// The provider's id.
    pub provider_message_id: Option<String>,
    /// When it was asked.
    pub started_at: DateTime<Utc>,
    /// When it answered.
    pub finished_at: Option<DateTime<Utc>>,
}

/// How a message stands, as far as rules about it go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) kind: MessageKind,
    pub(crate) status: MessageStatus,
    /// Whether nobody will work on it any more.
    pub(crate) is_over: bool,
    pub(crate) owner: Owner,
}

/// What is sent once more.
#[derive(Debug, Clone)]
pub(crate) struct Again {
    pub(crate) phone: PhoneNumber,
    pub(crate) wording: Wording,
    pub(crate) owner: Owner,
}

impl Again {
    /// A message of its own, of the same owner, whose caps it does not count against: it is staff
    /// who send it.
    pub(crate) fn message(self, repeat: Repeat) -> NewMessage {
        let sender = Sender { owner: self.owner, daily_sends: None, daily_spend_rials: None };
        NewMessage {
            phone: self.phone,
            wording: self.wording,
            kind: MessageKind::Text,
            send_at: None,
            sender: Some(sender).filter(|sender| sender.owner != Owner::Nobody),
            bulk_id: None,
            reply_to: None,
            repeat,
        }
    }
}

/// The attempts of a message, the first one first.
///
/// # Errors
/// When the database is away.
pub(crate) async fn attempts(pool: &PgPool, id: i64) -> Result<Vec<Attempt>, sqlx::Error> {
    store::attempts(pool, id).await
}

/// How a message stands; `None`: there is none.
///
/// # Errors
/// When the database is away.
pub(crate) async fn standing(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Standing>, sqlx::Error> {
    store::standing_of(connection, id).await
}

/// Makes a message that failed, expired, or of which nobody knows what became, due at once as if it
/// had never been tried; it lives `life` from now on. A code keeps its life and is only tried while
/// it has one. `None`: it is not such a one. The one way out of a final state.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn retry(
    connection: &mut PgConnection,
    id: i64,
    life: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Option<MessageKind>, sqlx::Error> {
    store::retry_one(connection, id, life, now).await
}

/// As [`retry`] of those of these messages that are of this kind; those that wait are due now. The ids
/// of what is.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn retry_all(
    connection: &mut PgConnection,
    kind: MessageKind,
    ids: &[i64],
    life: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Vec<i64>, sqlx::Error> {
    let ids = store::of_kind(connection, ids, kind).await?;
    let mut due = store::hasten(connection, &ids, now).await?;
    for id in ids.iter().filter(|id| !due.contains(id)).copied().collect::<Vec<_>>() {
        if retry(connection, id, life, now).await?.is_some() {
            due.push(id);
        }
    }
    Ok(due)
}

/// Ends those of these messages of this kind that wait for their next attempt, or are being asked
/// about: their ids, and the idempotency keys of codes that surely nobody got.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn give_up(
    connection: &mut PgConnection,
    outbox: &Outbox,
    kind: MessageKind,
    ids: &[i64],
) -> Result<(Vec<i64>, Vec<i64>), sqlx::Error> {
    let ids = store::of_kind(connection, ids, kind).await?;
    let ended = store::give_up(connection, &ids).await?;
    let ids: Vec<_> = ended.iter().map(|row| row.id).collect();
    events::tell(connection, outbox, &ids, Moment::Settled).await?;
    Ok((ids, ended.into_iter().filter_map(|row| row.code).collect()))
}

/// As [`super::messages::Messages::cancel`].
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn cancel(
    connection: &mut PgConnection,
    owner: Owner,
    id: i64,
) -> Result<bool, sqlx::Error> {
    store::cancel_message(connection, owner, id).await
}

/// What a message says to whom, if it is over; codes are never sent once more by anybody but those
/// who ask for them.
///
/// # Errors
/// When the database is away.
pub(crate) async fn again(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Again>, sqlx::Error> {
    store::again(connection, id).await
}
