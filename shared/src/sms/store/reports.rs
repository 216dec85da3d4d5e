//! SQL of delivery reports.

use sqlx::{PgConnection, PgPool};

use super::super::providers::{DeliveryStatus, Report};

/// The ids of the messages that were changed.
pub(in crate::sms) async fn record_reports(
    connection: &mut PgConnection,
    provider: &str,
    reports: &[Report],
) -> Result<Vec<i64>, sqlx::Error> {
    let ids: Vec<_> = reports.iter().map(|report| report.provider_message_id.clone()).collect();
    let states: Vec<_> =
        reports.iter().map(|report| report.status.map(DeliveryStatus::as_str)).collect();
    let states: Vec<_> = states.into_iter().map(|state| state.map(str::to_owned)).collect();
    let codes: Vec<String> =
        reports.iter().map(|report| report.code.chars().take(64).collect()).collect();
    sqlx::query_scalar!(
        "UPDATE sms_messages m
         SET delivery = coalesce(r.delivery, m.delivery), delivery_code = r.code,
             delivery_at = now(),
             poll_at = CASE WHEN r.delivery IN ('delivered', 'undelivered') THEN NULL
                 ELSE m.poll_at END
         FROM unnest($2::text[], $3::text[], $4::text[]) AS r(id, delivery, code)
         WHERE m.provider = $1 AND m.provider_message_id = r.id AND m.status = 'sent'
           AND (m.delivery IS NULL OR m.delivery IN ('accepted', 'carried')
                AND array_position(ARRAY['accepted', 'carried', 'undelivered', 'delivered'],
                        r.delivery)
                  >= array_position(ARRAY['accepted', 'carried', 'undelivered', 'delivered'],
                        m.delivery))
           AND (m.delivery, m.delivery_code)
               IS DISTINCT FROM (coalesce(r.delivery, m.delivery), r.code)
         RETURNING m.id",
        provider,
        &ids,
        &states as &[Option<String>],
        &codes,
    )
    .fetch_all(connection)
    .await
}

pub(in crate::sms) async fn take_polls(
    pool: &PgPool,
    provider: &str,
    limit: i64,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"UPDATE sms_messages
           SET polls = polls + 1,
               poll_at = now() + CASE polls
                   WHEN 0 THEN interval '3 minutes' WHEN 1 THEN interval '10 minutes'
                   WHEN 2 THEN interval '30 minutes' WHEN 3 THEN interval '6 hours' END
           WHERE id IN (
               SELECT id FROM sms_messages WHERE provider = $1 AND poll_at <= now()
               ORDER BY poll_at LIMIT $2 FOR UPDATE SKIP LOCKED)
           RETURNING provider_message_id AS "id!""#,
        provider,
        limit,
    )
    .fetch_all(pool)
    .await
}

pub(in crate::sms) async fn count_polls(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM sms_messages WHERE poll_at <= now()"#)
        .fetch_one(pool)
        .await
}
