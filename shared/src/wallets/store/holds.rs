//! Holds.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    money::Rials,
    wallets::holds::{Ended, Hold, HoldState, NewHold},
};

/// Locks holds, in the order of their ids.
pub(in crate::wallets) async fn lock_holds(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<HashMap<i64, Hold>, sqlx::Error> {
    let rows = sqlx::query_as!(
        HoldRow,
        r#"SELECT h.id, user_id, amount_rials, state AS "state: HoldState", captured_rials,
               h.reference, t.note, h.created_at, expires_at, ended_at
           FROM wallet_holds h JOIN ledger_transactions t ON t.id = h.transaction_id
           WHERE h.id = ANY($1::bigint[]) ORDER BY h.id FOR UPDATE OF h"#,
        ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, Hold::from(row))).collect())
}

/// One hold.
pub(in crate::wallets) async fn find_hold(
    pool: &PgPool,
    id: i64,
) -> Result<Option<Hold>, sqlx::Error> {
    let row = sqlx::query_as!(
        HoldRow,
        r#"SELECT h.id, user_id, amount_rials, state AS "state: HoldState", captured_rials,
               h.reference, t.note, h.created_at, expires_at, ended_at
           FROM wallet_holds h JOIN ledger_transactions t ON t.id = h.transaction_id
           WHERE h.id = $1"#,
        id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(Hold::from))
}

/// The hold that the movement under this key made.
pub(in crate::wallets) async fn hold_of(
    pool: &PgPool,
    key: &str,
) -> Result<Option<Hold>, sqlx::Error> {
    let row = sqlx::query_as!(
        HoldRow,
        r#"SELECT h.id, user_id, amount_rials, state AS "state: HoldState", captured_rials,
               h.reference, t.note, h.created_at, expires_at, ended_at
           FROM wallet_holds h JOIN ledger_transactions t ON t.id = h.transaction_id
           WHERE t.key = $1"#,
        key,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(Hold::from))
}

struct HoldRow {
    id: i64,
    user_id: i64,
    amount_rials: i64,
    state: HoldState,
    captured_rials: Option<i64>,
    reference: String,
    note: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<HoldRow> for Hold {
    fn from(row: HoldRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            amount: Rials::new(row.amount_rials),
            state: row.state,
            captured: row.captured_rials.map(Rials::new),
            reference: row.reference,
            note: row.note,
            created_at: row.created_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
        }
    }
}

/// Writes holds whose movements are in the ledger.
pub(in crate::wallets) async fn insert_holds(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    holds: &[(&NewHold, i64)],
) -> Result<(), sqlx::Error> {
    let users: Vec<_> = holds.iter().map(|(hold, _)| hold.user_id).collect();
    let transactions: Vec<_> = holds.iter().map(|(_, transaction)| *transaction).collect();
    let amounts: Vec<_> = holds.iter().map(|(hold, _)| hold.amount.get()).collect();
    let references: Vec<_> = holds.iter().map(|(hold, _)| hold.reference.clone()).collect();
    let expiries: Vec<_> = holds.iter().map(|(hold, _)| hold.expires_at).collect();
    sqlx::query!(
        "INSERT INTO wallet_holds
             (user_id, transaction_id, amount_rials, reference, expires_at, created_at)
         SELECT h.user_id, h.transaction_id, h.amount_rials, h.reference, h.expires_at, $6
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[])
             AS h(user_id, transaction_id, amount_rials, reference, expires_at)",
        &users,
        &transactions,
        &amounts,
        &references,
        &expiries,
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Ends holds that this transaction has locked.
pub(in crate::wallets) async fn end_holds(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    ended: &[Ended],
) -> Result<(), sqlx::Error> {
    let ids: Vec<_> = ended.iter().map(|end| end.id).collect();
    let states: Vec<_> = ended.iter().map(|end| end.state.as_str().to_owned()).collect();
    let captured: Vec<_> = ended.iter().map(|end| end.captured.map(Rials::get)).collect();
    sqlx::query!(
        "UPDATE wallet_holds h SET state = e.state, captured_rials = e.captured, ended_at = $4
         FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS e(id, state, captured)
         WHERE h.id = e.id AND h.state = 'held'",
        &ids,
        &states,
        &captured as &[Option<i64>],
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Locks holds that are over and not ended: their ids. Those that somebody else is at work on are
/// left to them.
pub(in crate::wallets) async fn lock_expired(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM wallet_holds WHERE state = 'held' AND expires_at <= $1
         ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        now,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// How many holds are over and not ended.
pub(in crate::wallets) async fn count_expired(
    pool: &PgPool,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM wallet_holds
           WHERE state = 'held' AND expires_at <= $1"#,
        now,
    )
    .fetch_one(pool)
    .await
}
