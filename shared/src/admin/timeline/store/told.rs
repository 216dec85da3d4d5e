//! What endpoints of webhooks were told, and what staff did.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;

/// An event as one endpoint is told of it.
pub(in crate::admin::timeline) struct WebhookRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) kind: String,
    pub(in crate::admin::timeline) subject: String,
    pub(in crate::admin::timeline) endpoint: String,
    pub(in crate::admin::timeline) status: String,
    pub(in crate::admin::timeline) attempt: i32,
    pub(in crate::admin::timeline) response_status: Option<i16>,
    pub(in crate::admin::timeline) reason: Option<String>,
    pub(in crate::admin::timeline) created_at: DateTime<Utc>,
    pub(in crate::admin::timeline) settled_at: Option<DateTime<Utc>>,
}

/// The latest events of each subject (`webhook_events_subject_idx`) with their deliveries
/// (`webhook_deliveries_event_id_endpoint_key`).
pub(in crate::admin::timeline) async fn webhooks(
    pool: &PgPool,
    subjects: &[String],
    before: DateTime<Utc>,
) -> Result<Vec<WebhookRow>, sqlx::Error> {
    if subjects.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as!(
        WebhookRow,
        "SELECT d.id, e.kind, e.subject, d.endpoint, d.status, d.attempt, d.response_status,
             d.reason, e.created_at, d.settled_at
         FROM unnest($1::text[]) AS s(subject)
         CROSS JOIN LATERAL (
             SELECT * FROM webhook_events WHERE subject = s.subject AND created_at <= $2
             ORDER BY created_at DESC LIMIT 50) e
         JOIN webhook_deliveries d ON d.event_id = e.id
         ORDER BY e.created_at DESC LIMIT 500",
        subjects,
        before,
    )
    .fetch_all(pool)
    .await
}

/// An event of the audit log.
pub(in crate::admin::timeline) struct AuditRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) at: DateTime<Utc>,
    pub(in crate::admin::timeline) actor: String,
    pub(in crate::admin::timeline) actor_user_id: Option<i64>,
    pub(in crate::admin::timeline) action: String,
    pub(in crate::admin::timeline) subject: String,
    pub(in crate::admin::timeline) subject_id: Option<i64>,
    pub(in crate::admin::timeline) detail: Value,
}

/// What was done to each subject (`audit_events_subject_idx`) and by a request
/// (`audit_events_request_idx`). Looks are left out: nothing happened to anybody by them.
pub(in crate::admin::timeline) async fn audit_events(
    pool: &PgPool,
    subjects: &[(&'static str, i64)],
    request_id: Option<&str>,
    before: DateTime<Utc>,
) -> Result<Vec<AuditRow>, sqlx::Error> {
    if subjects.is_empty() && request_id.is_none() {
        return Ok(Vec::new());
    }
    let kinds: Vec<_> = subjects.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    let ids: Vec<_> = subjects.iter().map(|(_, id)| *id).collect();
    sqlx::query_as!(
        AuditRow,
        r#"SELECT e.id AS "id!", e.at AS "at!", e.actor AS "actor!", e.actor_user_id,
             e.action AS "action!", e.subject AS "subject!", e.subject_id, e.detail AS "detail!"
           FROM (
             (SELECT own.* FROM unnest($1::text[], $2::bigint[]) AS s(kind, id)
              CROSS JOIN LATERAL (
                  SELECT * FROM audit_events
                  WHERE subject = s.kind AND subject_id = s.id AND at <= $4
                    AND action !~ '[.](viewed|searched|listed)$'
                  ORDER BY id DESC LIMIT 100) own)
             UNION
             (SELECT * FROM audit_events
              WHERE request_id = $3 AND at <= $4 AND action !~ '[.](viewed|searched|listed)$'
              LIMIT 100)) e
           ORDER BY e.id DESC LIMIT 500"#,
        &kinds,
        &ids,
        request_id,
        before,
    )
    .fetch_all(pool)
    .await
}
