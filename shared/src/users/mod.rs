//! People's accounts.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::phone::PhoneNumber;

mod store;

/// A person's account. One phone may own one account per group.
#[derive(Debug, Clone)]
pub struct User {
    /// The row.
    pub id: i64,
    /// Unique name; for accounts made by a code `G{group}-{mobile}`.
    pub username: String,
    /// The number it was made with.
    pub phone: Option<PhoneNumber>,
    /// The group ("user level" of the old system).
    pub group: i32,
    /// A disabled account is refused everywhere.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The account of (phone, group), made if it is not there, inside the caller's transaction.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_or_create(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    group: i32,
    now: DateTime<Utc>,
) -> Result<User, sqlx::Error> {
    if let Some(user) = store::find_by_phone(connection, phone, group).await? {
        return Ok(user);
    }
    let username = format!("G{group}-{}", phone.to_national());
    store::insert(connection, &username, phone, group, now).await
}

/// The account with this number, locked against being disabled, inside the caller's transaction.
///
/// # Errors
/// When the database is away.
pub async fn find_by_id(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<User>, sqlx::Error> {
    store::find_by_id(connection, id).await
}

/// What an account's owner sees of it.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The row.
    pub id: i64,
    /// Unique name.
    pub username: String,
    /// The number codes for logging in are sent to.
    pub phone: Option<PhoneNumber>,
    /// The group ("user level" of the old system).
    pub group: i32,
    /// Never checked; empty if there is none.
    pub email: String,
    /// Empty unless given.
    pub first_name: String,
    /// Empty unless given.
    pub last_name: String,
    /// Whether a password opens the account.
    pub has_password: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
}

/// The profile of an active account.
///
/// # Errors
/// When the database is away.
pub async fn profile(pool: &PgPool, id: i64) -> Result<Option<Profile>, sqlx::Error> {
    store::profile(pool, id).await
}
