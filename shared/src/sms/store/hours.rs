//! SQL of the `sms_provider_hours` table.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::super::{
    MessageKind,
    learning::{Figures, Hour, TOOK_BOUNDS_MS},
};

/// A row as it is counted or stored.
struct Row {
    hour: DateTime<Utc>,
    provider: String,
    kind: MessageKind,
    sends: i64,
    accepted: i64,
    refused: i64,
    put_off: i64,
    unknown: i64,
    took_ms: i64,
    took: Vec<i64>,
    carried: i64,
    verified: i64,
    delivered: i64,
    undelivered: i64,
    cost_rials: i64,
}

impl From<Row> for Hour {
    fn from(row: Row) -> Self {
        Self {
            hour: row.hour,
            provider: row.provider,
            kind: row.kind,
            figures: Figures {
                sends: row.sends,
                accepted: row.accepted,
                refused: row.refused,
                put_off: row.put_off,
                unknown: row.unknown,
                took_ms: row.took_ms,
                took: row.took,
                carried: row.carried,
                verified: row.verified,
                delivered: row.delivered,
                undelivered: row.undelivered,
                cost_rials: row.cost_rials,
            },
        }
    }
}

/// A call without an end counts as unknown once it cannot be under way any more. A text belongs to
/// the last call that handed it over, and to that call's hour. A code was used in time within a
/// minute of that call's end.
pub(in crate::sms) async fn count_calls(
    pool: &PgPool,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    price: i64,
) -> Result<Vec<Hour>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"WITH call AS (
               SELECT a.*, m.kind, m.delivery, m.verified_at, m.price_rials,
                   (extract(epoch FROM a.finished_at - a.started_at) * 1000)::bigint AS ms,
                   m.status = 'sent' AND m.provider = a.provider AND NOT EXISTS (
                       SELECT FROM sms_attempts l
                       WHERE l.message_id = a.message_id AND l.attempt > a.attempt
                         AND l.action = 'send') AS carried
               FROM sms_attempts a JOIN sms_messages m ON m.id = a.message_id
               WHERE a.started_at >= $1 AND a.started_at < $2 AND a.action = 'send'
                 AND (a.outcome IS NOT NULL OR a.started_at < now() - interval '2 minutes'))
           SELECT date_trunc('hour', started_at, 'UTC') AS "hour!", provider,
               kind AS "kind: MessageKind",
               count(*) AS "sends!",
               count(*) FILTER (WHERE outcome = 'accepted') AS "accepted!",
               count(*) FILTER (WHERE outcome LIKE 'rejected%') AS "refused!",
               count(*) FILTER (WHERE outcome = 'retry_later') AS "put_off!",
               count(*) FILTER (WHERE outcome IS NULL OR outcome = 'unknown') AS "unknown!",
               coalesce(sum(ms), 0)::bigint AS "took_ms!",
               ARRAY[
                   count(*) FILTER (WHERE ms <= ($4::bigint[])[1]),
                   count(*) FILTER (WHERE ms <= ($4::bigint[])[2]),
                   count(*) FILTER (WHERE ms <= ($4::bigint[])[3]),
                   count(*) FILTER (WHERE ms <= ($4::bigint[])[4]),
                   count(*) FILTER (WHERE ms <= ($4::bigint[])[5]),
                   count(*) FILTER (WHERE ms <= ($4::bigint[])[6]),
                   count(*) FILTER (WHERE ms <= ($4::bigint[])[7]),
                   count(*) FILTER (WHERE ms <= ($4::bigint[])[8])] AS "took!",
               count(*) FILTER (WHERE carried) AS "carried!",
               count(*) FILTER (WHERE carried AND verified_at <= finished_at + interval '1 minute')
                   AS "verified!",
               count(*) FILTER (WHERE carried AND delivery = 'delivered') AS "delivered!",
               count(*) FILTER (WHERE carried AND delivery = 'undelivered') AS "undelivered!",
               coalesce(sum(coalesce(price_rials, $3::bigint)) FILTER (WHERE carried), 0)::bigint
                   AS "cost_rials!"
           FROM call GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"#,
        from,
        to,
        price,
        &TOOK_BOUNDS_MS,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Hour::from).collect())
}

/// When the call began that is so many behind the first of these; `None`: there are not so many.
pub(in crate::sms) async fn slice_end(
    pool: &PgPool,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    calls: i64,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT started_at FROM sms_attempts WHERE started_at >= $1 AND started_at < $2
         ORDER BY started_at OFFSET $3 LIMIT 1",
        from,
        to,
        calls,
    )
    .fetch_optional(pool)
    .await
}

pub(in crate::sms) async fn counted_hours(
    pool: &PgPool,
    from: DateTime<Utc>,
) -> Result<Vec<Hour>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT hour, provider, kind AS "kind: MessageKind", sends, accepted, refused, put_off,
               unknown, took_ms, took, carried, verified, delivered, undelivered, cost_rials
           FROM sms_provider_hours WHERE hour >= $1 ORDER BY 1, 2, 3"#,
        from,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Hour::from).collect())
}

/// Hours with calls since `from`, or since the last one that was counted if that is earlier; none if
/// there was never a call.
pub(in crate::sms) async fn hours_with_calls(
    pool: &PgPool,
    from: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT h AS "hour!"
           FROM (SELECT min(started_at) AS first FROM sms_attempts) a,
               generate_series(
                   date_trunc('hour', CASE WHEN first IS NOT NULL THEN greatest(first, least($1,
                       coalesce((SELECT max(hour) FROM sms_provider_hours), '-infinity'))) END,
                       'UTC'),
                   now(), interval '1 hour') AS h
           WHERE EXISTS (
               SELECT FROM sms_attempts
               WHERE started_at >= h AND started_at < h + interval '1 hour')
           ORDER BY 1"#,
        from,
    )
    .fetch_all(pool)
    .await
}

pub(in crate::sms) async fn write_hour(
    connection: &mut PgConnection,
    row: &Hour,
) -> Result<(), sqlx::Error> {
    let figures = &row.figures;
    sqlx::query!(
        "INSERT INTO sms_provider_hours (hour, provider, kind, sends, accepted, refused, put_off,
             unknown, took_ms, took, carried, verified, delivered, undelivered, cost_rials)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (hour, provider, kind) DO UPDATE SET
             sends = $4, accepted = $5, refused = $6, put_off = $7, unknown = $8, took_ms = $9,
             took = $10, carried = $11, verified = $12, delivered = $13, undelivered = $14,
             cost_rials = $15",
        row.hour,
        row.provider,
        row.kind.as_str(),
        figures.sends,
        figures.accepted,
        figures.refused,
        figures.put_off,
        figures.unknown,
        figures.took_ms,
        &figures.took,
        figures.carried,
        figures.verified,
        figures.delivered,
        figures.undelivered,
        figures.cost_rials,
    )
    .execute(connection)
    .await
    .map(drop)
}

crate::purge_table!(pub(in crate::sms) purge_hours, count_purgeable_hours, "sms_provider_hours", "hour", "");
