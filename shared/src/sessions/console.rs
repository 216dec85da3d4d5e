//! Sessions of the console: rows like all others, known by a cookie instead of by tokens.
//!
//! `refresh_expires_at` is when such a session ends unless somebody uses it, `expires_at` when it ends
//! however much it is used. The row is read for each request: what is revoked is out at once.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use super::store;
use crate::config;

/// How late the row may know of a request: rows are not written for each.
const KEPT_TO: TimeDelta = TimeDelta::seconds(30);

/// A session of the console that goes on.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    /// The row.
    pub id: i64,
    /// Whose it is.
    pub user_id: i64,
    /// When it ends unless it is used.
    pub idle_until: DateTime<Utc>,
    /// When it ends in any case.
    pub expires_at: DateTime<Utc>,
}

/// How long sessions of the console live.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    idle: TimeDelta,
    absolute: TimeDelta,
}

impl Lifetimes {
    /// Reads a validated configuration.
    pub fn new(config: &config::Console) -> Self {
        let seconds = |seconds: u32| TimeDelta::seconds(seconds.into());
        Self { idle: seconds(config.idle_seconds), absolute: seconds(config.session_seconds) }
    }
}

/// Makes a session that just began, and whose tokens nobody was given, one of the console. `false`: it
/// was ended meanwhile.
///
/// # Errors
/// When the database refuses or is away.
pub async fn open(
    pool: &PgPool,
    session_id: i64,
    digest: &[u8; 32],
    lifetimes: &Lifetimes,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let ends = (now + lifetimes.idle, now + lifetimes.absolute);
    store::open_console(pool, session_id, digest, ends).await
}

/// The session with this id and this digest of its secret, if it goes on.
///
/// # Errors
/// When the database is away.
pub async fn find(
    pool: &PgPool,
    session_id: i64,
    digest: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<Open>, sqlx::Error> {
    store::of_console(pool, session_id, digest, now).await
}

/// Notes that somebody uses it.
///
/// # Errors
/// When the database refuses or is away.
pub async fn keep(
    pool: &PgPool,
    open: &Open,
    lifetimes: &Lifetimes,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let until = (now + lifetimes.idle).min(open.expires_at);
    if until - open.idle_until < KEPT_TO {
        return Ok(());
    }
    store::keep_console(pool, open.id, until).await
}
