//! SQL of messages as their callers see them.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool, postgres::types::PgInterval, types::Json};

use super::{
    super::{
        MessageKind, MessageStatus, MessageView, NewOtpMessage,
        messages::{AcceptedMessage, MessageDetails, Owner, PendingMessage},
        providers::DeliveryStatus,
    },
    stored_phone,
};
use crate::{jobs::RowId, phone::PhoneNumber};

pub(in crate::sms) async fn insert_otps(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    messages: &[NewOtpMessage<'_>],
) -> Result<HashMap<i64, i64>, sqlx::Error> {
    let phones: Vec<_> = messages.iter().map(|m| m.phone.as_e164().to_owned()).collect();
    let local_ids: Vec<_> = messages.iter().map(|m| m.local_id).collect();
    let ends: Vec<_> = messages.iter().map(|m| m.expires_at).collect();
    let replies: Vec<_> = messages.iter().map(|m| m.reply_to.map(str::to_owned)).collect();
    let rows = sqlx::query!(
        "INSERT INTO sms_messages
             (kind, phone, local_id, created_at, expires_at, reply_to, next_attempt_at, pushed_until)
         SELECT 'otp', r.phone, r.local_id, $5, r.expires_at, r.reply_to,
                now(), now() + interval '2 seconds'
         FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[])
             AS r(phone, local_id, expires_at, reply_to)
         RETURNING id, local_id",
        &phones,
        &local_ids,
        &ends,
        &replies as &[Option<String>],
        now,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.local_id, row.id)).collect())
}

pub(in crate::sms) async fn find_by_local_id(
    pool: &PgPool,
    local_id: i64,
) -> Result<Option<MessageView>, sqlx::Error> {
    sqlx::query_as!(
        MessageView,
        r#"SELECT id, local_id, status AS "status: MessageStatus", created_at, body AS text
           FROM sms_messages WHERE local_id = $1"#,
        local_id,
    )
    .fetch_optional(pool)
    .await
}

pub(in crate::sms) async fn latest(
    pool: &PgPool,
    phone: Option<&PhoneNumber>,
    limit: i64,
) -> Result<Vec<(PhoneNumber, MessageView)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, local_id, phone, status AS "status: MessageStatus", created_at,
               coalesce(body, template) AS text
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
                text: row.text,
            };
            Ok((stored_phone(&row.phone)?, view))
        })
        .collect()
}

/// Those of the numbers that want no texts but codes, or are to get none at all.
pub(in crate::sms) async fn blocked(
    connection: &mut PgConnection,
    phones: impl Iterator<Item = &PhoneNumber>,
) -> Result<HashSet<PhoneNumber>, sqlx::Error> {
    let phones: Vec<_> = phones.map(|phone| phone.as_e164().to_owned()).collect();
    let rows = sqlx::query_scalar!(
        r#"SELECT p.phone AS "phone!" FROM unnest($1::text[]) AS p (phone)
               WHERE EXISTS (SELECT FROM sms_blocklist b WHERE b.phone = p.phone)
                  OR EXISTS (
                   SELECT FROM blocks b
                   WHERE b.value IN (SELECT left(p.phone, n) FROM generate_series(4, 16) AS n)
                     AND (b.kind = 'prefix' OR b.kind = 'number' AND b.value = p.phone)
                     AND (b.expires_at IS NULL OR b.expires_at > now()))"#,
        &phones,
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|phone| stored_phone(phone)).collect()
}

/// The ids of those of these messages that there are, by their idempotency keys.
pub(in crate::sms) async fn accepted(
    connection: &mut PgConnection,
    local_ids: &[i64],
) -> Result<HashMap<i64, i64>, sqlx::Error> {
    let rows =
        sqlx::query!("SELECT local_id, id FROM sms_messages WHERE local_id = ANY($1)", local_ids)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|row| (row.local_id, row.id)).collect())
}

pub(in crate::sms) async fn messages_of_bulk(
    pool: &PgPool,
    bulk_id: &str,
) -> Result<HashMap<PhoneNumber, AcceptedMessage>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT phone, id, segments, price_rials, send_at FROM sms_messages WHERE bulk_id = $1",
        bulk_id,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let message = AcceptedMessage {
                id: RowId(row.id),
                segments: row.segments,
                price_rials: row.price_rials,
                bulk_id: Some(bulk_id.to_owned()),
                send_at: row.send_at,
            };
            Ok((stored_phone(&row.phone)?, message))
        })
        .collect()
}

