//! All SQL of the `users` table.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::{Account, Profile, ProfileChange, User};
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

/// Those there are, by their phone and group. Locks the rows, in the order given, against changes:
/// an account that is being disabled begins no session.
pub(super) async fn find_by_phone(
    connection: &mut PgConnection,
    asked: &[(&PhoneNumber, i32)],
) -> Result<HashMap<(String, i32), User>, sqlx::Error> {
    let (phones, groups) = columns(asked);
    let rows = sqlx::query_as!(
        RawUser,
        r#"SELECT u.id, u.username, u.phone, u."group", u.is_active, u.created_at
           FROM unnest($1::text[], $2::integer[]) AS a(phone, "group")
           JOIN users u ON u.phone = a.phone AND u."group" = a."group"
           FOR SHARE OF u"#,
        &phones,
        &groups,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|raw| {
            let key = (raw.phone.clone().unwrap_or_default(), raw.group);
            Ok((key, User::try_from(raw)?))
        })
        .collect()
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

/// Parallel first logins meet at the unique (phone, group): the later one gets the earlier row,
/// and `false`. A username somebody else already took gets the new id appended, so that nobody can
/// be kept out by a squatter.
pub(super) async fn insert(
    connection: &mut PgConnection,
    asked: &[(&PhoneNumber, i32)],
    now: DateTime<Utc>,
) -> Result<Vec<(User, bool)>, sqlx::Error> {
    let (phones, groups) = columns(asked);
    let names: Vec<_> =
        asked.iter().map(|(phone, group)| super::machine_made(phone, *group)).collect();
    // No transaction has touched a row that was inserted just now: its xmax is empty.
    let rows = sqlx::query!(
        r#"INSERT INTO users AS u (username, phone, "group", created_at)
           SELECT CASE WHEN EXISTS (SELECT 1 FROM users WHERE username = a.username)
                   THEN a.username || '-' || nextval('users_id_seq') ELSE a.username END,
               a.phone, a."group", $4
           FROM unnest($1::text[], $2::text[], $3::integer[]) AS a(username, phone, "group")
           ON CONFLICT (phone, "group") DO UPDATE SET phone = u.phone
           RETURNING id, username, phone, "group", is_active, created_at, (xmax = 0) AS "is_new!""#,
        &names,
        &phones,
        &groups,
        now,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let raw = RawUser {
                id: row.id,
                username: row.username,
                phone: row.phone,
                group: row.group,
                is_active: row.is_active,
                created_at: row.created_at,
            };
            Ok((User::try_from(raw)?, row.is_new))
        })
        .collect()
}

fn columns(asked: &[(&PhoneNumber, i32)]) -> (Vec<String>, Vec<i32>) {
    asked.iter().map(|(phone, group)| (phone.as_e164().to_owned(), *group)).unzip()
}

struct RawAccount {
    id: i64,
    username: String,
    phone: Option<String>,
    group: i32,
    is_active: bool,
    created_at: DateTime<Utc>,
    phone_changed_at: Option<DateTime<Utc>>,
}

impl TryFrom<RawAccount> for Account {
    type Error = sqlx::Error;

    fn try_from(raw: RawAccount) -> Result<Self, sqlx::Error> {
        let user = User {
            id: raw.id,
            username: raw.username,
            phone: read_phone(raw.phone.as_deref())?,
            group: raw.group,
            is_active: raw.is_active,
            created_at: raw.created_at,
        };
        Ok(Self { user, phone_changed_at: raw.phone_changed_at })
    }
}

pub(super) async fn find(
    executor: impl PgExecutor<'_>,
    id: i64,
) -> Result<Option<Account>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawAccount,
        r#"SELECT id, username, phone, "group", is_active, created_at, phone_changed_at
           FROM users WHERE id = $1"#,
        id,
    )
    .fetch_optional(executor)
    .await?;
    raw.map(Account::try_from).transpose()
}

/// Locks the row until the transaction ends.
pub(super) async fn lock(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Account>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawAccount,
        r#"SELECT id, username, phone, "group", is_active, created_at, phone_changed_at
           FROM users WHERE id = $1 FOR UPDATE"#,
        id,
    )
    .fetch_optional(connection)
    .await?;
    raw.map(Account::try_from).transpose()
}

pub(super) async fn has_phone(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    group: i32,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users WHERE phone = $1 AND "group" = $2) AS "has!""#,
        phone.as_e164(),
        group,
    )
    .fetch_one(connection)
    .await
}

/// `username`: the new one, `None` to keep it; as in [`insert`], one that somebody else took gets
/// the id appended.
pub(super) async fn change_phone(
    connection: &mut PgConnection,
    id: i64,
    phone: &PhoneNumber,
    username: Option<&str>,
    now: DateTime<Utc>,
) -> Result<User, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawUser,
        r#"UPDATE users AS u SET
               phone = $2, phone_changed_at = $4,
               username = CASE
                   WHEN $3::text IS NULL THEN u.username
                   WHEN EXISTS (SELECT 1 FROM users WHERE username = $3) THEN $3 || '-' || u.id
                   ELSE $3 END
           WHERE id = $1
           RETURNING id, username, phone, "group", is_active, created_at"#,
        id,
        phone.as_e164(),
        username,
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

impl TryFrom<RawProfile> for Profile {
    type Error = sqlx::Error;

    fn try_from(raw: RawProfile) -> Result<Self, sqlx::Error> {
        Ok(Self {
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
    }
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
    raw.map(Profile::try_from).transpose()
}

pub(super) async fn change_profile(
    pool: &PgPool,
    id: i64,
    change: &ProfileChange,
) -> Result<Option<Profile>, sqlx::Error> {
    let raw = sqlx::query_as!(
        RawProfile,
        r#"UPDATE users SET
               email = coalesce($2, email), first_name = coalesce($3, first_name),
               last_name = coalesce($4, last_name)
           WHERE id = $1 AND is_active
           RETURNING id, username, phone, "group", email, first_name, last_name,
               password IS NOT NULL AS "has_password!", created_at"#,
        id,
        change.email,
        change.first_name,
        change.last_name,
    )
    .fetch_optional(pool)
    .await?;
    raw.map(Profile::try_from).transpose()
}

pub(super) async fn scopes(pool: &PgPool, id: i64) -> Result<Option<Vec<String>>, sqlx::Error> {
    sqlx::query_scalar!("SELECT scopes FROM users WHERE id = $1 AND is_active", id)
        .fetch_optional(pool)
        .await
}

/// A name somebody took on purpose does not keep anybody from being erased.
pub(super) async fn forget(
    connection: &mut PgConnection,
    id: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE users AS u SET
             username = CASE
                 WHEN EXISTS (SELECT 1 FROM users WHERE username = 'erased-' || u.id)
                     THEN 'erased-' || u.id || '-' || gen_random_uuid()
                 ELSE 'erased-' || u.id END,
             phone = NULL, email = '', first_name = '', last_name = '', password = NULL,
             role = NULL, scopes = '{}', is_active = false, erased_at = $2,
             password_changed_at = NULL, phone_changed_at = NULL
         WHERE id = $1",
        id,
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

fn read_phone(phone: Option<&str>) -> Result<Option<PhoneNumber>, sqlx::Error> {
    let phone = phone.map(PhoneNumber::from_e164).transpose();
    phone.map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
