//! All SQL of the `sms_messages` and `sms_attempts` tables.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{PgConnection, PgPool, types::Json};

use super::{
    MessageStatus, MessageView, NewOtpMessage,
    deliveries::{Action, AttemptResult, Claim, Next, PastAttempt, Settlement},
};
use crate::phone::PhoneNumber;

/// Seconds for which a pushed id is trusted to be in the queue or with a worker.
const PUSH_TRUST_SECONDS: f64 = 10.0;

pub(super) async fn insert_otp(
    connection: &mut PgConnection,
    message: &NewOtpMessage<'_>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO sms_messages
             (kind, phone, local_id, created_at, expires_at, reply_to, next_attempt_at, pushed_until)
         VALUES ('otp', $1, $2, $3, $4, $5, now(), now() + interval '2 seconds')
         RETURNING id",
        message.phone.as_e164(),
        message.local_id,
        message.created_at,
        message.expires_at,
        message.reply_to,
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn find_by_local_id(
    pool: &PgPool,
    local_id: i64,
) -> Result<Option<MessageView>, sqlx::Error> {
    sqlx::query_as!(
        MessageView,
        r#"SELECT id, local_id, status AS "status: MessageStatus", created_at
           FROM sms_messages WHERE local_id = $1"#,
        local_id,
    )
    .fetch_optional(pool)
    .await
}

pub(super) async fn latest(
    pool: &PgPool,
    phone: Option<&PhoneNumber>,
    limit: i64,
) -> Result<Vec<(PhoneNumber, MessageView)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, local_id, phone, status AS "status: MessageStatus", created_at
           FROM sms_messages
           WHERE $1::text IS NULL OR phone = $1
           ORDER BY id DESC LIMIT $2"#,
        phone.map(PhoneNumber::as_e164),
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let view = MessageView {
                id: row.id,
                local_id: row.local_id,
                status: row.status,
                created_at: row.created_at,
            };
            Ok((stored_phone(&row.phone)?, view))
        })
        .collect()
}

/// The table checks the form, so a failure here means the row was not written by Peyk.
fn stored_phone(text: &str) -> Result<PhoneNumber, sqlx::Error> {
    PhoneNumber::from_e164(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

#[derive(Debug, Deserialize)]
struct HistoryRow {
    provider: String,
    action: String,
    outcome: Option<String>,
}

/// Locks the row for the length of one statement.
pub(super) async fn claim(
    pool: &PgPool,
    id: i64,
    lease: Duration,
    now: DateTime<Utc>,
) -> Result<Option<Claim>, sqlx::Error> {
    let row = sqlx::query!(
        r#"UPDATE sms_messages AS m
           SET status = 'sending', attempt = attempt + 1, call_started_at = NULL,
               lease_until = now() + make_interval(secs => $2)
           WHERE id = $1 AND status IN ('queued', 'unknown')
             AND next_attempt_at <= now() AND expires_at > $3
           RETURNING id, attempt, phone, local_id, created_at, expires_at, reply_to,
               (SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'provider', a.provider, 'action', a.action, 'outcome', a.outcome)
                    ORDER BY a.attempt), '[]')
                FROM sms_attempts a WHERE a.message_id = m.id)
               AS "history!: Json<Vec<HistoryRow>>""#,
        id,
        lease.as_secs_f64(),
        now,
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(Claim {
            id: row.id,
            attempt: row.attempt,
            phone: stored_phone(&row.phone)?,
            local_id: row.local_id,
            created_at: row.created_at,
            expires_at: row.expires_at,
            reply_to: row.reply_to,
            history: row.history.0.into_iter().map(PastAttempt::from).collect(),
        })
    })
    .transpose()
}

impl From<HistoryRow> for PastAttempt {
    fn from(row: HistoryRow) -> Self {
        Self {
            provider: row.provider,
            action: if row.action == "lookup" { Action::Lookup } else { Action::Send },
            result: match row.outcome.as_deref() {
                Some("accepted") => AttemptResult::Accepted,
                Some("rejected_recipient") => AttemptResult::RejectedRecipient,
                Some("rejected_request") => AttemptResult::RejectedRequest,
                Some("rejected_account") => AttemptResult::RejectedAccount,
                Some("retry_later") => AttemptResult::RetryLater,
                Some("found") => AttemptResult::Found,
                Some("not_found") => AttemptResult::NotFound,
                Some("unsupported") => AttemptResult::Unsupported,
                _ => AttemptResult::Unknown,
            },
        }
    }
}

pub(super) async fn start_call(
    pool: &PgPool,
    id: i64,
    attempt: i32,
    provider: &str,
    action: Action,
) -> Result<bool, sqlx::Error> {
    let started = sqlx::query!(
        "WITH mine AS (
             UPDATE sms_messages SET call_started_at = now()
             WHERE id = $1 AND attempt = $2 AND status = 'sending' AND lease_until > now()
             RETURNING id)
         INSERT INTO sms_attempts (message_id, attempt, provider, action)
         SELECT id, $2, $3, $4 FROM mine",
        id,
        attempt,
        provider,
        action as Action,
    )
    .execute(pool)
    .await?;
    Ok(started.rows_affected() == 1)
}

