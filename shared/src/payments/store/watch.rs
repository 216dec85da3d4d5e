//! Payments that are watched.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use super::review::Decided;
use crate::payments::{Purpose, State};

/// When payments are looked at whose payer does not come back.
pub(in crate::payments) struct Rules {
    /// Gateways that are asked how a page stands.
    pub(in crate::payments) inquire: Vec<String>,
    /// Those that can only be asked to verify it.
    pub(in crate::payments) verify: Vec<String>,
    /// How long after the page was opened.
    pub(in crate::payments) after: TimeDelta,
    /// How long after the last look.
    pub(in crate::payments) every: TimeDelta,
}

/// Makes payments due that are to be looked at again, and those whose time is over whatever their
/// gateway: those first whose time ends first.
pub(in crate::payments) async fn make_due(
    pool: &PgPool,
    now: DateTime<Utc>,
    rules: &Rules,
    most: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    let asked: Vec<_> = rules.inquire.iter().chain(&rules.verify).cloned().collect();
    sqlx::query_scalar!(
        "WITH due AS (
             SELECT id, gateway FROM payments
             WHERE state IN ('created', 'redirected', 'verifying')
               AND next_attempt_at IS NULL AND lease_until IS NULL
               AND (watch_until <= $1
                   OR (state <> 'created' AND gateway = ANY($2) AND updated_at <= $3
                       AND (watched_at IS NULL OR watched_at <= $4)))
             ORDER BY watch_until LIMIT $6 FOR UPDATE SKIP LOCKED),
         pages AS (
             UPDATE payment_sessions s
             SET asks = s.asks + 1, look = greatest(s.look,
                 CASE WHEN due.gateway = ANY($5) THEN 'verify' ELSE 'inquire' END)
             FROM due WHERE s.payment_id = due.id AND s.state = 'open')
         UPDATE payments p
         SET watched_at = $1, failures = 0, next_attempt_at = now(),
             pushed_until = now() + interval '10 seconds'
         FROM due WHERE p.id = due.id
         RETURNING p.id",
        now,
        &asked,
        now - rules.after,
        now - rules.every,
        &rules.verify,
        most,
    )
    .fetch_all(pool)
    .await
}

/// How many [`make_due`] would make due in all.
pub(in crate::payments) async fn count(
    pool: &PgPool,
    now: DateTime<Utc>,
    rules: &Rules,
) -> Result<i64, sqlx::Error> {
    let asked: Vec<_> = rules.inquire.iter().chain(&rules.verify).cloned().collect();
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM payments
           WHERE state IN ('created', 'redirected', 'verifying')
             AND next_attempt_at IS NULL AND lease_until IS NULL
             AND (watch_until <= $1
                 OR (state <> 'created' AND gateway = ANY($2) AND updated_at <= $3
                     AND (watched_at IS NULL OR watched_at <= $4)))"#,
        now,
        &asked,
        now - rules.after,
        now - rules.every,
    )
    .fetch_one(pool)
    .await
}

/// A page of a payment that is not paid.
pub(in crate::payments) struct Waiting {
    pub(in crate::payments) page: i64,
    pub(in crate::payments) authority: String,
    pub(in crate::payments) payment_id: i64,
    pub(in crate::payments) amount_rials: i64,
    pub(in crate::payments) state: State,
}

/// Those of these pages whose payment is not paid and nobody looks at.
pub(in crate::payments) async fn waiting(
    pool: &PgPool,
    gateway: &str,
    authorities: &[String],
) -> Result<Vec<Waiting>, sqlx::Error> {
    sqlx::query_as!(
        Waiting,
        r#"SELECT s.id AS page, s.authority AS "authority!", p.id AS payment_id, p.amount_rials,
               p.state AS "state: State"
           FROM payment_sessions s JOIN payments p ON p.id = s.payment_id
           WHERE s.gateway = $1 AND s.authority = ANY($2)
             AND p.state NOT IN ('paid', 'reversed', 'refunded')
             AND p.next_attempt_at IS NULL AND p.lease_until IS NULL"#,
        gateway,
        authorities,
    )
    .fetch_all(pool)
    .await
}

/// Has a page verified; `false`: somebody was faster.
pub(in crate::payments) async fn ask(
    pool: &PgPool,
    waiting: &Waiting,
) -> Result<bool, sqlx::Error> {
    let asked = sqlx::query!(
        "WITH due AS (
             UPDATE payments
             SET next_attempt_at = now(), failures = 0,
                 pushed_until = now() + interval '10 seconds'
             WHERE id = $1 AND state NOT IN ('paid', 'reversed', 'refunded')
               AND next_attempt_at IS NULL AND lease_until IS NULL
             RETURNING id)
         UPDATE payment_sessions s SET look = 'verify', asks = s.asks + 1
         FROM due WHERE s.id = $2",
        waiting.payment_id,
        waiting.page,
    )
    .execute(pool)
    .await?;
    Ok(asked.rows_affected() > 0)
}

/// Gives a payment to a person, unless it is in another state by now.
pub(in crate::payments) async fn review(
    connection: &mut PgConnection,
    waiting: &Waiting,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Option<Decided>, sqlx::Error> {
    sqlx::query_as!(
        Decided,
        r#"UPDATE payments SET state = 'needs_review', reason = $3, updated_at = $4
           WHERE id = $1 AND state = $2
           RETURNING user_id, order_id, amount_rials, currency, gateway,
               purpose AS "purpose: Purpose", gateway_ref_id, reason"#,
        waiting.payment_id,
        waiting.state.as_str(),
        reason,
        now,
    )
    .fetch_optional(connection)
    .await
}
