//! SQL of the `send_counters` table.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use sqlx::PgConnection;

/// From here on this transaction waits up to two seconds for a lock.
pub(in crate::sms) async fn allow_waiting(
    connection: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT set_config('lock_timeout', '2000', true)")
        .fetch_one(connection)
        .await
        .map(drop)
}

/// Adds to the day's counters and says where they stand. Locks their rows, in order.
pub(in crate::sms) async fn count(
    connection: &mut PgConnection,
    day: NaiveDate,
    counts: BTreeMap<String, i64>,
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let (scopes, counts): (Vec<_>, Vec<_>) = counts.into_iter().unzip();
    let rows = sqlx::query!(
        "INSERT INTO send_counters AS c (day, scope, used)
         SELECT $1, r.scope, r.count FROM unnest($2::text[], $3::bigint[]) AS r(scope, count)
         ON CONFLICT (day, scope) DO UPDATE SET used = c.used + excluded.used
         RETURNING scope, used",
        day,
        &scopes,
        &counts,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.scope, row.used)).collect())
}

/// Takes back what [`count`] added for sends that were not accepted.
pub(in crate::sms) async fn uncount(
    connection: &mut PgConnection,
    day: NaiveDate,
    counts: BTreeMap<String, i64>,
) -> Result<(), sqlx::Error> {
    let (scopes, counts): (Vec<_>, Vec<_>) = counts.into_iter().unzip();
    sqlx::query!(
        "UPDATE send_counters c SET used = c.used - r.count
         FROM unnest($2::text[], $3::bigint[]) AS r(scope, count)
         WHERE c.day = $1 AND c.scope = r.scope",
        day,
        &scopes,
        &counts,
    )
    .execute(connection)
    .await
    .map(drop)
}