/// Writes messages that are to go out at their time and not later than `life` after it; their ids
/// by their idempotency keys.
pub(in crate::sms) async fn insert_messages(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    life: TimeDelta,
    messages: &[&PendingMessage],
) -> Result<HashMap<i64, i64>, sqlx::Error> {
    let texts = |text: fn(&PendingMessage) -> Option<String>| -> Vec<Option<String>> {
        messages.iter().map(|message| text(message)).collect()
    };
    let local_ids: Vec<_> = messages.iter().map(|message| message.local_id).collect();
    let keys: Vec<_> = messages.iter().map(|message| message.new.owner().api_key()).collect();
    let users: Vec<_> = messages.iter().map(|message| message.new.owner().user()).collect();
    let segments: Vec<_> = messages.iter().map(|message| message.segments).collect();
    let prices: Vec<_> = messages.iter().map(|message| message.price_rials).collect();
    let times: Vec<_> = messages.iter().map(|message| message.new.send_at).collect();
    let variables: Vec<_> = messages
        .iter()
        .map(|message| message.new.wording.template.as_ref().map(|(_, values)| Json(values)))
        .collect();
    let rows = sqlx::query!(
        "INSERT INTO sms_messages
             (kind, phone, local_id, body, template, variables, api_key_id, user_id, bulk_id,
              segments, price_rials, reply_to, send_at, created_at, expires_at, next_attempt_at,
              pushed_until)
         SELECT r.kind, r.phone, r.local_id, r.body, r.template, r.variables, r.api_key_id,
                r.user_id, r.bulk_id, r.segments, r.price_rials, r.reply_to, r.send_at, $13,
                coalesce(r.send_at, $13) + $14::interval, coalesce(r.send_at, now()),
                CASE WHEN r.send_at IS NULL THEN now() + interval '2 seconds' END
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::jsonb[],
                     $7::bigint[], $8::text[], $9::smallint[], $10::bigint[], $11::text[],
                     $12::timestamptz[], $15::bigint[])
             AS r(kind, phone, local_id, body, template, variables, api_key_id, bulk_id, segments,
                  price_rials, reply_to, send_at, user_id)
         RETURNING id, local_id",
        &texts(|message| Some(message.new.kind.as_str().to_owned())) as &[Option<String>],
        &texts(|message| Some(message.new.phone.as_e164().to_owned())) as &[Option<String>],
        &local_ids,
        &texts(|message| message.new.wording.text.clone()) as &[Option<String>],
        &texts(|message| message.new.wording.template.as_ref().map(|(name, _)| name.clone()))
            as &[Option<String>],
        &variables as &[Option<Json<&Vec<(String, String)>>>],
        &keys as &[Option<i64>],
        &texts(|message| message.new.bulk_id.clone()) as &[Option<String>],
        &segments as &[Option<i16>],
        &prices as &[Option<i64>],
        &texts(|message| message.new.reply_to.clone()) as &[Option<String>],
        &times as &[Option<DateTime<Utc>>],
        now,
        PgInterval::try_from(life).map_err(sqlx::Error::Encode)?,
        &users as &[Option<i64>],
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.local_id, row.id)).collect())
}

struct DetailsRow {
    id: i64,
    phone: String,
    kind: MessageKind,
    body: Option<String>,
    template: Option<String>,
    status: MessageStatus,
    delivery: Option<DeliveryStatus>,
    reason: Option<String>,
    provider: Option<String>,
    provider_message_id: Option<String>,
    segments: Option<i16>,
    price_rials: Option<i64>,
    created_at: DateTime<Utc>,
    send_at: Option<DateTime<Utc>>,
    settled_at: Option<DateTime<Utc>>,
    bulk_id: Option<String>,
}

impl TryFrom<DetailsRow> for MessageDetails {
    type Error = sqlx::Error;

