//! What the sweep does with messages, many at a time, and how much is left to do.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::{
    config::Quiet,
    jobs::{Backlog, RowId, Tidied},
    purge::{Purged, Slice},
    sms::{
        MessageKind,
        events::{self, Moment},
        store,
    },
    webhooks::Outbox,
};

/// Ends rows whose life is over and takes back lost leases; `on_expired` is told the idempotency key
/// of each code that surely nobody got. A text to many does not expire in quiet hours through which it waits. Bounded;
/// the next sweep goes on.
///
/// # Errors
/// When the database is away.
pub async fn tidy(
    pool: &PgPool,
    outbox: &Outbox,
    now: DateTime<Utc>,
    quiet: Option<Quiet>,
    on_expired: impl FnMut(i64),
) -> Result<Tidied, sqlx::Error> {
    let reclaimed = store::reclaim(pool).await?;
    let mut tx = pool.begin().await?;
    let expired = store::expire(&mut tx, now, quiet.map(|quiet| quiet.began)).await?;
    let ids: Vec<_> = expired.iter().map(|row| row.id).collect();
    events::tell(&mut tx, outbox, &ids, Moment::Settled).await?;
    tx.commit().await?;
    expired.into_iter().filter_map(|row| row.code).for_each(on_expired);
    Ok(Tidied { expired: ids.len() as u64, reclaimed })
}

/// Puts texts to many that are due in quiet hours off until these are over; their life counts from
/// then. Bounded; the next sweep goes on. How many there were.
///
/// # Errors
/// When the database is away.
pub async fn put_off_bulk(
    pool: &PgPool,
    quiet: Quiet,
    spread: TimeDelta,
    life: TimeDelta,
) -> Result<u64, sqlx::Error> {
    store::put_off_bulk(pool, quiet, spread, life).await
}

/// Marks up to `room` due messages of a kind as pushed and returns them.
///
/// # Errors
/// When the database is away.
pub async fn take_due(
    pool: &PgPool,
    kind: MessageKind,
    room: i64,
    now: DateTime<Utc>,
) -> Result<Vec<RowId>, sqlx::Error> {
    let due = store::take_due(pool, kind, room, now).await?;
    Ok(due.into_iter().map(RowId).collect())
}

/// As [`take_due`], but only those that are to be asked about: for quiet hours.
///
/// # Errors
/// When the database is away.
pub async fn take_unknown(
    pool: &PgPool,
    kind: MessageKind,
    room: i64,
    now: DateTime<Utc>,
) -> Result<Vec<RowId>, sqlx::Error> {
    let due = store::take_unknown(pool, kind, room, now).await?;
    Ok(due.into_iter().map(RowId).collect())
}

/// The messages of a kind that are due.
///
/// # Errors
/// When the database is away.
pub async fn backlog(pool: &PgPool, kind: MessageKind) -> Result<Backlog, sqlx::Error> {
    store::backlog(pool, kind).await
}

/// How many rows [`purge`] would delete in all.
///
/// # Errors
/// When the database is away.
pub async fn count_purgeable(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_purgeable(pool, before).await
}

/// Deletes settled messages (and their attempts) that ended, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}
