//! All SQL of the `sessions` and `revocations` tables.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, types::ipnetwork::IpNetwork};

use super::{Ending, NewSession, Session, Which};

pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewSession<'_>,
    now: DateTime<Utc>,
    refresh_expires_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<Session, sqlx::Error> {
    let origin = new.origin;
    sqlx::query_as!(
        Session,
        "INSERT INTO sessions (user_id, ip, user_agent, device, browser, os, method, created_at,
             last_seen_at, authenticated_at, refresh_issued_at, refresh_expires_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8, $8, $9, $10)
         RETURNING id, user_id, refresh_generation, refresh_issued_at, refresh_expires_at",
        new.user_id,
        origin.ip.map(IpNetwork::from),
        origin.user_agent.as_deref(),
        origin.device.device.as_deref(),
        origin.device.browser.as_deref(),
        origin.device.os.as_deref(),
        new.method.as_str(),
        now,
        refresh_expires_at,
        expires_at,
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn revoke(
    connection: &mut PgConnection,
    user_id: i64,
    which: Which,
    ending: &Ending,
) -> Result<Vec<i64>, sqlx::Error> {
    let (only, but) = match which {
        Which::One(session) => (Some(session), None),
        Which::AllBut(session) => (None, Some(session)),
        Which::All => (None, None),
    };
    sqlx::query_scalar!(
        r#"WITH ended AS (
               UPDATE sessions SET revoked_at = $5, revoked_reason = $4
               WHERE user_id = $1 AND revoked_at IS NULL AND refresh_expires_at > $5
                 AND ($2::bigint IS NULL OR id = $2) AND ($3::bigint IS NULL OR id <> $3)
               RETURNING id),
           told AS (
               INSERT INTO revocations (kind, subject, expires_at)
               SELECT 'session', id, $6 FROM ended)
           SELECT id FROM ended"#,
        user_id,
        only,
        but,
        ending.reason.as_str(),
        ending.at,
        ending.forget_at,
    )
    .fetch_all(connection)
    .await
}

pub(super) async fn authenticated_at(
    pool: &PgPool,
    session_id: i64,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar!("SELECT authenticated_at FROM sessions WHERE id = $1", session_id)
        .fetch_optional(pool)
        .await
}

pub(super) async fn confirm(
    connection: &mut PgConnection,
    session_id: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE sessions SET authenticated_at = $2 WHERE id = $1", session_id, now)
        .execute(connection)
        .await
        .map(drop)
}

pub(super) async fn forget(connection: &mut PgConnection, user_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sessions
         SET ip = NULL, user_agent = NULL, device = NULL, browser = NULL, os = NULL
         WHERE user_id = $1",
        user_id,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// One revoked session and when it may be forgotten; none if there is nothing new.
pub(super) struct Look {
    /// What the next look begins with.
    pub(super) horizon: i64,
    pub(super) subject: Option<i64>,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

/// What was revoked by transactions that a look which gave this `horizon` could not see. At least
/// one row.
pub(super) async fn look(
    pool: &PgPool,
    horizon: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Look>, sqlx::Error> {
    sqlx::query_as!(
        Look,
        r#"SELECT seen.horizon AS "horizon!", r.subject AS "subject?", r.expires_at AS "expires_at?"
           FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon) seen
           LEFT JOIN revocations r ON r.xact >= $1 AND r.expires_at > $2 AND r.kind = 'session'"#,
        horizon,
        now,
    )
    .fetch_all(pool)
    .await
}

crate::purge_table!(pub(super) purge, count_ended, "sessions",
    "least(refresh_expires_at, revoked_at)", "");
