//! All SQL of the `audit_events` table.

use chrono::{DateTime, Utc};
use sqlx::{
    PgConnection, PgPool,
    types::{Json, ipnetwork::IpNetwork},
};

use super::{Entry, Event, Filter};

pub(super) async fn insert(
    connection: &mut PgConnection,
    entry: &Entry<'_>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let source = entry.source;
    sqlx::query!(
        "INSERT INTO audit_events (at, actor, actor_user_id, action, subject, subject_id, ip,
             request_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        now,
        source.actor.as_str(),
        source.actor.user_id(),
        entry.action,
        entry.subject.kind,
        entry.subject.id,
        source.ip.map(IpNetwork::from),
        source.request_id,
        Json(&entry.detail) as Json<&serde_json::Map<String, serde_json::Value>>,
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn list(
    pool: &PgPool,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Event>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, at, actor, actor_user_id, action, subject, subject_id, ip, request_id, detail
           FROM audit_events
           WHERE ($1::bigint IS NULL OR actor_user_id = $1)
             AND ($2::text IS NULL OR subject = $2)
             AND ($3::bigint IS NULL OR subject_id = $3)
             AND ($4::text IS NULL OR action = $4)
             AND ($5::timestamptz IS NULL OR at >= $5)
             AND ($6::bigint IS NULL OR id < $6)
           ORDER BY id DESC LIMIT $7"#,
        filter.actor_user_id,
        filter.subject,
        filter.subject_id,
        filter.action,
        filter.since,
        filter.before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let events = rows.into_iter().map(|row| Event {
        id: row.id,
        at: row.at,
        actor: row.actor,
        actor_user_id: row.actor_user_id,
        action: row.action,
        subject: row.subject,
        subject_id: row.subject_id,
        ip: row.ip.map(|network: IpNetwork| network.ip()),
        request_id: row.request_id,
        detail: row.detail,
    });
    Ok(events.collect())
}

crate::purge_table!(pub(super) purge, count_old, "audit_events", "at", "");
