//! Sessions: one login on one device, and at the same time one family of refresh tokens.
//!
//! A session that is revoked is dead in every process within a second: see [`revocations`].

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    config,
    device::Device,
    login_events::Trace,
    purge::{Purged, Slice},
};

pub mod console;
pub mod revocations;
pub mod rotation;
pub mod seen;
mod store;

/// Where a session comes from, as far as the request tells.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address, proxies considered.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, cut to 512 characters.
    pub user_agent: Option<String>,
    /// What the user agent says about itself.
    pub device: Device,
    /// The `X-Request-Id` of the request; sessions do not keep it.
    pub request_id: Option<String>,
}

impl Origin {
    /// The same for what is written down of a login that fails.
    pub fn trace(&self) -> Trace {
        Trace { ip: self.ip, request_id: self.request_id.clone() }
    }
}

/// How a login was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By a one-time code.
    Otp,
    /// By a password.
    Password,
    /// By a refresh token of the system Peyk replaces.
    Import,
}

impl Method {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Password => "password",
            Self::Import => "import",
        }
    }

    /// Reads a word of the database, which knows no others.
    pub fn parse(word: &str) -> Self {
        match word {
            "password" => Self::Password,
            "import" => Self::Import,
            _ => Self::Otp,
        }
    }
}

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its owner logged out of it.
    Logout,
    /// Its owner ended it from another session.
    Revoked,
    /// A refresh token was used again after its time: somebody may have stolen it.
    Reuse,
    /// Its owner has more sessions than `auth.max_sessions`.
    TooMany,
    /// The password was changed or reset.
    Password,
    /// The phone number was changed.
    Phone,
    /// The account was disabled or erased.
    Account,
    /// Staff ended it.
    Staff,
}

impl EndReason {
    /// The word in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::Reuse => "reuse",
            Self::TooMany => "too_many",
            Self::Password => "password",
            Self::Phone => "phone",
            Self::Account => "account",
            Self::Staff => "staff",
        }
    }
}

/// A session, as far as its tokens go.
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
    /// When it ends, and the session with it.
    pub refresh_expires_at: DateTime<Utc>,
}

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// A session whose tokens are not refreshed for so long has ended.
    pub idle: TimeDelta,
    /// However often they are refreshed, it ends after so long.
    pub absolute: TimeDelta,
    /// The life of an access token: what is revoked has to be remembered for so long.
    pub access: TimeDelta,
}

impl Lifetimes {
    /// Reads a validated configuration.
    pub fn new(config: &config::Auth) -> Self {
        let seconds = |seconds: u32| TimeDelta::seconds(seconds.into());
        Self {
            idle: seconds(config.refresh_ttl_seconds),
            absolute: seconds(config.session_ttl_seconds),
            access: seconds(config.access_ttl_seconds),
        }
    }

    /// For how long it matters that a session was revoked: also tokens of a process whose clock is
    /// a little ahead have expired then.
    pub fn remember(&self) -> TimeDelta {
        self.access + TimeDelta::minutes(1)
    }

    /// When a refresh token issued `now` ends, in a session that ends at `session_ends`.
    pub fn refresh_end(&self, now: DateTime<Utc>, session_ends: DateTime<Utc>) -> DateTime<Utc> {
        (now + self.idle).min(session_ends)
    }
}

/// A session to begin.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// Whose it is.
    pub user_id: i64,
    /// Where it comes from.
    pub origin: &'a Origin,
    /// How the login was proven.
    pub method: Method,
}

