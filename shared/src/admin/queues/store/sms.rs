//! Texts, by their kind. Served by `sms_messages_lease_idx`, `sms_messages_due_idx` and
//! `sms_messages_ended_badly_idx`.

use sqlx::PgPool;

use super::{Candidate, LOOKED_AT, MOST};
use crate::admin::queues::Counted;

pub(in crate::admin::queues) async fn count(
    pool: &PgPool,
    kind: &str,
) -> Result<Counted, sqlx::Error> {
    sqlx::query_as!(
        Counted,
        r#"SELECT
               (SELECT count(*) FROM (
                    SELECT FROM sms_messages WHERE status = 'sending' AND kind = $1 LIMIT $2) AS r)
                   AS "running!",
               (SELECT count(*) FROM (
                    SELECT FROM sms_messages
                    WHERE kind = $1 AND next_attempt_at <= now()
                      AND status IN ('queued', 'unknown') LIMIT $2) AS d) AS "due!",
               (SELECT extract(epoch FROM now() - next_attempt_at)::bigint FROM sms_messages
                WHERE kind = $1 AND next_attempt_at <= now() AND status IN ('queued', 'unknown')
                ORDER BY next_attempt_at LIMIT 1) AS oldest,
               (SELECT count(*) FROM (
                    SELECT FROM sms_messages
                    WHERE kind = $1 AND next_attempt_at > now()
                      AND status IN ('queued', 'unknown') LIMIT $2) AS s) AS "scheduled!",
               (SELECT count(*) FROM (
                    SELECT FROM sms_messages
                    WHERE kind = $1 AND status = 'failed'
                      AND settled_at > now() - interval '24 hours' LIMIT $2) AS f) AS "failed!",
               (SELECT count(*) FROM (
                    SELECT FROM sms_messages
                    WHERE kind = $1 AND status = 'unknown'
                      AND settled_at > now() - interval '24 hours' LIMIT $2) AS u) AS "unknown!""#,
        kind,
        MOST,
    )
    .fetch_one(pool)
    .await
}

/// Those that wait, those first that are due first.
pub(in crate::admin::queues) async fn waiting(
    pool: &PgPool,
    kind: &str,
    due: bool,
) -> Result<Vec<Candidate>, sqlx::Error> {
    sqlx::query_as!(
        Candidate,
        "SELECT id, reason FROM sms_messages
         WHERE kind = $1 AND status IN ('queued', 'unknown')
           AND next_attempt_at > CASE WHEN $2 THEN '-infinity'::timestamptz ELSE now() END
           AND next_attempt_at <= CASE WHEN $2 THEN now() ELSE 'infinity'::timestamptz END
         ORDER BY next_attempt_at LIMIT $3",
        kind,
        due,
        LOOKED_AT,
    )
    .fetch_all(pool)
    .await
}

/// Those that ended badly, latest first.
pub(in crate::admin::queues) async fn ended(
    pool: &PgPool,
    kind: &str,
    status: &str,
) -> Result<Vec<Candidate>, sqlx::Error> {
    sqlx::query_as!(
        Candidate,
        "SELECT id, reason FROM sms_messages
         WHERE kind = $1 AND status = $2 AND status IN ('failed', 'unknown')
           AND settled_at IS NOT NULL
         ORDER BY settled_at DESC LIMIT $3",
        kind,
        status,
        LOOKED_AT,
    )
    .fetch_all(pool)
    .await
}
