//! All SQL of the `users` table.

use std::collections::HashMap;

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
        asked.iter().map(|(phone, group)| format!("G{group}-{}", phone.to_national())).collect();
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
