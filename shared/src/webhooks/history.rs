//! What was told and what was not, for operators: look, tell again, try out.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use super::{
    Outbox,
    events::{Kind, NewEvent},
    store,
};
use crate::ids;

/// One event at one endpoint.
#[derive(Debug, Clone)]
pub struct Past {
    /// The event's handle.
    pub event_id: String,
    /// What happened.
    pub kind: String,
    /// What it happened to.
    pub subject: String,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// The endpoint's name.
    pub endpoint: String,
    /// `queued`, `sending`, `sent` or `failed`.
    pub status: String,
    /// Attempts so far.
    pub attempt: i32,
    /// The HTTP status of the latest one, if it was answered.
    pub response_status: Option<i16>,
    /// Why the latest one failed.
    pub reason: Option<String>,
    /// When it is due.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

impl Past {
    /// Whether nobody will work on it any more.
    pub fn is_over(&self) -> bool {
        self.next_attempt_at.is_none()
    }
}

/// What is to be told again.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// Only this event.
    pub event_id: Option<String>,
    /// Only this endpoint.
    pub endpoint: Option<String>,
    /// Only what happened since.
    pub since: Option<DateTime<Utc>>,
    /// Only what was given up; otherwise also what was sent or waits.
    pub only_failed: bool,
}

/// The latest deliveries, newest first.
///
/// # Errors
/// When the database is away.
pub async fn latest(
    pool: &PgPool,
    only_failed: bool,
    limit: i64,
) -> Result<Vec<Past>, sqlx::Error> {
    store::list(pool, only_failed, limit).await
}

/// The deliveries of one event.
///
/// # Errors
/// When the database is away.
pub async fn of_event(pool: &PgPool, event_id: &str) -> Result<Vec<Past>, sqlx::Error> {
    store::of_event(pool, event_id).await
}

/// Makes deliveries due at once, with all their attempts before them; how many. They keep their
/// handle: a receiver that had the event recognises it.
///
/// # Errors
/// When the database is away; what was changed before stays.
pub async fn replay(
    pool: &PgPool,
    what: &Replay,
    give_up_after: Duration,
) -> Result<i64, sqlx::Error> {
    let (mut after, until) = store::replay_range(pool, what.since).await?;
    let mut rows = 0;
    loop {
        let (changed, reached) = store::replay(pool, what, give_up_after, (after, until)).await?;
        rows += changed;
        match reached {
            Some(reached) => after = reached,
            None => return Ok(rows),
        }
    }
}

/// Makes one delivery due at once, as [`replay`] does, inside the caller's transaction. `false`: there
/// is none, or it is being told.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn replay_one(
    connection: &mut PgConnection,
    id: i64,
    give_up_after: Duration,
) -> Result<bool, sqlx::Error> {
    let what = Replay::default();
    let range = (id.saturating_sub(1), id);
    let (changed, _) = store::replay(connection, &what, give_up_after, range).await?;
    Ok(changed == 1)
}

/// Gives up those of these deliveries that wait, inside the caller's transaction; those that were.
/// What waited behind them is due.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn give_up(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    let given_up = store::give_up_these(connection, ids).await?;
    store::release_followers(connection, &given_up).await?;
    Ok(given_up)
}

/// What an event says.
///
/// # Errors
/// When the database is away.
pub(crate) async fn data(pool: &PgPool, event_id: &str) -> Result<Option<Value>, sqlx::Error> {
    store::data(pool, event_id).await
}

/// Emits `webhook.test` to one endpoint; the event's handle.
///
/// # Errors
/// When the database is away.
pub async fn test(pool: &PgPool, outbox: &Outbox, endpoint: &str) -> Result<String, sqlx::Error> {
    let event = NewEvent {
        kind: Kind::Test,
        // Of its own: one that fails holds up no other.
        subject: format!("test:{}", ids::random_handle(&mut rand::rng())),
        data: json!({ "endpoint": endpoint }),
    };
    let mut tx = pool.begin().await?;
    let id = outbox.emit_to(&mut tx, endpoint, &event).await?;
    tx.commit().await?;
    Ok(id)
}
