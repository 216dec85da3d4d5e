//! SQL of `sms_inbound`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::super::inbound::{InboundText, NewInbound};

/// Stores a text; `None` if it is there already.
pub(in crate::sms) async fn insert_inbound(
    connection: &mut PgConnection,
    provider: &str,
    new: &NewInbound,
    now: DateTime<Utc>,
) -> Result<Option<InboundText>, sqlx::Error> {
    sqlx::query_as!(
        InboundText,
        "INSERT INTO sms_inbound
             (provider, provider_message_id, phone, line, body, received_at, fingerprint)
         SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE NOT EXISTS (SELECT 1 FROM sms_inbound WHERE fingerprint = $8)
         ON CONFLICT (fingerprint) DO NOTHING
         RETURNING id, provider, provider_message_id, phone, line, body, received_at",
        provider,
        new.provider_message_id.as_deref(),
        new.phone,
        new.line,
        new.body,
        now,
        new.fingerprint,
        new.earlier,
    )
    .fetch_optional(connection)
    .await
}

pub(in crate::sms) async fn list_inbound(
    pool: &PgPool,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<InboundText>, sqlx::Error> {
    sqlx::query_as!(
        InboundText,
        "SELECT id, provider, provider_message_id, phone, line, body, received_at
         FROM sms_inbound WHERE id < coalesce($1, 9223372036854775807)
         ORDER BY id DESC LIMIT $2",
        before,
        limit,
    )
    .fetch_all(pool)
    .await
}

crate::purge_table!(pub(in crate::sms) purge_inbound, count_old_inbound, "sms_inbound", "received_at", "");
