//! Accounts and their sessions.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, types::ipnetwork::IpNetwork};

/// What happened to an account itself.
pub(in crate::admin::timeline) struct PersonRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) created_at: DateTime<Utc>,
    pub(in crate::admin::timeline) phone_changed_at: Option<DateTime<Utc>>,
    pub(in crate::admin::timeline) password_changed_at: Option<DateTime<Utc>>,
    pub(in crate::admin::timeline) erased_at: Option<DateTime<Utc>>,
}

pub(in crate::admin::timeline) async fn people(
    pool: &PgPool,
    users: &[i64],
) -> Result<Vec<PersonRow>, sqlx::Error> {
    sqlx::query_as!(
        PersonRow,
        "SELECT id, created_at, phone_changed_at, password_changed_at, erased_at
         FROM users WHERE id = ANY($1)",
        users,
    )
    .fetch_all(pool)
    .await
}

/// A session.
pub(in crate::admin::timeline) struct SessionRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) user_id: i64,
    pub(in crate::admin::timeline) method: String,
    pub(in crate::admin::timeline) ip: Option<IpNetwork>,
    pub(in crate::admin::timeline) device: Option<String>,
    pub(in crate::admin::timeline) browser: Option<String>,
    pub(in crate::admin::timeline) created_at: DateTime<Utc>,
    pub(in crate::admin::timeline) ends_at: DateTime<Utc>,
    pub(in crate::admin::timeline) revoked_at: Option<DateTime<Utc>>,
    pub(in crate::admin::timeline) revoked_reason: Option<String>,
}

/// Sessions of accounts, the latest of each. `sessions_user_id_idx`.
pub(in crate::admin::timeline) async fn sessions(
    pool: &PgPool,
    users: &[i64],
    before: DateTime<Utc>,
    rows: i64,
) -> Result<Vec<SessionRow>, sqlx::Error> {
    sqlx::query_as!(
        SessionRow,
        r#"SELECT s.id, s.user_id, s.method, s.ip, s.device, s.browser, s.created_at,
             least(s.refresh_expires_at, s.expires_at) AS "ends_at!", s.revoked_at,
             s.revoked_reason
           FROM unnest($1::bigint[]) AS u(id) CROSS JOIN LATERAL (
             SELECT * FROM sessions WHERE user_id = u.id AND created_at <= $2
             ORDER BY id DESC LIMIT $3) s"#,
        users,
        before,
        rows,
    )
    .fetch_all(pool)
    .await
}
