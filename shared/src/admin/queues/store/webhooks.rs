//! Webhooks, by their endpoints. Served by `webhook_deliveries_due_idx`, `webhook_deliveries_lease_idx`
//! and `webhook_deliveries_failed_idx`.

use sqlx::PgPool;

use super::{Candidate, LOOKED_AT, MOST};
use crate::admin::queues::Counted;

/// With what is due at each endpoint.
pub(in crate::admin::queues) async fn count(
    pool: &PgPool,
    endpoints: &[String],
) -> Result<(Counted, Vec<(String, i64)>), sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT e.name AS "name!", d.due AS "due!", o.oldest AS "oldest?", s.scheduled AS "scheduled!"
           FROM unnest($1::text[]) AS e (name)
           CROSS JOIN LATERAL (
               SELECT count(*) AS due FROM (
                   SELECT FROM webhook_deliveries
                   WHERE endpoint = e.name AND status = 'queued' AND next_attempt_at <= now()
                   LIMIT $2) AS r) AS d
           CROSS JOIN LATERAL (
               SELECT extract(epoch FROM now() - min(next_attempt_at))::bigint AS oldest
               FROM webhook_deliveries
               WHERE endpoint = e.name AND status = 'queued' AND next_attempt_at <= now()) AS o
           CROSS JOIN LATERAL (
               SELECT count(*) AS scheduled FROM (
                   SELECT FROM webhook_deliveries
                   WHERE endpoint = e.name AND status = 'queued' AND next_attempt_at > now()
                   LIMIT $2) AS r) AS s"#,
        endpoints,
        MOST,
    )
    .fetch_all(pool)
    .await?;
    let others = sqlx::query!(
        r#"SELECT
               (SELECT count(*) FROM (
                    SELECT FROM webhook_deliveries WHERE status = 'sending' LIMIT $1) AS r)
                   AS "running!",
               (SELECT count(*) FILTER (WHERE settled_at > now() - interval '24 hours') FROM (
                    SELECT settled_at FROM webhook_deliveries WHERE status = 'failed'
                    ORDER BY id DESC LIMIT $1) AS f) AS "failed!""#,
        MOST,
    )
    .fetch_one(pool)
    .await?;
    let counted = Counted {
        running: others.running,
        failed: others.failed,
        due: rows.iter().map(|row| row.due).sum(),
        oldest: rows.iter().filter_map(|row| row.oldest).max(),
        scheduled: rows.iter().map(|row| row.scheduled).sum(),
        unknown: 0,
    };
    Ok((counted, rows.into_iter().map(|row| (row.name, row.due)).collect()))
}

/// Those that wait, those first that are due first.
pub(in crate::admin::queues) async fn waiting(
    pool: &PgPool,
    endpoints: &[String],
    due: bool,
) -> Result<Vec<Candidate>, sqlx::Error> {
    sqlx::query_as!(
        Candidate,
        r#"SELECT d.id AS "id!", d.reason FROM unnest($1::text[]) AS e (name)
           CROSS JOIN LATERAL (
               SELECT id, reason, next_attempt_at FROM webhook_deliveries
               WHERE endpoint = e.name AND status = 'queued' AND next_attempt_at > CASE WHEN $2 THEN '-infinity'::timestamptz ELSE now() END
           AND next_attempt_at <= CASE WHEN $2 THEN now() ELSE 'infinity'::timestamptz END
               ORDER BY next_attempt_at LIMIT $3) AS d
           ORDER BY d.next_attempt_at LIMIT $3"#,
        endpoints,
        due,
        LOOKED_AT,
    )
    .fetch_all(pool)
    .await
}

/// Those that were given up, latest first.
pub(in crate::admin::queues) async fn failed(pool: &PgPool) -> Result<Vec<Candidate>, sqlx::Error> {
    sqlx::query_as!(
        Candidate,
        "SELECT id, reason FROM webhook_deliveries WHERE status = 'failed'
         ORDER BY id DESC LIMIT $1",
        LOOKED_AT,
    )
    .fetch_all(pool)
    .await
}
