//! What staff do with texts that ended, or that wait: have them tried again, give them up.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    events::{self, Moment},
    store,
};
use crate::webhooks::Outbox;

/// Has texts of a kind tried again now, inside the caller's transaction; those that were. One that
/// failed or expired goes out as if it were new, until `life` at least; a code only while it lives,
/// `now`. One of which nobody knows whether it was sent is asked about: never sent blindly. One that a
/// worker has, that was sent or cancelled stays as it is.
///
/// # Errors
/// When the database refuses or is away.
pub async fn retry(
    connection: &mut PgConnection,
    kind: &str,
    ids: &[i64],
    (now, life): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<i64>, sqlx::Error> {
    store::retry(connection, kind, ids, (now, life)).await
}

/// Gives up texts of a kind that wait, inside the caller's transaction: those that were, and the
/// idempotency keys of codes that surely nobody got. What may have been sent ends as unknown.
///
/// # Errors
/// When the database refuses or is away.
pub async fn give_up(
    connection: &mut PgConnection,
    outbox: &Outbox,
    kind: &str,
    ids: &[i64],
) -> Result<(Vec<i64>, Vec<i64>), sqlx::Error> {
    let given_up = store::give_up(connection, kind, ids).await?;
    let ids: Vec<_> = given_up.iter().map(|row| row.id).collect();
    events::tell(connection, outbox, &ids, Moment::Settled).await?;
    Ok((ids, given_up.into_iter().filter_map(|row| row.code).collect()))
}
