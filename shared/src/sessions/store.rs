//! All SQL of the `sessions` and `revocations` tables.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, types::ipnetwork::IpNetwork};

use super::{
    Ending, NewSession, Session, Which,
    rotation::{Presented, Rotation, Standing},
};

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

crate::purge_table!(pub(super) purge_revocations, count_old_revocations, "revocations",
    "expires_at", "");

/// Replaces those refresh tokens that are current, in sessions and accounts that go on, and gives the
/// sessions with their new ones. Locks the sessions' rows: whoever ends one comes before or after.
/// A new token ends as [`super::Lifetimes::refresh_end`] says.
pub(super) async fn rotate(
    connection: &mut PgConnection,
    rotations: &[Rotation],
) -> Result<Vec<Session>, sqlx::Error> {
    let of = |id: fn(&Presented) -> i64| -> Vec<i64> {
        rotations.iter().map(|rotation| id(&rotation.presented)).collect()
    };
    let at = |time: fn(&Rotation) -> DateTime<Utc>| -> Vec<DateTime<Utc>> {
        rotations.iter().map(time).collect()
    };
    let generations: Vec<_> = rotations.iter().map(|it| it.presented.generation).collect();
    sqlx::query_as!(
        Session,
        r#"UPDATE sessions s SET
               refresh_generation = s.refresh_generation + 1,
               refresh_issued_at = r.at,
               refresh_expires_at = least(r.idle_until, s.expires_at),
               refresh_recent = array(
                   SELECT recent.at FROM unnest(s.refresh_recent) AS recent(at)
                   WHERE recent.at > r.grace_from ORDER BY recent.at DESC LIMIT 31) || r.at,
               last_seen_at = greatest(s.last_seen_at, r.at)
           FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::timestamptz[],
                   $5::timestamptz[], $6::timestamptz[])
               AS r(session_id, user_id, generation, at, idle_until, grace_from)
           JOIN users u ON u.id = r.user_id AND u.is_active AND u.erased_at IS NULL
           WHERE s.id = r.session_id AND s.user_id = r.user_id
             AND s.refresh_generation = r.generation
             AND s.revoked_at IS NULL AND s.refresh_expires_at > r.at
           RETURNING s.id, s.user_id, s.refresh_generation, s.refresh_issued_at,
               s.refresh_expires_at"#,
        &of(|it| it.session_id),
        &of(|it| it.user_id),
        &generations,
        &at(|it| it.at),
        &at(|it| it.idle_until),
        &at(|it| it.grace_from),
    )
    .fetch_all(connection)
    .await
}

pub(super) async fn standing(
    pool: &PgPool,
    presented: &Presented,
    grace_from: DateTime<Utc>,
) -> Result<Option<Standing>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT s.id, s.user_id, s.refresh_generation, s.refresh_issued_at, s.refresh_expires_at,
               s.revoked_at IS NOT NULL AS "is_revoked!",
               u.is_active AND u.erased_at IS NULL AS "is_active!",
               (SELECT count(*) FROM unnest(s.refresh_recent) AS recent(at)
                WHERE recent.at > $3) AS "recent!"
           FROM sessions s JOIN users u ON u.id = s.user_id
           WHERE s.id = $1 AND s.user_id = $2"#,
        presented.session_id,
        presented.user_id,
        grace_from,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Standing {
        session: Session {
            id: row.id,
            user_id: row.user_id,
            refresh_generation: row.refresh_generation,
            refresh_issued_at: row.refresh_issued_at,
            refresh_expires_at: row.refresh_expires_at,
        },
        is_revoked: row.is_revoked,
        is_active: row.is_active,
        recent: row.recent,
    }))
}
