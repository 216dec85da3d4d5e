//! Postings: keys, accounts, wallets, entries.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::money::Rials;
use crate::wallets::{Posting, post::Known, rules::Line};

/// An entry to write.
pub(in crate::wallets) struct NewEntry<'a> {
    pub(in crate::wallets) transaction: i64,
    pub(in crate::wallets) account: i64,
    pub(in crate::wallets) line: &'a Line,
}

/// Locks what postings happen once under, until the transaction ends; waits for whoever holds one.
///
/// It is no row that is locked, because a posting that is refused must leave none behind, and the
/// ledger lets none be taken back. Two keys that share a number wait for each other, no more.
pub(in crate::wallets) async fn lock_keys(
    connection: &mut PgConnection,
    keys: &[&str],
) -> Result<(), sqlx::Error> {
    let mut numbers: Vec<_> = keys.iter().map(|key| number(key)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    sqlx::query!(
        r#"SELECT count(pg_advisory_xact_lock(number)) AS "locked!"
           FROM (SELECT number FROM unnest($1::bigint[]) WITH ORDINALITY AS k(number, place)
                 ORDER BY place) AS keys"#,
        &numbers,
    )
    .fetch_one(connection)
    .await
    .map(drop)
}

fn number(key: &str) -> i64 {
    let hash: [u8; 32] =
        Sha256::new().chain_update(b"ledger\0").chain_update(key).finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first)
}

/// The transactions under these keys.
pub(in crate::wallets) async fn find_keys(
    connection: &mut PgConnection,
    keys: &[&str],
) -> Result<HashMap<String, Known>, sqlx::Error> {
    let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
    let rows = sqlx::query!(
        "SELECT key, id, fingerprint FROM ledger_transactions WHERE key = ANY($1::text[])",
        &keys,
    )
    .fetch_all(connection)
    .await?;
    let known = rows.into_iter();
    Ok(known.map(|r| (r.key, Known { id: r.id, fingerprint: r.fingerprint })).collect())
}

/// The accounts with these names.
pub(in crate::wallets) async fn find_accounts(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let rows =
        sqlx::query!("SELECT name, id FROM ledger_accounts WHERE name = ANY($1::text[])", names,)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|row| (row.name, row.id)).collect())
}

/// Makes accounts, in the order given, which has to be everybody's; a wallet with those of users.
/// Waits for whoever makes the same.
pub(in crate::wallets) async fn make_accounts(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    accounts: &[(String, Option<i64>)],
) -> Result<(), sqlx::Error> {
    let (names, users): (Vec<_>, Vec<_>) = accounts.iter().cloned().unzip();
    sqlx::query!(
        "WITH made AS (
             INSERT INTO ledger_accounts (name, user_id)
             SELECT a.name, a.user_id
             FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS a(name, user_id, place)
             ORDER BY a.place
             ON CONFLICT (name) DO NOTHING
             RETURNING id, user_id
         )
         INSERT INTO wallets (account_id, user_id, updated_at)
         SELECT id, user_id, $3 FROM made WHERE user_id IS NOT NULL",
        &names,
        &users as &[Option<i64>],
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Locks the wallets with these accounts, in the order of their ids; who they belong to and what
/// they hold.
pub(in crate::wallets) async fn lock_wallets(
    connection: &mut PgConnection,
    accounts: &[i64],
) -> Result<Vec<(i64, Rials)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT user_id, balance_rials FROM wallets WHERE account_id = ANY($1::bigint[])
         ORDER BY account_id FOR NO KEY UPDATE",
        accounts,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.user_id, Rials::new(row.balance_rials))).collect())
}

/// Writes transactions; their ids by their keys.
pub(in crate::wallets) async fn insert_transactions(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    postings: &[(&Posting, [u8; 32])],
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let keys: Vec<_> = postings.iter().map(|(posting, _)| posting.key.clone()).collect();
    let kinds: Vec<_> =
        postings.iter().map(|(posting, _)| posting.kind.as_str().to_owned()).collect();
    let references: Vec<_> =
        postings.iter().map(|(posting, _)| posting.reference.clone()).collect();
    let notes: Vec<_> = postings.iter().map(|(posting, _)| posting.note.clone()).collect();
    let prints: Vec<_> = postings.iter().map(|(_, print)| print.to_vec()).collect();
    let rows = sqlx::query!(
        "INSERT INTO ledger_transactions (key, kind, reference, note, fingerprint, created_at)
         SELECT t.key, t.kind, t.reference, t.note, t.fingerprint, $6
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[])
             AS t(key, kind, reference, note, fingerprint)
         RETURNING key, id",
        &keys,
        &kinds,
        &references,
        &notes,
        &prints,
        now,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.id)).collect())
}

/// Writes entries, their ids growing in the order given, and what wallets hold after them.
pub(in crate::wallets) async fn insert_entries(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    entries: &[NewEntry<'_>],
    wallets: &[(i64, Rials)],
) -> Result<(), sqlx::Error> {
    let transactions: Vec<_> = entries.iter().map(|entry| entry.transaction).collect();
    let accounts: Vec<_> = entries.iter().map(|entry| entry.account).collect();
    let amounts: Vec<_> = entries.iter().map(|entry| entry.line.amount.get()).collect();
    let balances: Vec<_> = entries.iter().map(|entry| entry.line.balance.map(Rials::get)).collect();
    let changed: Vec<_> = wallets.iter().map(|(account, _)| *account).collect();
    let held: Vec<_> = wallets.iter().map(|(_, balance)| balance.get()).collect();
    sqlx::query!(
        "WITH written AS (
             INSERT INTO ledger_entries
                 (transaction_id, account_id, amount_rials, balance_rials, created_at)
             SELECT e.transaction_id, e.account_id, e.amount_rials, e.balance_rials, $7
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
                 WITH ORDINALITY AS
                     e(transaction_id, account_id, amount_rials, balance_rials, place)
             ORDER BY e.place
         )
         UPDATE wallets w SET balance_rials = c.balance_rials, updated_at = $7
         FROM unnest($5::bigint[], $6::bigint[]) AS c(account_id, balance_rials)
         WHERE w.account_id = c.account_id",
        &transactions,
        &accounts,
        &amounts,
        &balances as &[Option<i64>],
        &changed,
        &held,
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}
