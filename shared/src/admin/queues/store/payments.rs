//! Payments, by their gateways. Served by `payments_due_idx`, `payments_lease_idx` and
//! `payments_state_idx`.

use sqlx::PgPool;

use super::{Candidate, LOOKED_AT, MOST};
use crate::admin::queues::Counted;

pub(in crate::admin::queues) async fn count(pool: &PgPool) -> Result<Counted, sqlx::Error> {
    sqlx::query_as!(
        Counted,
        r#"SELECT
               (SELECT count(*) FROM (
                    SELECT FROM payments WHERE lease_until IS NOT NULL LIMIT $1) AS r)
                   AS "running!",
               (SELECT count(*) FROM (
                    SELECT FROM payments
                    WHERE next_attempt_at <= now() AND lease_until IS NULL LIMIT $1) AS d)
                   AS "due!",
               (SELECT extract(epoch FROM now() - min(next_attempt_at))::bigint FROM payments
                WHERE next_attempt_at <= now() AND lease_until IS NULL) AS oldest,
               (SELECT count(*) FROM (
                    SELECT FROM payments
                    WHERE next_attempt_at > now() AND lease_until IS NULL LIMIT $1) AS s)
                   AS "scheduled!",
               (SELECT count(*) FILTER (WHERE updated_at > now() - interval '24 hours') FROM (
                    SELECT updated_at FROM payments WHERE state = 'failed'
                    ORDER BY id DESC LIMIT $1) AS f) AS "failed!",
               (SELECT count(*) FILTER (WHERE updated_at > now() - interval '24 hours') FROM (
                    SELECT updated_at FROM payments WHERE state = 'needs_review'
                    ORDER BY id DESC LIMIT $1) AS u) AS "unknown!""#,
        MOST,
    )
    .fetch_one(pool)
    .await
}

pub(in crate::admin::queues) async fn due_kinds(
    pool: &PgPool,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT gateway, count(*) AS "due!" FROM (
               SELECT gateway FROM payments
               WHERE next_attempt_at <= now() AND lease_until IS NULL
               ORDER BY next_attempt_at LIMIT $1) AS d
           GROUP BY gateway ORDER BY gateway"#,
        MOST,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.gateway, row.due)).collect())
}

/// Those that wait, those first that are due first.
pub(in crate::admin::queues) async fn waiting(
    pool: &PgPool,
    due: bool,
) -> Result<Vec<Candidate>, sqlx::Error> {
    sqlx::query_as!(
        Candidate,
        "SELECT id, reason FROM payments
         WHERE lease_until IS NULL
           AND next_attempt_at > CASE WHEN $1 THEN '-infinity'::timestamptz ELSE now() END
           AND next_attempt_at <= CASE WHEN $1 THEN now() ELSE 'infinity'::timestamptz END
         ORDER BY next_attempt_at LIMIT $2",
        due,
        LOOKED_AT,
    )
    .fetch_all(pool)
    .await
}

/// Those in this state, latest first.
pub(in crate::admin::queues) async fn ended(
    pool: &PgPool,
    state: &str,
) -> Result<Vec<Candidate>, sqlx::Error> {
    sqlx::query_as!(
        Candidate,
        "SELECT id, reason FROM payments WHERE state = $1 ORDER BY id DESC LIMIT $2",
        state,
        LOOKED_AT,
    )
    .fetch_all(pool)
    .await
}
