//! Payments, what gateways said of them, and wallets.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::payments::State;

/// A payment.
pub(in crate::admin::timeline) struct PaymentRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) order_id: String,
    pub(in crate::admin::timeline) amount_rials: i64,
    pub(in crate::admin::timeline) purpose: String,
    pub(in crate::admin::timeline) gateway: String,
    pub(in crate::admin::timeline) state: State,
    pub(in crate::admin::timeline) reason: Option<String>,
    pub(in crate::admin::timeline) ref_id: Option<i64>,
    pub(in crate::admin::timeline) created_at: DateTime<Utc>,
    pub(in crate::admin::timeline) updated_at: DateTime<Utc>,
    pub(in crate::admin::timeline) paid_at: Option<DateTime<Utc>>,
}

/// These payments, and the latest of each of these accounts (`payments_user_id_idx`).
pub(in crate::admin::timeline) async fn payments(
    pool: &PgPool,
    users: &[i64],
    ids: &[i64],
    (before, rows): (DateTime<Utc>, i64),
) -> Result<Vec<PaymentRow>, sqlx::Error> {
    if users.is_empty() && ids.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as!(
        PaymentRow,
        r#"SELECT p.id, p.order_id, p.amount_rials, p.purpose, p.gateway,
             p.state AS "state: State", p.reason, p.ref_id, p.created_at, p.updated_at, p.paid_at
           FROM payments p
           WHERE p.created_at <= $3 AND p.id IN (
               SELECT unnest($2::bigint[])
               UNION
               SELECT own.id FROM unnest($1::bigint[]) AS u(id) CROSS JOIN LATERAL (
                   SELECT id FROM payments WHERE user_id = u.id AND created_at <= $3
                   ORDER BY id DESC LIMIT $4) own)
           ORDER BY p.id DESC LIMIT $4"#,
        users,
        ids,
        before,
        rows,
    )
    .fetch_all(pool)
    .await
}

/// A page at a gateway.
pub(in crate::admin::timeline) struct PageRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) payment_id: i64,
    pub(in crate::admin::timeline) gateway: String,
    pub(in crate::admin::timeline) state: String,
    pub(in crate::admin::timeline) code: Option<i32>,
    pub(in crate::admin::timeline) reason: Option<String>,
    pub(in crate::admin::timeline) created_at: DateTime<Utc>,
    pub(in crate::admin::timeline) opened_at: Option<DateTime<Utc>>,
}

/// The pages of payments. `payment_sessions_payment_idx`.
pub(in crate::admin::timeline) async fn pages(
    pool: &PgPool,
    payments: &[i64],
) -> Result<Vec<PageRow>, sqlx::Error> {
    sqlx::query_as!(
        PageRow,
        "SELECT id, payment_id, gateway, state, code, reason, created_at, opened_at
         FROM payment_sessions WHERE payment_id = ANY($1) ORDER BY id DESC LIMIT 1000",
        payments,
    )
    .fetch_all(pool)
    .await
}

/// A call to a gateway about a page that was opened.
pub(in crate::admin::timeline) struct CallRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) payment_id: i64,
    pub(in crate::admin::timeline) action: String,
    pub(in crate::admin::timeline) outcome: String,
    pub(in crate::admin::timeline) code: Option<String>,
    pub(in crate::admin::timeline) started_at: DateTime<Utc>,
    pub(in crate::admin::timeline) ended_at: DateTime<Utc>,
}

/// The calls about payments. `payment_attempts_payment_idx`.
pub(in crate::admin::timeline) async fn calls(
    pool: &PgPool,
    payments: &[i64],
) -> Result<Vec<CallRow>, sqlx::Error> {
    sqlx::query_as!(
        CallRow,
        "SELECT id, payment_id, action, outcome, code, started_at, ended_at
         FROM payment_attempts WHERE payment_id = ANY($1) ORDER BY id DESC LIMIT 2000",
        payments,
    )
    .fetch_all(pool)
    .await
}

/// Money on its way back.
pub(in crate::admin::timeline) struct ReturnRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) payment_id: i64,
    pub(in crate::admin::timeline) action: String,
    pub(in crate::admin::timeline) state: String,
    pub(in crate::admin::timeline) code: Option<String>,
    pub(in crate::admin::timeline) created_at: DateTime<Utc>,
    pub(in crate::admin::timeline) ended_at: Option<DateTime<Utc>>,
}

/// What went back of payments. `payment_returns_payment_idx`.
pub(in crate::admin::timeline) async fn returns(
    pool: &PgPool,
    payments: &[i64],
) -> Result<Vec<ReturnRow>, sqlx::Error> {
    sqlx::query_as!(
        ReturnRow,
        "SELECT id, payment_id, action, state, code, created_at, ended_at
         FROM payment_returns WHERE payment_id = ANY($1) ORDER BY id DESC LIMIT 500",
        payments,
    )
    .fetch_all(pool)
    .await
}

/// An entry of somebody's wallet.
pub(in crate::admin::timeline) struct EntryRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) user_id: i64,
    pub(in crate::admin::timeline) key: String,
    pub(in crate::admin::timeline) kind: String,
    pub(in crate::admin::timeline) amount_rials: i64,
    pub(in crate::admin::timeline) balance_rials: Option<i64>,
    pub(in crate::admin::timeline) created_at: DateTime<Utc>,
}

/// The latest entries of these accounts' wallets (`ledger_entries_account_idx`), and those that these
/// keys moved (`ledger_transactions_key_key`, `ledger_entries_transaction_idx`).
pub(in crate::admin::timeline) async fn entries(
    pool: &PgPool,
    users: &[i64],
    keys: &[String],
    (before, rows): (DateTime<Utc>, i64),
) -> Result<Vec<EntryRow>, sqlx::Error> {
    if users.is_empty() && keys.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as!(
        EntryRow,
        r#"SELECT e.id AS "id!", e.user_id AS "user_id!", t.key, t.kind,
             e.amount_rials AS "amount_rials!", e.balance_rials, e.created_at AS "created_at!"
           FROM (
             (SELECT own.*, a.user_id FROM unnest($1::bigint[]) AS u(id)
              JOIN ledger_accounts a ON a.user_id = u.id
              CROSS JOIN LATERAL (
                  SELECT * FROM ledger_entries WHERE account_id = a.id AND created_at <= $3
                  ORDER BY id DESC LIMIT $4) own)
             UNION
             (SELECT moved.*, a.user_id FROM ledger_transactions t
              JOIN ledger_entries moved ON moved.transaction_id = t.id
              JOIN ledger_accounts a ON a.id = moved.account_id
              WHERE t.key = ANY($2) AND a.user_id IS NOT NULL AND moved.created_at <= $3
              LIMIT 500)) e
           JOIN ledger_transactions t ON t.id = e.transaction_id
           ORDER BY e.id DESC LIMIT $4"#,
        users,
        keys,
        before,
        rows,
    )
    .fetch_all(pool)
    .await
}
