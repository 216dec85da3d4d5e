//! All SQL of the `sessions` and `revocations` tables.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, types::ipnetwork::IpNetwork};

use super::{
    Ending, Listed, Method, NewSession, Origin, Session, Which,
    console::Open,
    rotation::{Presented, Rotation, Standing},
};
use crate::device::Device;

/// Begins them all; ids grow in their order.
pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &[NewSession<'_>],
    now: DateTime<Utc>,
    refresh_expires_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<Vec<Session>, sqlx::Error> {
    let users: Vec<_> = new.iter().map(|new| new.user_id).collect();
    let ips: Vec<_> = new.iter().map(|new| new.origin.ip.map(IpNetwork::from)).collect();
    let methods: Vec<_> = new.iter().map(|new| new.method.as_str().to_owned()).collect();
    let texts = |of: fn(&Origin) -> &Option<String>| -> Vec<Option<String>> {
        new.iter().map(|new| of(new.origin).clone()).collect()
    };
    sqlx::query_as!(
        Session,
        "INSERT INTO sessions (user_id, ip, user_agent, device, browser, os, method, created_at,
             last_seen_at, authenticated_at, refresh_issued_at, refresh_expires_at, expires_at)
         SELECT n.user_id, n.ip, n.user_agent, n.device, n.browser, n.os, n.method,
             $8, $8, $8, $8, $9, $10
         FROM unnest($1::bigint[], $2::inet[], $3::text[], $4::text[], $5::text[], $6::text[],
                 $7::text[])
             WITH ORDINALITY AS n(user_id, ip, user_agent, device, browser, os, method, place)
         ORDER BY n.place
         RETURNING id, user_id, refresh_generation, refresh_issued_at, refresh_expires_at",
        &users,
        &ips as &[Option<IpNetwork>],
        &texts(|origin| &origin.user_agent) as &[Option<String>],
        &texts(|origin| &origin.device.device) as &[Option<String>],
        &texts(|origin| &origin.device.browser) as &[Option<String>],
        &texts(|origin| &origin.device.os) as &[Option<String>],
        &methods,
        now,
        refresh_expires_at,
        expires_at,
    )
    .fetch_all(connection)
    .await
}

/// Locks the sessions in the order of their ids.
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
        r#"WITH locked AS (
               SELECT id FROM sessions
               WHERE user_id = $1 AND revoked_at IS NULL AND refresh_expires_at > $5
                 AND ($2::bigint IS NULL OR id = $2) AND ($3::bigint IS NULL OR id <> $3)
               ORDER BY id FOR NO KEY UPDATE),
           ended AS (
               UPDATE sessions SET revoked_at = $5, revoked_reason = $4
               WHERE id IN (SELECT id FROM locked) AND revoked_at IS NULL
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

/// Makes logins of one user wait for one another, until the end of the transaction: each is to
/// count the sessions of the others. In the order of the locks, so that no two batches wait for
/// each other.
pub(super) async fn lock_counts(
    connection: &mut PgConnection,
    users: &[i64],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(key)
         FROM (SELECT hashtextextended('sessions of ' || user_id, 0) AS key
               FROM unnest($1::bigint[]) AS u(user_id) ORDER BY key) AS keys",
        users,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Ends those sessions of the users that are the longest unseen and more than `most`, whatever was
/// just begun (`begun`, one for each user) being counted and spared. Locks them in the order of
/// their ids.
pub(super) async fn end_surplus(
    connection: &mut PgConnection,
    most: i64,
    (users, begun): (&[i64], &[i64]),
    ending: &Ending,
) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH surplus AS (
               SELECT old.id
               FROM unnest($1::bigint[], $2::bigint[]) AS n(user_id, id)
               CROSS JOIN LATERAL (
                   SELECT s.id FROM sessions s
                   WHERE s.user_id = n.user_id AND s.id <> n.id AND s.revoked_at IS NULL
                     AND s.refresh_expires_at > $5
                   ORDER BY s.last_seen_at DESC, s.id DESC OFFSET $3::bigint - 1) AS old),
           locked AS (
               SELECT id FROM sessions WHERE id IN (SELECT id FROM surplus)
               ORDER BY id FOR NO KEY UPDATE),
           ended AS (
               UPDATE sessions SET revoked_at = $5, revoked_reason = $4
               WHERE id IN (SELECT id FROM locked) AND revoked_at IS NULL
               RETURNING id, user_id),
           told AS (
               INSERT INTO revocations (kind, subject, expires_at)
               SELECT 'session', id, $6 FROM ended)
           SELECT user_id, id FROM ended"#,
        users,
        begun,
        most,
        ending.reason.as_str(),
        ending.at,
        ending.forget_at,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.id)).collect())
}