/// Begins sessions, inside the caller's transaction; in the order given.
///
/// # Errors
/// When the database refuses or is away.
pub async fn begin(
    connection: &mut PgConnection,
    new: &[NewSession<'_>],
    lifetimes: &Lifetimes,
    now: DateTime<Utc>,
) -> Result<Vec<Session>, sqlx::Error> {
    let ends = now + lifetimes.absolute;
    let refresh_ends = lifetimes.refresh_end(now, ends);
    let mut begun = store::insert(connection, new, now, refresh_ends, ends).await?;
    begun.sort_unstable_by_key(|session| session.id);
    Ok(begun)
}

/// A session that goes on, as its owner sees it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The row.
    pub id: i64,
    /// Whose it is.
    pub user_id: i64,
    /// Where it was last seen, and with what it began.
    pub origin: Origin,
    /// How the login was proven.
    pub method: Method,
    /// When that was.
    pub created_at: DateTime<Utc>,
    /// When a request was last made with its tokens, to about a minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends unless its tokens are refreshed.
    pub expires_at: DateTime<Utc>,
}

/// The sessions of an active account that go on, newest first: `limit` of those before the id
/// `before`.
///
/// # Errors
/// When the database is away.
pub async fn list(
    pool: &PgPool,
    user_id: i64,
    before: Option<i64>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Listed>, sqlx::Error> {
    store::list(pool, user_id, before, limit, now).await
}

/// Which sessions of a user to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(i64),
    /// All but this one.
    AllBut(i64),
    /// All.
    All,
}

/// How and when sessions are ended before their time.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    reason: EndReason,
    at: DateTime<Utc>,
    forget_at: DateTime<Utc>,
}

impl Ending {
    /// Ended `now`, remembered until their access tokens have expired.
    pub fn new(reason: EndReason, lifetimes: &Lifetimes, now: DateTime<Utc>) -> Self {
        Self { reason, at: now, forget_at: now + lifetimes.remember() }
    }
}

/// Ends sessions of `user_id`, inside the caller's transaction, and gives the ids of those that had
/// not ended before. Use [`crate::auth::endings::Endings::end`], which also tells of it.
///
/// # Errors
/// When the database refuses or is away.
pub async fn revoke(
    connection: &mut PgConnection,
    user_id: i64,
    which: Which,
    ending: &Ending,
) -> Result<Vec<i64>, sqlx::Error> {
    store::revoke(connection, user_id, which, ending).await
}

/// Ends, inside the caller's transaction, what users have beyond `most` sessions: those that are the
/// longest unseen, but not the one that each `(user, session)` just began. Gives what ended, each
/// with its user. Parallel calls for one user wait for one another.
///
/// # Errors
/// When the database refuses or is away.
pub async fn end_surplus(
    connection: &mut PgConnection,
    most: u32,
    begun: &[(i64, i64)],
    ending: &Ending,
) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    let (users, begun): (Vec<_>, Vec<_>) = begun.iter().copied().unzip();
    store::lock_counts(connection, &users).await?;
    store::end_surplus(connection, most.into(), (&users, &begun), ending).await
}

/// Whether somebody proved in this session, not longer than `within` ago, who they are.
///
/// # Errors
/// When the database is away.
pub async fn is_recent(
    pool: &PgPool,
    session_id: i64,
    within: TimeDelta,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let at = store::authenticated_at(pool, session_id).await?;
    Ok(at.is_some_and(|at| now - at <= within))
}

/// Notes that somebody proved in this session who they are, inside the caller's transaction.
///
/// # Errors
/// When the database refuses or is away.
pub async fn confirm(
    connection: &mut PgConnection,
    session_id: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    store::confirm(connection, session_id, now).await
}

/// Blanks what the sessions of a person tell of them and their devices, inside the caller's
/// transaction.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn forget(connection: &mut PgConnection, user_id: i64) -> Result<(), sqlx::Error> {
    store::forget(connection, user_id).await
}

/// Deletes sessions that ended (were revoked, or their refresh token expired), one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

/// How many sessions ended before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_ended(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_ended(pool, before).await
}

/// Deletes revocations that nobody needs to know of any more, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge_revocations(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge_revocations(pool, slice).await
}

/// How many revocations were over before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_old_revocations(
    pool: &PgPool,
    before: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    store::count_old_revocations(pool, before).await
}
