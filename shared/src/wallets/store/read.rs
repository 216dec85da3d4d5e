//! What wallets hold and what went through them.

use sqlx::{PgConnection, PgPool};

use crate::{
    money::Rials,
    wallets::{
        Kind,
        read::{Balance, Entry, Movement},
    },
};

/// Those of these users that exist and are not erased.
pub(in crate::wallets) async fn existing(
    connection: &mut PgConnection,
    users: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM users WHERE id = ANY($1::bigint[]) AND erased_at IS NULL",
        users,
    )
    .fetch_all(connection)
    .await
}

/// Whether there is such an account, erased or not.
pub(in crate::wallets) async fn exists(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM users WHERE id = $1) AS "there!""#, user_id)
        .fetch_one(connection)
        .await
}

/// What an account's wallet holds and what it has set aside; `None`: no such account.
pub(in crate::wallets) async fn balance(
    pool: &PgPool,
    user_id: i64,
) -> Result<Option<Balance>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT
               (SELECT balance_rials FROM wallets w WHERE w.user_id = u.id) AS balance,
               (SELECT sum(amount_rials)::bigint FROM wallet_holds h
                WHERE h.user_id = u.id AND h.state = 'held') AS held
           FROM users u WHERE id = $1"#,
        user_id,
    )
    .fetch_optional(pool)
    .await?;
    let rials = |number: Option<i64>| Rials::new(number.unwrap_or_default());
    Ok(row.map(|row| Balance { user_id, balance: rials(row.balance), held: rials(row.held) }))
}

/// A wallet's entries, newest first, those before `before`.
pub(in crate::wallets) async fn entries(
    pool: &PgPool,
    user_id: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT e.id, e.transaction_id, t.kind AS "kind: Kind", e.amount_rials,
               e.balance_rials AS "balance!", t.reference, t.note, e.created_at
           FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
           WHERE e.account_id = (SELECT account_id FROM wallets WHERE user_id = $1) AND e.id < $2
           ORDER BY e.id DESC LIMIT $3"#,
        user_id,
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let entries = rows.into_iter().map(|row| Entry {
        id: row.id,
        transaction_id: row.transaction_id,
        kind: row.kind,
        amount: Rials::new(row.amount_rials),
        balance: Rials::new(row.balance),
        reference: row.reference,
        note: row.note,
        created_at: row.created_at,
    });
    Ok(entries.collect())
}

/// The movement under a key, as the wallet that it is about saw it: the one that gave, or else the one
/// that got.
pub(in crate::wallets) async fn movement(
    pool: &PgPool,
    key: &str,
) -> Result<Option<Movement>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT t.id, t.kind AS "kind: Kind", e.amount_rials, e.balance_rials AS "balance!",
               t.reference, t.note, t.created_at
           FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
           WHERE t.key = $1 AND e.balance_rials IS NOT NULL
           ORDER BY e.amount_rials LIMIT 1"#,
        key,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Movement {
        id: row.id,
        kind: row.kind,
        amount: Rials::new(row.amount_rials),
        balance: Rials::new(row.balance),
        reference: row.reference,
        note: row.note,
        created_at: row.created_at,
    }))
}