struct Row {
    id: i64,
    user_id: i64,
    ip: Option<IpNetwork>,
    user_agent: Option<String>,
    device: Option<String>,
    browser: Option<String>,
    os: Option<String>,
    method: String,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    refresh_expires_at: DateTime<Utc>,
}

impl From<Row> for Listed {
    fn from(row: Row) -> Self {
        let device = Device { browser: row.browser, os: row.os, device: row.device };
        let ip = row.ip.map(|ip| ip.ip());
        Self {
            id: row.id,
            user_id: row.user_id,
            origin: Origin { ip, user_agent: row.user_agent, device, request_id: None },
            method: Method::parse(&row.method),
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.refresh_expires_at,
        }
    }
}

/// Those of an active account that go on, newest first.
pub(super) async fn list(
    pool: &PgPool,
    user_id: i64,
    before: Option<i64>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Listed>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT s.id, s.user_id, s.ip, s.user_agent, s.device, s.browser, s.os, s.method,
             s.created_at, s.last_seen_at, s.refresh_expires_at
         FROM sessions s JOIN users u ON u.id = s.user_id AND u.is_active
         WHERE s.user_id = $1 AND ($2::bigint IS NULL OR s.id < $2)
           AND s.revoked_at IS NULL AND s.refresh_expires_at > $3 AND s.expires_at > $3
         ORDER BY s.id DESC LIMIT $4",
        user_id,
        before,
        now,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Listed::from).collect())
}

/// Notes when and from where sessions were seen: what is a minute older than what is known, of
/// sessions that go on. Waits for nobody: a row that somebody holds is passed over. No index holds
/// these columns, so that the rows stay where they are (HOT).
pub(super) async fn see(
    pool: &PgPool,
    ids: &[i64],
    times: &[DateTime<Utc>],
    ips: &[IpNetwork],
) -> Result<u64, sqlx::Error> {
    let seen = sqlx::query!(
        "WITH seen AS (
             SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::inet[]) AS n(id, at, ip)),
         free AS (
             SELECT s.id FROM sessions s JOIN seen USING (id)
             WHERE s.revoked_at IS NULL AND s.refresh_expires_at > seen.at
               AND s.last_seen_at <= seen.at - interval '1 minute'
             FOR NO KEY UPDATE OF s SKIP LOCKED)
         UPDATE sessions s SET last_seen_at = seen.at, ip = seen.ip
         FROM free JOIN seen USING (id)
         WHERE s.id = free.id AND s.revoked_at IS NULL AND s.last_seen_at < seen.at",
        ids,
        times,
        ips,
    )
    .execute(pool)
    .await?;
    Ok(seen.rows_affected())
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

/// Makes a session one of the console, if it goes on.
pub(super) async fn open_console(
    pool: &PgPool,
    session_id: i64,
    digest: &[u8],
    ends: (DateTime<Utc>, DateTime<Utc>),
) -> Result<bool, sqlx::Error> {
    let (idle_until, expires_at) = ends;
    let opened = sqlx::query!(
        "UPDATE sessions SET console_digest = $2, refresh_expires_at = $3, expires_at = $4
         WHERE id = $1 AND revoked_at IS NULL",
        session_id,
        digest,
        idle_until,
        expires_at,
    )
    .execute(pool)
    .await?;
    Ok(opened.rows_affected() == 1)
}

/// Whose session of the console this is, if it goes on and its owner's account does.
pub(super) async fn of_console(
    pool: &PgPool,
    session_id: i64,
    digest: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<Open>, sqlx::Error> {
    sqlx::query_as!(
        Open,
        "SELECT s.id, s.user_id, s.refresh_expires_at AS idle_until, s.expires_at
         FROM sessions s JOIN users u ON u.id = s.user_id AND u.is_active AND u.erased_at IS NULL
         WHERE s.id = $1 AND s.console_digest = $2 AND s.revoked_at IS NULL
           AND s.refresh_expires_at > $3 AND s.expires_at > $3",
        session_id,
        digest,
        now,
    )
    .fetch_optional(pool)
    .await
}

/// Moves the end of a session of the console that nobody uses any more.
pub(super) async fn keep_console(
    pool: &PgPool,
    session_id: i64,
    idle_until: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sessions SET refresh_expires_at = least($2, expires_at)
         WHERE id = $1 AND revoked_at IS NULL AND refresh_expires_at < least($2, expires_at)",
        session_id,
        idle_until,
    )
    .execute(pool)
    .await
    .map(drop)
}
