//! All SQL of queues as staff see them: what rests, and counts of rows that carry a job's state, each
//! served by an index and bounded.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::Pause;
use crate::jobs::Queue;

pub(super) mod payments;
pub(super) mod returns;
pub(super) mod sms;
pub(super) mod webhooks;

/// One beyond [`super::COUNTED_TO`].
const MOST: i64 = super::COUNTED_TO + 1;
/// Rows looked at where only some of a state are asked for.
pub(super) const LOOKED_AT: i64 = 10_000;

/// A row that may be changed by hand.
pub(super) struct Candidate {
    pub(super) id: i64,
    pub(super) reason: Option<String>,
}

pub(super) async fn pauses(pool: &PgPool) -> Result<Vec<(String, Pause)>, sqlx::Error> {
    let rows = sqlx::query!("SELECT queue, paused_at, paused_by, reason FROM queue_pauses")
        .fetch_all(pool)
        .await?;
    let pauses = rows
        .into_iter()
        .map(|row| (row.queue, Pause { at: row.paused_at, by: row.paused_by, reason: row.reason }));
    Ok(pauses.collect())
}

pub(super) async fn paused(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT queue FROM queue_pauses").fetch_all(pool).await
}

/// Whether it did not rest before.
pub(super) async fn pause(
    connection: &mut PgConnection,
    queue: Queue,
    by: Option<i64>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let paused = sqlx::query!(
        "INSERT INTO queue_pauses (queue, reason, paused_at, paused_by) VALUES ($1, $2, $3, $4)
         ON CONFLICT (queue) DO NOTHING",
        queue.name(),
        reason,
        now,
        by,
    )
    .execute(connection)
    .await?;
    Ok(paused.rows_affected() == 1)
}

/// Whether it rested before.
pub(super) async fn resume(
    connection: &mut PgConnection,
    queue: Queue,
) -> Result<bool, sqlx::Error> {
    let resumed = sqlx::query!("DELETE FROM queue_pauses WHERE queue = $1", queue.name())
        .execute(connection)
        .await?;
    Ok(resumed.rows_affected() == 1)
}
