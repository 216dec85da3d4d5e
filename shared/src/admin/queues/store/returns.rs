//! Money on its way back. A small table: those that ended are looked for among the latest.

use sqlx::PgPool;

use super::{Candidate, LOOKED_AT, MOST};
use crate::admin::queues::Counted;

pub(in crate::admin::queues) async fn count(pool: &PgPool) -> Result<Counted, sqlx::Error> {
    sqlx::query_as!(
        Counted,
        r#"SELECT
               (SELECT count(*) FROM (
                    SELECT FROM payment_returns WHERE lease_until IS NOT NULL LIMIT $1) AS r)
                   AS "running!",
               (SELECT count(*) FROM (
                    SELECT FROM payment_returns
                    WHERE next_attempt_at <= now() AND lease_until IS NULL LIMIT $1) AS d)
                   AS "due!",
               (SELECT extract(epoch FROM now() - min(next_attempt_at))::bigint FROM payment_returns
                WHERE next_attempt_at <= now() AND lease_until IS NULL) AS oldest,
               (SELECT count(*) FROM (
                    SELECT FROM payment_returns
                    WHERE next_attempt_at > now() AND lease_until IS NULL LIMIT $1) AS s)
                   AS "scheduled!",
               (SELECT count(*) FROM (
                    SELECT state, ended_at FROM payment_returns ORDER BY id DESC LIMIT $1) AS f
                WHERE state = 'refused' AND ended_at > now() - interval '24 hours') AS "failed!",
               (SELECT count(*) FROM (
                    SELECT state, ended_at FROM payment_returns ORDER BY id DESC LIMIT $1) AS u
                WHERE state = 'unknown' AND ended_at > now() - interval '24 hours') AS "unknown!""#,
        MOST,
    )
    .fetch_one(pool)
    .await
}

pub(in crate::admin::queues) async fn due_kinds(
    pool: &PgPool,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT action, count(*) AS "due!" FROM (
               SELECT action FROM payment_returns
               WHERE next_attempt_at <= now() AND lease_until IS NULL
               ORDER BY next_attempt_at LIMIT $1) AS d
           GROUP BY action ORDER BY action"#,
        MOST,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.action, row.due)).collect())
}

/// Those that wait, those first that are due first.
pub(in crate::admin::queues) async fn waiting(
    pool: &PgPool,
    due: bool,
) -> Result<Vec<Candidate>, sqlx::Error> {
    sqlx::query_as!(
        Candidate,
        "SELECT id, code AS reason FROM payment_returns
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