/// One statement: the attempt's row always, the message only if no later attempt has begun.
pub(super) async fn settle(
    pool: &PgPool,
    id: i64,
    attempt: i32,
    settlement: &Settlement,
) -> Result<bool, sqlx::Error> {
    let (status, pause) = match settlement.next {
        Next::Done(status) => (status, None),
        Next::Retry(pause) => (MessageStatus::Queued, Some(pause)),
        Next::Resolve(pause) => (MessageStatus::Unknown, pause),
    };
    let settled = sqlx::query!(
        "WITH attempt AS (
             UPDATE sms_attempts
             SET finished_at = now(), outcome = $3, code = $4, provider_message_id = $5
             WHERE message_id = $1 AND attempt = $2
             RETURNING provider)
         UPDATE sms_messages m
         SET status = $6, reason = $4, lease_until = NULL, pushed_until = NULL,
             next_attempt_at = now() + make_interval(secs => $7),
             settled_at = CASE WHEN $7::float8 IS NULL THEN now() END,
             provider = CASE WHEN $6 = 'sent' THEN attempt.provider END,
             provider_message_id = CASE WHEN $6 = 'sent' THEN $5 END
         FROM attempt
         WHERE m.id = $1 AND m.attempt = $2 AND m.status IN ('sending', 'unknown')",
        id,
        attempt,
        settlement.result as AttemptResult,
        settlement.code.as_deref(),
        settlement.provider_message_id.as_deref(),
        status as MessageStatus,
        pause.map(|pause| pause.as_secs_f64()),
    )
    .execute(pool)
    .await?;
    Ok(settled.rows_affected() == 1)
}

pub(super) async fn abandon(
    pool: &PgPool,
    id: i64,
    attempt: i32,
    status: MessageStatus,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        "UPDATE sms_messages
         SET status = $3, reason = $4, lease_until = NULL, pushed_until = NULL,
             next_attempt_at = NULL, settled_at = now()
         WHERE id = $1 AND attempt = $2 AND status = 'sending'",
        id,
        attempt,
        status as MessageStatus,
        reason,
    )
    .execute(pool)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Rows that nobody works on and that outlived their use. Bounded; the next sweep goes on.
pub(super) async fn expire(pool: &PgPool, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let expired = sqlx::query!(
        "UPDATE sms_messages
         SET status = 'expired', next_attempt_at = NULL, pushed_until = NULL, settled_at = now(),
             reason = coalesce(reason, 'expired')
         WHERE id IN (
             SELECT id FROM sms_messages
             WHERE status IN ('queued', 'unknown') AND next_attempt_at IS NOT NULL
               AND expires_at <= $1
             ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)",
        now,
    )
    .execute(pool)
    .await?;
    Ok(expired.rows_affected())
}

/// Leases of workers that died: surely not called → due again; perhaps called → unknown.
pub(super) async fn reclaim(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let reclaimed = sqlx::query!(
        "UPDATE sms_messages
         SET status = CASE WHEN call_started_at IS NULL THEN 'queued' ELSE 'unknown' END,
             lease_until = NULL, pushed_until = NULL, next_attempt_at = now()
         WHERE id IN (
             SELECT id FROM sms_messages
             WHERE status = 'sending' AND lease_until < now()
             ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED)",
    )
    .execute(pool)
    .await?;
    Ok(reclaimed.rows_affected())
}

pub(super) async fn take_due(
    pool: &PgPool,
    kind: &str,
    room: i64,
    now: DateTime<Utc>,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE sms_messages
         SET pushed_until = now() + make_interval(secs => $3)
         WHERE id IN (
             SELECT id FROM sms_messages
             WHERE kind = $1 AND status IN ('queued', 'unknown') AND next_attempt_at <= now()
               AND (pushed_until IS NULL OR pushed_until <= now()) AND expires_at > $4
             ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED)
         RETURNING id",
        kind,
        room,
        PUSH_TRUST_SECONDS,
        now,
    )
    .fetch_all(pool)
    .await
}

pub(super) async fn backlog(pool: &PgPool, kind: &str) -> Result<(i64, f64), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(next_attempt_at))::float8, 0) AS "age!"
           FROM sms_messages
           WHERE kind = $1 AND status IN ('queued', 'unknown') AND next_attempt_at <= now()"#,
        kind,
    )
    .fetch_one(pool)
    .await?;
    Ok((row.count, row.age))
}

pub(super) async fn purge(
    pool: &PgPool,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, sqlx::Error> {
    let purged = sqlx::query!(
        "DELETE FROM sms_messages WHERE id IN (
             SELECT id FROM sms_messages
             WHERE expires_at < $1 AND status <> 'sending' AND next_attempt_at IS NULL
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        batch,
    )
    .execute(pool)
    .await?;
    Ok(purged.rows_affected())
}

pub(super) async fn count_purgeable(
    pool: &PgPool,
    before: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM sms_messages
           WHERE expires_at < $1 AND status <> 'sending' AND next_attempt_at IS NULL"#,
        before,
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
