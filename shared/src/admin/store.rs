//! All SQL of what staff do with accounts.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{Person, roles::Role, staff::Member, superuser::NewSuperuser};
use crate::phone::PhoneNumber;

pub(super) async fn role_of(pool: &PgPool, id: i64) -> Result<Option<Role>, sqlx::Error> {
    let role = sqlx::query_scalar!("SELECT role FROM users WHERE id = $1 AND is_active", id)
        .fetch_optional(pool)
        .await?;
    read_role(role.flatten().as_deref())
}

struct Row {
    id: i64,
    username: String,
    phone: Option<String>,
    group: i32,
    email: String,
    first_name: String,
    last_name: String,
    is_active: bool,
    role: Option<String>,
    has_password: bool,
    created_at: DateTime<Utc>,
    erased_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Person {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let phone = row.phone.as_deref().map(PhoneNumber::from_e164).transpose();
        let phone = phone.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok(Self {
            id: row.id,
            username: row.username,
            mobile_number: phone.as_ref().map(PhoneNumber::to_national),
            group: row.group,
            email: row.email,
            first_name: row.first_name,
            last_name: row.last_name,
            is_active: row.is_active,
            role: read_role(row.role.as_deref())?,
            has_password: row.has_password,
            created_at: row.created_at,
            erased_at: row.erased_at,
        })
    }
}

/// One query of accounts: `people!("WHERE …", parameters…)`.
macro_rules! people {
    ($rest:literal, $($parameter:expr),*) => {
        sqlx::query_as!(
            Row,
            r#"SELECT id, username, phone, "group", email, first_name, last_name, is_active, role,
                   password IS NOT NULL AS "has_password!", created_at, erased_at
               FROM users "# + $rest,
            $($parameter),*
        )
    };
}

fn read_all(rows: Vec<Row>) -> Result<Vec<Person>, sqlx::Error> {
    rows.into_iter().map(Person::try_from).collect()
}

pub(super) async fn find(pool: &PgPool, id: i64) -> Result<Option<Person>, sqlx::Error> {
    let row = people!("WHERE id = $1", id).fetch_optional(pool).await?;
    row.map(Person::try_from).transpose()
}

pub(super) async fn latest(
    pool: &PgPool,
    before: i64,
    limit: i64,
) -> Result<Vec<Person>, sqlx::Error> {
    let found = people!("WHERE id < $1 ORDER BY id DESC LIMIT $2", before, limit);
    read_all(found.fetch_all(pool).await?)
}

pub(super) async fn by_phone(
    pool: &PgPool,
    phone: &PhoneNumber,
    before: i64,
    limit: i64,
) -> Result<Vec<Person>, sqlx::Error> {
    let found = people!(
        "WHERE phone = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        phone.as_e164(),
        before,
        limit
    );
    read_all(found.fetch_all(pool).await?)
}

pub(super) async fn by_username(
    pool: &PgPool,
    username: &str,
    before: i64,
    limit: i64,
) -> Result<Vec<Person>, sqlx::Error> {
    let found = people!(
        "WHERE username = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        username,
        before,
        limit
    );
    read_all(found.fetch_all(pool).await?)
}

/// As a range of the index in byte order, so that no character of the prefix is a pattern.
pub(super) async fn by_prefix(
    pool: &PgPool,
    prefix: &str,
    before: i64,
    limit: i64,
) -> Result<Vec<Person>, sqlx::Error> {
    let found = people!(
        r#"WHERE username COLLATE "C" >= $1 AND username COLLATE "C" < $2 AND id < $3
           ORDER BY id DESC LIMIT $4"#,
        prefix,
        format!("{prefix}\u{10ffff}"),
        before,
        limit
    );
    read_all(found.fetch_all(pool).await?)
}

/// An account whose row is locked, with those of all admins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Locked {
    pub(super) role: Option<Role>,
    pub(super) is_active: bool,
    /// Active admins beside it.
    pub(super) other_admins: usize,
}

impl Locked {
    /// Whether nobody else can do everything.
    pub(super) fn is_last_admin(&self) -> bool {
        self.role == Some(Role::Admin) && self.is_active && self.other_admins == 0
    }
}

