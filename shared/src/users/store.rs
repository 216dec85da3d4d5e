//! All SQL of the `users` table.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{Profile, User};
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
        Ok(Self {
            id: raw.id,
            username: raw.username,
            phone: read_phone(raw.phone.as_deref())?,
            group: raw.group,
            is_active: raw.is_active,
            created_at: raw.created_at,
        })
    }
}

/// Locks the row against changes: an account that is being disabled begins no session.
pub(super) async fn find_by_phone(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    group: i32,
) -> Result<Option<User>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawUser,
        r#"SELECT id, username, phone, "group", is_active, created_at
           FROM users WHERE phone = $1 AND "group" = $2 FOR SHARE"#,
        phone.as_e164(),
        group,
    )
    .fetch_optional(connection)
    .await?;
    raw.map(User::try_from).transpose()
}

/// Locks the row as [`find_by_phone`] does.
pub(super) async fn find_by_id(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<User>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawUser,
        r#"SELECT id, username, phone, "group", is_active, created_at
           FROM users WHERE id = $1 FOR SHARE"#,
        id,
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

struct RawProfile {
    id: i64,
    username: String,
    phone: Option<String>,
    group: i32,
    email: String,
    first_name: String,
    last_name: String,
    has_password: bool,
    created_at: DateTime<Utc>,
}

pub(super) async fn profile(pool: &PgPool, id: i64) -> Result<Option<Profile>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawProfile,
        r#"SELECT id, username, phone, "group", email, first_name, last_name,
               password IS NOT NULL AS "has_password!", created_at
           FROM users WHERE id = $1 AND is_active"#,
        id,
    )
    .fetch_optional(pool)
    .await?;
    raw.map(|raw| {
        Ok(Profile {
            id: raw.id,
            username: raw.username,
            phone: read_phone(raw.phone.as_deref())?,
            group: raw.group,
            email: raw.email,
            first_name: raw.first_name,
            last_name: raw.last_name,
            has_password: raw.has_password,
            created_at: raw.created_at,
        })
    })
    .transpose()
}

fn read_phone(phone: Option<&str>) -> Result<Option<PhoneNumber>, sqlx::Error> {
    let phone = phone.map(PhoneNumber::from_e164).transpose();
    phone.map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
