//! What the ledger says, for its proof. Everything here is read in the caller's snapshot.

use futures_util::stream::BoxStream;
use sqlx::PgConnection;

/// An entry with what is said of its account elsewhere.
pub(in crate::wallets) struct EntryRow {
    pub(in crate::wallets) id: i64,
    pub(in crate::wallets) account_id: i64,
    pub(in crate::wallets) name: String,
    pub(in crate::wallets) amount: i64,
    pub(in crate::wallets) balance: Option<i64>,
    /// The balance row of a wallet.
    pub(in crate::wallets) wallet: Option<i64>,
}

/// Something that is not as it should be: what it is about, what should be and what is.
pub(in crate::wallets) struct Odd {
    pub(in crate::wallets) subject: String,
    pub(in crate::wallets) expected: Option<String>,
    pub(in crate::wallets) found: Option<String>,
}

/// Makes the transaction a snapshot nobody writes in and that may last.
pub(in crate::wallets) async fn begin_snapshot(
    connection: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *connection)
        .await?;
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *connection).await?;
    sqlx::query!("SET LOCAL idle_in_transaction_session_timeout = 0")
        .execute(connection)
        .await
        .map(drop)
}

/// Every entry, those of one account together and in their order.
pub(in crate::wallets) fn all_entries(
    connection: &mut PgConnection,
) -> BoxStream<'_, Result<EntryRow, sqlx::Error>> {
    sqlx::query_as!(
        EntryRow,
        r#"SELECT e.id, e.account_id, a.name, e.amount_rials AS amount,
               e.balance_rials AS balance, w.balance_rials AS "wallet?"
           FROM ledger_entries e
           JOIN ledger_accounts a ON a.id = e.account_id
           LEFT JOIN wallets w ON w.account_id = e.account_id
           ORDER BY e.account_id DESC, e.id"#,
    )
    .fetch(connection)
}

/// Transactions whose entries do not sum to zero, or that have not two of them.
pub(in crate::wallets) fn odd_transactions(
    connection: &mut PgConnection,
) -> BoxStream<'_, Result<Odd, sqlx::Error>> {
    sqlx::query_as!(
        Odd,
        r#"SELECT 'transaction:' || t.id AS "subject!", '0' AS expected,
               coalesce(e.total, 0) || ' of ' || coalesce(e.entries, 0) || ' entries' AS found
           FROM ledger_transactions t
           LEFT JOIN (SELECT transaction_id, sum(amount_rials) AS total, count(*) AS entries
                      FROM ledger_entries GROUP BY transaction_id) AS e ON e.transaction_id = t.id
           WHERE e.total IS DISTINCT FROM 0 OR e.entries < 2"#,
    )
    .fetch(connection)
}

/// Wallets that hold something and have no entry.
pub(in crate::wallets) fn odd_wallets(
    connection: &mut PgConnection,
) -> BoxStream<'_, Result<Odd, sqlx::Error>> {
    sqlx::query_as!(
        Odd,
        r#"SELECT 'wallet:' || w.user_id AS "subject!", '0' AS expected,
               w.balance_rials::text AS found
           FROM wallets w
           WHERE w.balance_rials <> 0
             AND NOT EXISTS (SELECT FROM ledger_entries e WHERE e.account_id = w.account_id)"#,
    )
    .fetch(connection)
}

/// What users have set aside, by the rows of holds.
pub(in crate::wallets) async fn held(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT coalesce(sum(amount_rials), 0)::bigint AS "held!"
           FROM wallet_holds WHERE state = 'held'"#,
    )
    .fetch_one(connection)
    .await
}

/// Paid payments the ledger does not have as they are: from their gateway, to where their purpose says.
/// Those that were imported have no movement of their own: opening balances have them.
pub(in crate::wallets) fn odd_payments(
    connection: &mut PgConnection,
) -> BoxStream<'_, Result<Odd, sqlx::Error>> {
    sqlx::query_as!(
        Odd,
        r#"SELECT 'payment:' || p.id AS "subject!", p.amount_rials::text AS expected,
               (SELECT string_agg(a.name || ' ' || e.amount_rials, ', ' ORDER BY e.id)
                FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
                WHERE e.transaction_id = t.id) AS found
           FROM payments p LEFT JOIN ledger_transactions t ON t.key = 'payment:' || p.id
           WHERE p.state IN ('paid', 'reversed', 'refunded')
             AND (t.id IS NOT NULL OR p.reason IS DISTINCT FROM 'imported')
             AND (t.id IS NULL OR t.kind <> 'payment'
               OR (SELECT count(*) FROM ledger_entries e WHERE e.transaction_id = t.id) <> 2
               OR NOT EXISTS (
                   SELECT FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
                   WHERE e.transaction_id = t.id AND e.amount_rials = p.amount_rials
                     AND a.name = CASE p.purpose
                         WHEN 'charge_wallet' THEN 'wallet:' || p.user_id ELSE 'sales' END)
               OR NOT EXISTS (
                   SELECT FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
                   WHERE e.transaction_id = t.id AND e.amount_rials = -p.amount_rials
                     AND a.name = 'gateway:' || p.gateway))"#,
    )
    .fetch(connection)
}

/// Payments of the ledger that were not paid.
pub(in crate::wallets) fn unpaid_postings(
    connection: &mut PgConnection,
) -> BoxStream<'_, Result<Odd, sqlx::Error>> {
    sqlx::query_as!(
        Odd,
        r#"SELECT t.key AS "subject!", p.state AS "expected?", 'in the ledger' AS found
           FROM ledger_transactions t
           LEFT JOIN payments p
               ON t.key ~ '^payment:[0-9]{1,18}$' AND p.id = substring(t.key FROM 9)::bigint
           WHERE t.kind = 'payment'
             AND (p.id IS NULL OR p.state NOT IN ('paid', 'reversed', 'refunded'))"#,
    )
    .fetch(connection)
}