/// Locks the account and all active admins, in one order, so that two who remove each other meet:
/// the later one finds itself the last. References to them go on being made, because whoever holds a
/// room makes some, and erasing locks rooms after accounts. `None`: no such account, or it was erased.
pub(super) async fn lock(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Locked>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, role, is_active FROM users
         WHERE (id = $1 OR (role = 'admin' AND is_active)) AND erased_at IS NULL
         ORDER BY id FOR NO KEY UPDATE",
        id,
    )
    .fetch_all(connection)
    .await?;
    let Some(target) = rows.iter().find(|row| row.id == id) else { return Ok(None) };
    let admin = |role: Option<&str>| role == Some(Role::Admin.as_str());
    let others = rows.iter().filter(|row| row.id != id && row.is_active);
    Ok(Some(Locked {
        role: read_role(target.role.as_deref())?,
        is_active: target.is_active,
        other_admins: others.filter(|row| admin(row.role.as_deref())).count(),
    }))
}

/// Whether it was the other way before.
pub(super) async fn switch(
    connection: &mut PgConnection,
    id: i64,
    active: bool,
) -> Result<bool, sqlx::Error> {
    let switched = sqlx::query!(
        "UPDATE users SET is_active = $2 WHERE id = $1 AND is_active <> $2",
        id,
        active,
    )
    .execute(connection)
    .await?;
    Ok(switched.rows_affected() == 1)
}

/// Whether the account did not have the scope before.
pub(super) async fn give(
    connection: &mut PgConnection,
    id: i64,
    scope: &str,
) -> Result<bool, sqlx::Error> {
    let given = sqlx::query!(
        "UPDATE users SET scopes = array_append(scopes, $2)
         WHERE id = $1 AND NOT scopes @> ARRAY[$2]",
        id,
        scope,
    )
    .execute(connection)
    .await?;
    Ok(given.rows_affected() == 1)
}

/// Whether the account had the scope before.
pub(super) async fn take(
    connection: &mut PgConnection,
    id: i64,
    scope: &str,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "UPDATE users SET scopes = array_remove(scopes, $2)
         WHERE id = $1 AND scopes @> ARRAY[$2]",
        id,
        scope,
    )
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}

pub(super) async fn id_of(
    connection: &mut PgConnection,
    username: &str,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!("SELECT id FROM users WHERE username = $1", username)
        .fetch_optional(connection)
        .await
}

pub(super) async fn set_role(
    connection: &mut PgConnection,
    id: i64,
    role: Option<Role>,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE users SET role = $2 WHERE id = $1", id, role.map(Role::as_str))
        .execute(connection)
        .await
        .map(drop)
}

pub(super) async fn insert_admin(
    connection: &mut PgConnection,
    new: &NewSuperuser<'_>,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"INSERT INTO users (username, email, phone, "group", password, password_changed_at, role,
               created_at)
           VALUES ($1, $2, $3, $4, $5, $7, $6, $7) RETURNING id"#,
        new.username.as_str(),
        new.email,
        new.phone.map(PhoneNumber::as_e164),
        new.group,
        hash,
        Role::Admin.as_str(),
        now,
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn staff(pool: &PgPool) -> Result<Vec<Member>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, username, role AS "role!", is_active FROM users
           WHERE role IS NOT NULL ORDER BY username"#,
    )
    .fetch_all(pool)
    .await?;
    let member = |row: (i64, String, String, bool)| {
        let (id, username, role, is_active) = row;
        let role = read_role(Some(&role))?.ok_or(sqlx::Error::RowNotFound)?;
        Ok(Member { id, username, role, is_active })
    };
    rows.into_iter().map(|row| member((row.id, row.username, row.role, row.is_active))).collect()
}

fn read_role(word: Option<&str>) -> Result<Option<Role>, sqlx::Error> {
    let unknown = |word: &str| sqlx::Error::Decode(format!("no role is called {word:?}").into());
    word.map(|word| Role::parse(word).ok_or_else(|| unknown(word))).transpose()
}
