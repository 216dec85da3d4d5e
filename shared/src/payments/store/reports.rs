//! What reconciliation reads and writes.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, types::Json};
use std::collections::BTreeMap;

use crate::payments::{
    Purpose, State,
    reconcile::{Compared, Difference, Page, Report, Window},
};

/// A comparison of the same time that was cut short.
pub(in crate::payments) async fn unfinished(
    pool: &PgPool,
    gateway: &str,
    window: Window,
) -> Result<Option<Report>, sqlx::Error> {
    sqlx::query_as!(
        Report,
        r#"SELECT id, gateway, last_id, payments, paid_rials, asked, unasked,
               differences AS "differences: Json<Vec<Difference>>", finished_at
           FROM payment_reports
           WHERE gateway = $1 AND since = $2 AND until = $3 AND finished_at IS NULL
           ORDER BY id DESC LIMIT 1"#,
        gateway,
        window.since,
        window.until,
    )
    .fetch_optional(pool)
    .await
}

pub(in crate::payments) async fn begin(
    pool: &PgPool,
    gateway: &str,
    window: Window,
    now: DateTime<Utc>,
) -> Result<Report, sqlx::Error> {
    sqlx::query_as!(
        Report,
        r#"INSERT INTO payment_reports (gateway, since, until, payments, paid_rials, differences,
               created_at)
           VALUES ($1, $2, $3, 0, 0, '[]', $4)
           RETURNING id, gateway, last_id, payments, paid_rials, asked, unasked,
               differences AS "differences: Json<Vec<Difference>>", finished_at"#,
        gateway,
        window.since,
        window.until,
        now,
    )
    .fetch_one(pool)
    .await
}

/// Writes how far a comparison is that was at `before`; `false`: somebody else moved it.
pub(in crate::payments) async fn advance(
    pool: &PgPool,
    before: i64,
    report: &Report,
) -> Result<bool, sqlx::Error> {
    let advanced = sqlx::query!(
        "UPDATE payment_reports SET last_id = $3, payments = $4, paid_rials = $5, asked = $6,
             unasked = $7, differences = $8, finished_at = $9
         WHERE id = $1 AND last_id = $2 AND finished_at IS NULL",
        report.id,
        before,
        report.last_id,
        report.payments,
        report.paid_rials,
        report.asked,
        report.unasked,
        Json(&report.differences.0) as _,
        report.finished_at,
    )
    .execute(pool)
    .await?;
    Ok(advanced.rows_affected() == 1)
}

/// The gateways that have payments of that time.
pub(in crate::payments) async fn gateways(
    pool: &PgPool,
    window: Window,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT DISTINCT gateway FROM payments
         WHERE (paid_at >= $1 AND paid_at < $2)
            OR (paid_at IS NULL AND created_at >= $1 AND created_at < $2)",
        window.since,
        window.until,
    )
    .fetch_all(pool)
    .await
}

pub(in crate::payments) async fn count(pool: &PgPool, window: Window) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM payments
           WHERE (paid_at >= $1 AND paid_at < $2)
              OR (paid_at IS NULL AND created_at >= $1 AND created_at < $2)"#,
        window.since,
        window.until,
    )
    .fetch_one(pool)
    .await
}

/// The next payments of a gateway's, by id.
pub(in crate::payments) async fn page(
    pool: &PgPool,
    gateway: &str,
    window: Window,
    after: i64,
    limit: i64,
) -> Result<Vec<Compared>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM payments
         WHERE gateway = $1 AND id > $4
           AND ((paid_at >= $2 AND paid_at < $3)
             OR (paid_at IS NULL AND created_at >= $2 AND created_at < $3))
         ORDER BY id LIMIT $5",
        gateway,
        window.since,
        window.until,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?;
    these(pool, &ids).await
}

/// Payments with their pages and what the ledger has of them, in one snapshot.
pub(in crate::payments) async fn these(
    pool: &PgPool,
    ids: &[i64],
) -> Result<Vec<Compared>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.handle, p.user_id, p.state AS "state: State",
               p.purpose AS "purpose: Purpose", p.gateway, p.amount_rials, p.ref_id,
               p.paid_session_id, p.reason IS NOT DISTINCT FROM 'imported' AS "imported!",
               (SELECT jsonb_agg(jsonb_build_object('id', s.id, 'authority', s.authority)
                        ORDER BY s.id)
                FROM payment_sessions s WHERE s.payment_id = p.id AND s.state = 'open')
                   AS "pages: Json<Vec<Page>>",
               (SELECT jsonb_object_agg(a.name, e.amount_rials)
                FROM ledger_transactions t
                JOIN ledger_entries e ON e.transaction_id = t.id
                JOIN ledger_accounts a ON a.id = e.account_id
                WHERE t.key = 'payment:' || p.id) AS "ledger: Json<BTreeMap<String, i64>>",
               (SELECT coalesce(sum(e.amount_rials), 0)::bigint
                FROM payment_returns r
                JOIN ledger_transactions t
                    ON t.key IN ('refund:' || r.id, 'refund-undone:' || r.id)
                JOIN ledger_entries e ON e.transaction_id = t.id
                JOIN ledger_accounts a ON a.id = e.account_id
                WHERE r.payment_id = p.id AND a.name = 'gateway:' || p.gateway)
                   AS "returned_rials!",
               EXISTS (SELECT FROM payment_returns r
                       WHERE r.payment_id = p.id AND r.state IN ('asked', 'unknown'))
                   AS "returning!"
           FROM payments p WHERE p.id = ANY($1) ORDER BY p.id"#,
        ids,
    )
    .fetch_all(pool)
    .await?;
    let rows = rows.into_iter().map(|row| Compared {
        id: row.id,
        handle: row.handle,
        user_id: row.user_id,
        state: row.state,
        purpose: row.purpose,
        gateway: row.gateway,
        amount_rials: row.amount_rials,
        ref_id: row.ref_id,
        paid_session_id: row.paid_session_id,
        imported: row.imported,
        pages: row.pages.map(|pages| pages.0).unwrap_or_default(),
        ledger: row.ledger.map(|ledger| ledger.0).unwrap_or_default(),
        returned_rials: row.returned_rials,
        returning: row.returning,
    });
    Ok(rows.collect())
}

/// A page of a gateway's that is ours.
pub(in crate::payments) struct Known {
    pub(in crate::payments) authority: String,
    pub(in crate::payments) payment_id: i64,
    pub(in crate::payments) amount_rials: i64,
    pub(in crate::payments) state: State,
    pub(in crate::payments) created_at: DateTime<Utc>,
}

pub(in crate::payments) async fn by_authority(
    pool: &PgPool,
    gateway: &str,
    authorities: &[String],
) -> Result<Vec<Known>, sqlx::Error> {
    sqlx::query_as!(
        Known,
        r#"SELECT s.authority AS "authority!", p.id AS payment_id, p.amount_rials,
               p.state AS "state: State", p.created_at
           FROM payment_sessions s JOIN payments p ON p.id = s.payment_id
           WHERE s.gateway = $1 AND s.authority = ANY($2)"#,
        gateway,
        authorities,
    )
    .fetch_all(pool)
    .await
}

crate::purge_table!(pub(in crate::payments) purge, count_old, "payment_reports", "created_at", "");
