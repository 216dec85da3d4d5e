//! People and their sessions.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    device::Device,
    phone::PhoneNumber,
    purge::{Purged, Slice},
};

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

/// Where a session comes from, as far as the request tells.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address, proxies considered.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, cut to 512 characters.
    pub user_agent: Option<String>,
    /// What the user agent says about itself.
    pub device: Device,
}

/// One login on one device; also one family of refresh tokens.
#[derive(Debug, Clone)]
pub struct Session {
    /// The row; the `sid` claim of its tokens.
    pub id: i64,
    /// Whose it is.
    pub user_id: i64,
    /// Number of the family's current refresh token.
    pub refresh_generation: i32,
    /// When that token was issued.
    pub refresh_issued_at: DateTime<Utc>,
    /// When it ends.
    pub refresh_expires_at: DateTime<Utc>,
}

/// Begins a session, inside the caller's transaction.
///
/// # Errors
/// When the database refuses or is away.
pub async fn begin_session(
    connection: &mut PgConnection,
    user_id: i64,
    origin: &Origin,
    now: DateTime<Utc>,
    refresh_expires_at: DateTime<Utc>,
) -> Result<Session, sqlx::Error> {
    store::insert_session(connection, user_id, origin, now, refresh_expires_at).await
}

/// Deletes sessions that ended (were revoked, or their refresh token expired), one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge_sessions(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge_sessions(pool, slice).await
}

/// How many sessions ended before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_ended_sessions(
    pool: &PgPool,
    before: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    store::count_ended_sessions(pool, before).await
}
