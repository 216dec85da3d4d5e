//! Numbers that get no texts but codes.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::store;
use crate::phone::PhoneNumber;

/// Who put a number on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum BlockReason {
    /// Its owner, by a stop word; a start word takes it off again.
    Stop,
    /// An operator, who alone takes it off.
    Operator,
}

impl BlockReason {
    /// The word in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Operator => "operator",
        }
    }
}

/// A number on the list.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// The number.
    pub phone: PhoneNumber,
    /// Who put it there.
    pub reason: BlockReason,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Puts a number on the list as an operator, also over its owner's word. `false`: an operator had
/// done so before.
///
/// # Errors
/// When the database is away.
pub async fn add(
    pool: &PgPool,
    phone: &PhoneNumber,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    store::block_as_operator(pool, phone, now).await
}

/// Takes a number off the list, whoever put it there. `false`: it was not on it.
///
/// # Errors
/// When the database is away.
pub async fn remove(pool: &PgPool, phone: &PhoneNumber) -> Result<bool, sqlx::Error> {
    store::unblock(pool, phone).await
}

/// The next numbers of the list after this one, in their own order, at most `limit`.
///
/// # Errors
/// When the database is away.
pub async fn list(
    pool: &PgPool,
    after: Option<&PhoneNumber>,
    limit: i64,
) -> Result<Vec<Blocked>, sqlx::Error> {
    store::list_blocked(pool, after, limit).await
}
