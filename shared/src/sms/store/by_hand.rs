//! SQL of what staff do with texts.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Expired;

/// What failed or expired was surely not sent: its attempts do not count any more.
pub(in crate::sms) async fn retry(
    connection: &mut PgConnection,
    kind: &str,
    ids: &[i64],
    (now, life): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE sms_messages
         SET status = CASE WHEN status = 'unknown' THEN 'unknown' ELSE 'queued' END,
             attempts_before = CASE WHEN status IN ('failed', 'expired') THEN attempt
                 ELSE attempts_before END,
             expires_at = CASE WHEN kind = 'otp' THEN expires_at
                 WHEN status = 'queued' AND expires_at > $3 THEN expires_at
                 ELSE greatest(expires_at, $4) END,
             next_attempt_at = now(), pushed_until = NULL, settled_at = NULL
         WHERE id = ANY($1) AND kind = $2 AND status IN ('queued', 'failed', 'expired', 'unknown')
           AND (kind <> 'otp' OR expires_at > $3)
         RETURNING id",
        ids,
        kind,
        now,
        life,
    )
    .fetch_all(connection)
    .await
}

/// What may have been sent is not known to have reached nobody; see [`super::expire`].
pub(in crate::sms) async fn give_up(
    connection: &mut PgConnection,
    kind: &str,
    ids: &[i64],
) -> Result<Vec<Expired>, sqlx::Error> {
    sqlx::query_as!(
        Expired,
        "WITH chosen AS (
             SELECT id, status = 'unknown' OR EXISTS (
                 SELECT FROM sms_attempts a
                 WHERE a.message_id = sms_messages.id AND a.action = 'send'
                   AND coalesce(a.outcome, 'unknown') = 'unknown'
                   AND NOT EXISTS (
                       SELECT FROM sms_attempts l
                       WHERE l.message_id = a.message_id AND l.attempt > a.attempt
                         AND l.provider = a.provider AND l.outcome = 'not_found')) AS in_doubt
             FROM sms_messages
             WHERE id = ANY($1) AND kind = $2 AND status IN ('queued', 'unknown')
               AND next_attempt_at IS NOT NULL
             ORDER BY id FOR UPDATE)
         UPDATE sms_messages m
         SET status = CASE WHEN in_doubt THEN 'unknown' ELSE 'failed' END,
             reason = 'sms.given_up', next_attempt_at = NULL, pushed_until = NULL,
             settled_at = now()
         FROM chosen WHERE m.id = chosen.id
         RETURNING m.id, CASE WHEN kind = 'otp' AND NOT in_doubt THEN local_id END AS code",
        ids,
        kind,
    )
    .fetch_all(connection)
    .await
}
