//! Delivery reports: what providers say of the messages they took.
//!
//! A report only ever moves a message on: what arrives late, twice or out of order changes nothing,
//! and nothing follows a final word. The provider's own word is kept beside ours.

use sqlx::PgPool;

use super::{
    events::{self, Moment},
    providers::Report,
    store,
};
use crate::webhooks::Outbox;

/// Takes down what a provider said; the messages it changed.
///
/// # Errors
/// When the database is away.
pub async fn record(
    pool: &PgPool,
    outbox: &Outbox,
    provider: &str,
    reports: &[Report],
) -> Result<u64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let changed = store::record_reports(&mut tx, provider, reports).await?;
    events::tell(&mut tx, outbox, &changed, Moment::Reported).await?;
    tx.commit().await?;
    Ok(changed.len() as u64)
}

/// The ids of messages about which the provider is to be asked now, at most `limit`; they come up
/// again 3, 10 and 30 minutes and 6 hours later unless a report was final, and then no more.
///
/// # Errors
/// When the database is away.
pub async fn take_due(
    pool: &PgPool,
    provider: &str,
    limit: usize,
) -> Result<Vec<String>, sqlx::Error> {
    store::take_polls(pool, provider, i64::try_from(limit).unwrap_or(i64::MAX)).await
}

/// How many messages wait for such a question now.
///
/// # Errors
/// When the database is away.
pub async fn count_due(pool: &PgPool) -> Result<i64, sqlx::Error> {
    store::count_polls(pool).await
}
