//! SQL of what is told of messages.

use sqlx::PgConnection;

use super::{
    super::{MessageKind, MessageStatus, events::Told, providers::DeliveryStatus},
    stored_phone,
};

/// Messages as they are told of, in the order of their ids.
pub(in crate::sms) async fn told(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<Told>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT m.id, m.kind AS "kind: MessageKind", m.phone,
               m.status AS "status: MessageStatus", m.delivery AS "delivery: DeliveryStatus",
               coalesce(m.delivery_code, m.reason) AS reason, m.provider, m.provider_message_id,
               m.segments, m.bulk_id, m.created_at, m.settled_at, m.delivery_at, m.user_id,
               k.prefix AS "prefix?", k.name AS "name?"
           FROM sms_messages m LEFT JOIN api_keys k ON k.id = m.api_key_id
           WHERE m.id = ANY($1) ORDER BY m.id"#,
        ids,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Told {
                id: row.id,
                kind: row.kind,
                phone: stored_phone(&row.phone)?,
                status: row.status,
                delivery: row.delivery,
                reason: row.reason,
                provider: row.provider,
                provider_message_id: row.provider_message_id,
                segments: row.segments,
                bulk_id: row.bulk_id,
                api_key: row.prefix.zip(row.name),
                user_id: row.user_id,
                created_at: row.created_at,
                settled_at: row.settled_at,
                delivery_at: row.delivery_at,
            })
        })
        .collect()
}
