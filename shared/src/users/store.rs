//! All SQL of the `users` and `sessions` tables.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::ipnetwork::IpNetwork};

use super::{Origin, Session, User};
use crate::phone::PhoneNumber;

struct RawUser {
    id: i64,
    username: String,
    phone: Option<String>,
    group: i32,
    is_active: bool,
    created_at: DateTime<Utc>,
}

impl TryFrom<RawUser> for User {
    type Error = sqlx::Error;

    fn try_from(raw: RawUser) -> Result<Self, sqlx::Error> {
        let phone = raw.phone.as_deref().map(PhoneNumber::from_e164).transpose();
        Ok(Self {
            id: raw.id,
            username: raw.username,
            phone: phone.map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            group: raw.group,
            is_active: raw.is_active,
            created_at: raw.created_at,
        })
    }
}

pub(super) async fn find_by_phone(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    group: i32,
) -> Result<Option<User>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawUser,
        r#"SELECT id, username, phone, "group", is_active, created_at
           FROM users WHERE phone = $1 AND "group" = $2"#,
        phone.as_e164(),
        group,
    )
    .fetch_optional(connection)
    .await?;
    raw.map(User::try_from).transpose()
}

/// Parallel first logins meet at the unique (phone, group): the later one gets the earlier row.
/// A username somebody else already took gets the new id appended, so that nobody can be kept
/// out by a squatter.
pub(super) async fn insert(
    connection: &mut PgConnection,
    username: &str,
    phone: &PhoneNumber,
    group: i32,
    now: DateTime<Utc>,
) -> Result<User, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawUser,
        r#"INSERT INTO users AS u (username, phone, "group", created_at)
           VALUES (
               CASE WHEN EXISTS (SELECT 1 FROM users WHERE username = $1)
                   THEN $1 || '-' || nextval('users_id_seq') ELSE $1 END,
               $2, $3, $4)
           ON CONFLICT (phone, "group") DO UPDATE SET phone = u.phone
           RETURNING id, username, phone, "group", is_active, created_at"#,
        username,
        phone.as_e164(),
        group,
        now,
    )
    .fetch_one(connection)
    .await?;
    User::try_from(raw)
}

pub(super) async fn insert_session(
    connection: &mut PgConnection,
    user_id: i64,
    origin: &Origin,
    now: DateTime<Utc>,
    refresh_expires_at: DateTime<Utc>,
) -> Result<Session, sqlx::Error> {
    sqlx::query_as!(
        Session,
        "INSERT INTO sessions (user_id, ip, user_agent, device, browser, os,
             created_at, last_seen_at, refresh_issued_at, refresh_expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7, $8)
         RETURNING id, user_id, refresh_generation, refresh_issued_at, refresh_expires_at",
        user_id,
        origin.ip.map(IpNetwork::from),
        origin.user_agent.as_deref(),
        origin.device.device.as_deref(),
        origin.device.browser.as_deref(),
        origin.device.os.as_deref(),
        now,
        refresh_expires_at,
    )
    .fetch_one(connection)
    .await
}

crate::purge_table!(pub(super) purge_sessions, count_ended_sessions, "sessions",
    "least(refresh_expires_at, revoked_at)", "");