    fn try_from(row: DetailsRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.id,
            phone: stored_phone(&row.phone)?,
            kind: row.kind,
            text: row.body,
            template: row.template,
            status: row.status,
            delivery: row.delivery,
            reason: row.reason,
            provider: row.provider,
            provider_message_id: row.provider_message_id,
            segments: row.segments,
            price_rials: row.price_rials,
            created_at: row.created_at,
            send_at: row.send_at,
            settled_at: row.settled_at,
            bulk_id: row.bulk_id,
        })
    }
}

/// One query of messages: `details!("WHERE …", parameters…)`.
macro_rules! details {
    ($rest:literal, $($parameter:expr),*) => {
        sqlx::query_as!(
            DetailsRow,
            r#"SELECT id, phone, kind AS "kind: MessageKind", body, template,
                   status AS "status: MessageStatus", delivery AS "delivery: DeliveryStatus",
                   coalesce(delivery_code, reason) AS reason, provider, provider_message_id,
                   segments, price_rials, created_at, send_at, settled_at, bulk_id
               FROM sms_messages "# + $rest,
            $($parameter),*
        )
    };
}

pub(in crate::sms) async fn find_message(
    pool: &PgPool,
    owner: Owner,
    id: i64,
) -> Result<Option<MessageDetails>, sqlx::Error> {
    let row = details!(
        "WHERE id = $1 AND api_key_id IS NOT DISTINCT FROM $2
           AND user_id IS NOT DISTINCT FROM $3 AND kind <> 'otp'",
        id,
        owner.api_key(),
        owner.user()
    );
    row.fetch_optional(pool).await?.map(MessageDetails::try_from).transpose()
}

/// Nobody lists what has no owner.
pub(in crate::sms) async fn list_messages(
    pool: &PgPool,
    owner: Owner,
    bulk_id: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<MessageDetails>, sqlx::Error> {
    let before = before.unwrap_or(i64::MAX);
    let rows = match owner {
        Owner::ApiKey(key) => {
            details!(
                "WHERE api_key_id = $1 AND id < $2 AND ($3::text IS NULL OR bulk_id = $3)
                 ORDER BY id DESC LIMIT $4",
                key,
                before,
                bulk_id,
                limit
            )
            .fetch_all(pool)
            .await?
        }
        Owner::User(user) => {
            details!(
                "WHERE user_id = $1 AND id < $2 AND ($3::text IS NULL OR bulk_id = $3)
                 ORDER BY id DESC LIMIT $4",
                user,
                before,
                bulk_id,
                limit
            )
            .fetch_all(pool)
            .await?
        }
        Owner::Nobody => Vec::new(),
    };
    rows.into_iter().map(MessageDetails::try_from).collect()
}

pub(in crate::sms) async fn cancel_message(
    executor: impl PgExecutor<'_>,
    owner: Owner,
    id: i64,
) -> Result<bool, sqlx::Error> {
    let cancelled = sqlx::query!(
        "UPDATE sms_messages
         SET status = 'cancelled', next_attempt_at = NULL, pushed_until = NULL,
             settled_at = now()
         WHERE id = $1 AND api_key_id IS NOT DISTINCT FROM $2
           AND user_id IS NOT DISTINCT FROM $3 AND kind <> 'otp' AND status = 'queued'",
        id,
        owner.api_key(),
        owner.user(),
    )
    .execute(executor)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

pub(in crate::sms) async fn cancel_bulk(
    pool: &PgPool,
    owner: Owner,
    bulk: &str,
) -> Result<u64, sqlx::Error> {
    let cancelled = sqlx::query!(
        "UPDATE sms_messages
         SET status = 'cancelled', next_attempt_at = NULL, pushed_until = NULL,
             settled_at = now()
         WHERE bulk_id = $1 AND api_key_id IS NOT DISTINCT FROM $2
           AND user_id IS NOT DISTINCT FROM $3 AND status = 'queued'",
        bulk,
        owner.api_key(),
        owner.user(),
    )
    .execute(pool)
    .await?;
    Ok(cancelled.rows_affected())
}

pub(in crate::sms) async fn has_bulk(
    pool: &PgPool,
    owner: Owner,
    bulk: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM sms_messages
               WHERE bulk_id = $1 AND api_key_id IS NOT DISTINCT FROM $2
                 AND user_id IS NOT DISTINCT FROM $3) AS "has!""#,
        bulk,
        owner.api_key(),
        owner.user(),
    )
    .fetch_one(pool)
    .await
}
