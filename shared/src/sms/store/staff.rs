//! SQL of what staff do with single messages.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool, postgres::types::PgInterval, types::Json};

use super::{
    super::{
        MessageKind, MessageStatus,
        messages::Owner,
        staff::{Again, Attempt, Standing},
        templates::Wording,
    },
    Expired, stored_phone,
};

/// Makes a message due at once that nobody works on any more, with all attempts before it; a code
/// only while it lives. `None`: it is not such a one.
pub(in crate::sms) async fn retry_one(
    connection: &mut PgConnection,
    id: i64,
    life: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Option<MessageKind>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"UPDATE sms_messages m
           SET status = 'queued', attempts_before = attempt, next_attempt_at = now(),
               pushed_until = now() + interval '2 seconds', reply_to = NULL,
               call_started_at = NULL, reason = NULL, settled_at = NULL, provider = NULL,
               provider_message_id = NULL, poll_at = NULL, polls = 0, delivery = NULL,
               delivery_code = NULL, delivery_at = NULL,
               expires_at = CASE WHEN kind = 'otp' THEN expires_at
                   ELSE greatest(expires_at, $2::timestamptz + $3::interval) END
           WHERE id = $1 AND status IN ('failed', 'expired', 'unknown')
             AND next_attempt_at IS NULL AND delivery IS DISTINCT FROM 'delivered'
             AND (kind <> 'otp' OR expires_at > $2 AND EXISTS (
                 SELECT FROM otp_requests r
                 JOIN otp_codes c ON c.phone = r.phone AND c.purpose = r.purpose
                     AND c.generation = r.generation
                 WHERE r.local_id = m.local_id AND c.consumed_at IS NULL AND c.expires_at > $2))
           RETURNING kind AS "kind: MessageKind""#,
        id,
        now,
        PgInterval::try_from(life).map_err(sqlx::Error::Encode)?,
    )
    .fetch_optional(connection)
    .await
}

/// Those of these messages that are of this kind.
pub(in crate::sms) async fn of_kind(
    connection: &mut PgConnection,
    ids: &[i64],
    kind: MessageKind,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM sms_messages WHERE id = ANY($1) AND kind = $2 ORDER BY id",
        ids,
        kind.as_str(),
    )
    .fetch_all(connection)
    .await
}

/// Makes those of these messages due at once that wait and live; their ids.
pub(in crate::sms) async fn hasten(
    connection: &mut PgConnection,
    ids: &[i64],
    now: DateTime<Utc>,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE sms_messages SET next_attempt_at = least(next_attempt_at, now()), pushed_until = NULL
         WHERE id = ANY($1) AND status IN ('queued', 'unknown') AND next_attempt_at IS NOT NULL
           AND expires_at > $2
         RETURNING id",
        ids,
        now,
    )
    .fetch_all(connection)
    .await
}

/// Ends those of these messages that wait. One that a provider may have taken is not known to have
/// reached nobody, see [`super::expire`]: it stays `unknown`.
pub(in crate::sms) async fn give_up(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<Expired>, sqlx::Error> {
    sqlx::query_as!(
        Expired,
        "WITH chosen AS (
             SELECT id, status = 'unknown' OR EXISTS (
                 SELECT FROM sms_attempts a
                 WHERE a.message_id = sms_messages.id AND a.action = 'send'
                   AND a.attempt > sms_messages.attempts_before
                   AND coalesce(a.outcome, 'unknown') = 'unknown'
                   AND NOT EXISTS (
                       SELECT FROM sms_attempts l
                       WHERE l.message_id = a.message_id AND l.attempt > a.attempt
                         AND l.provider = a.provider AND l.outcome = 'not_found')) AS in_doubt
             FROM sms_messages
             WHERE id = ANY($1) AND status IN ('queued', 'unknown') AND next_attempt_at IS NOT NULL
             ORDER BY id FOR UPDATE)
         UPDATE sms_messages m
         SET status = CASE WHEN in_doubt THEN 'unknown' ELSE 'failed' END,
             reason = CASE WHEN in_doubt THEN 'sms.unresolved' ELSE 'staff.given_up' END,
             next_attempt_at = NULL, pushed_until = NULL, settled_at = now()
         FROM chosen WHERE m.id = chosen.id
         RETURNING m.id, CASE WHEN kind = 'otp' AND NOT in_doubt THEN local_id END AS code",
        ids,
    )
    .fetch_all(connection)
    .await
}

pub(in crate::sms) async fn standing_of(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Standing>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT kind AS "kind: MessageKind", status AS "status: MessageStatus", api_key_id,
               user_id, next_attempt_at IS NULL AS "is_over!"
           FROM sms_messages WHERE id = $1"#,
        id,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Standing {
        kind: row.kind,
        status: row.status,
        is_over: row.is_over,
        owner: owner(row.api_key_id, row.user_id),
    }))
}

pub(in crate::sms) async fn again(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Again>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT phone, body, template, variables AS "variables: Json<Vec<(String, String)>>",
               api_key_id, user_id
           FROM sms_messages
           WHERE id = $1 AND kind <> 'otp' AND next_attempt_at IS NULL AND status <> 'sending'"#,
        id,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let variables = row.variables.map(|Json(variables)| variables).unwrap_or_default();
    let template = row.template.map(|name| (name, variables));
    Ok(Some(Again {
        phone: stored_phone(&row.phone)?,
        wording: Wording { text: row.body, template },
        owner: owner(row.api_key_id, row.user_id),
    }))
}

fn owner(api_key_id: Option<i64>, user_id: Option<i64>) -> Owner {
    match (api_key_id, user_id) {
        (Some(id), _) => Owner::ApiKey(id),
        (None, Some(id)) => Owner::User(id),
        (None, None) => Owner::Nobody,
    }
}

pub(in crate::sms) async fn attempts(pool: &PgPool, id: i64) -> Result<Vec<Attempt>, sqlx::Error> {
    sqlx::query_as!(
        Attempt,
        "SELECT attempt, provider, action, outcome, code, provider_message_id, started_at,
             finished_at
         FROM sms_attempts WHERE message_id = $1 ORDER BY attempt LIMIT 500",
        id,
    )
    .fetch_all(pool)
    .await
}
