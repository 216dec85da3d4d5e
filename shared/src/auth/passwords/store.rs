//! All SQL of passwords: those columns of `users` that a login by password needs.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    phone::PhoneNumber,
    users::{User, username::Username},
};

/// An account with its hash, as it is stored.
pub(super) struct Account {
    pub(super) user: User,
    pub(super) password: Option<String>,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
}

struct Row {
    id: i64,
    username: String,
    phone: Option<String>,
    group: i32,
    is_active: bool,
    created_at: DateTime<Utc>,
    password: Option<String>,
    email: String,
    first_name: String,
    last_name: String,
}

impl TryFrom<Row> for Account {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let phone = row.phone.as_deref().map(PhoneNumber::from_e164).transpose();
        let phone = phone.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let user = User {
            id: row.id,
            username: row.username,
            phone,
            group: row.group,
            is_active: row.is_active,
            created_at: row.created_at,
        };
        let Row { password, email, first_name, last_name, .. } = row;
        Ok(Self { user, password, email, first_name, last_name })
    }
}

fn read(row: Option<Row>) -> Result<Option<Account>, sqlx::Error> {
    row.map(Account::try_from).transpose()
}

/// The one account a condition names.
macro_rules! account {
    ($condition:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT id, username, phone, "group", is_active, created_at, password, email,
                   first_name, last_name
               FROM users WHERE "# + $condition,
            $($argument),+
        )
    };
}

pub(super) async fn find(pool: &PgPool, username: &str) -> Result<Option<Account>, sqlx::Error> {
    read(account!("username = $1", username).fetch_optional(pool).await?)
}

pub(super) async fn find_by_id(pool: &PgPool, id: i64) -> Result<Option<Account>, sqlx::Error> {
    read(account!("id = $1", id).fetch_optional(pool).await?)
}

pub(super) async fn find_by_phone(
    pool: &PgPool,
    phone: &PhoneNumber,
    group: i32,
) -> Result<Option<Account>, sqlx::Error> {
    let query = account!(r#"phone = $1 AND "group" = $2"#, phone.as_e164(), group);
    read(query.fetch_optional(pool).await?)
}

/// Locks the row against changes: whoever logs in does it with what is true until the commit.
pub(super) async fn lock_to_log_in(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Account>, sqlx::Error> {
    read(account!("id = $1 FOR SHARE", id).fetch_optional(connection).await?)
}

/// Locks the row for a change.
pub(super) async fn lock_to_change(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Account>, sqlx::Error> {
    read(account!("id = $1 FOR UPDATE", id).fetch_optional(connection).await?)
}

/// `None`: the name is taken.
pub(super) async fn insert(
    connection: &mut PgConnection,
    (username, email): (&Username, &str),
    group: i32,
    password: &str,
    now: DateTime<Utc>,
) -> Result<Option<Account>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"INSERT INTO users (username, email, "group", password, password_changed_at, created_at)
           VALUES ($1, $2, $3, $4, $5, $5)
           ON CONFLICT (username) DO NOTHING
           RETURNING id, username, phone, "group", is_active, created_at, password, email,
               first_name, last_name"#,
        username.as_str(),
        email,
        group,
        password,
        now,
    );
    read(row.fetch_optional(connection).await?)
}

/// Of a row that the caller holds.
pub(super) async fn set(
    connection: &mut PgConnection,
    id: i64,
    password: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE users SET password = $2, password_changed_at = $3 WHERE id = $1",
        id,
        password,
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Puts a newer hash of the same password in the place of this one, if it still is there: a password
/// that was set meanwhile stays.
pub(super) async fn renew(pool: &PgPool, id: i64, from: &str, to: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE users SET password = $3 WHERE id = $1 AND password = $2", id, from, to)
        .execute(pool)
        .await
        .map(drop)
}
