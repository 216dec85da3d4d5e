//! All SQL of what staff do with accounts.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, postgres::PgRow};

use super::{Edit, Person, roles::Role, staff::Member, superuser::NewSuperuser};
use crate::phone::PhoneNumber;

pub(super) async fn role_of(pool: &PgPool, id: i64) -> Result<Option<Role>, sqlx::Error> {
    let role = sqlx::query_scalar!("SELECT role FROM users WHERE id = $1 AND is_active", id)
        .fetch_optional(pool)
        .await?;
    read_role(role.flatten().as_deref())
}

#[derive(sqlx::FromRow)]
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

impl FromRow<'_, PgRow> for Person {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Row::from_row(row)?.try_into()
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

pub(super) async fn find(
    executor: impl PgExecutor<'_>,
    id: i64,
) -> Result<Option<Person>, sqlx::Error> {
    let row = people!("WHERE id = $1", id).fetch_optional(executor).await?;
    row.map(Person::try_from).transpose()
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

/// The names of what changed, of an account that is locked.
pub(super) async fn edit(
    connection: &mut PgConnection,
    id: i64,
    edit: &Edit,
) -> Result<Vec<String>, sqlx::Error> {
    let profile = &edit.profile;
    sqlx::query_scalar!(
        r#"WITH old AS (SELECT * FROM users WHERE id = $1),
           new AS (
               UPDATE users SET email = coalesce($2, email),
                   first_name = coalesce($3, first_name),
                   last_name = coalesce($4, last_name),
                   "group" = coalesce($5, "group")
               WHERE id = $1
               RETURNING *)
           SELECT array_remove(ARRAY[
               CASE WHEN new.email <> old.email THEN 'email' END,
               CASE WHEN new.first_name <> old.first_name THEN 'first_name' END,
               CASE WHEN new.last_name <> old.last_name THEN 'last_name' END,
               CASE WHEN new."group" <> old."group" THEN 'group' END], NULL) AS "changed!"
           FROM old, new"#,
        id,
        profile.email,
        profile.first_name,
        profile.last_name,
        edit.group,
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn owner_of_session(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!("SELECT user_id FROM sessions WHERE id = $1", id)
        .fetch_optional(connection)
        .await
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
