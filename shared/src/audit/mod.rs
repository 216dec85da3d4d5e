//! The audit log: who did what to whose account or organization.
//!
//! An event is a row, written in the transaction of the change it tells of: there is no change
//! without its event and no event without its change. The database refuses to alter rows, and to
//! delete young ones. Events hold ids and words, never a name, number, text or secret.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool};

use crate::purge::{Purged, Slice};

mod store;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who logged in: the account.
    User(i64),
    /// Whoever may run commands on the server.
    Cli,
    /// Nobody: it happened by itself.
    System,
}

impl Actor {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }

    /// The account, if it is somebody's.
    pub const fn user_id(self) -> Option<i64> {
        match self {
            Self::User(id) => Some(id),
            Self::Cli | Self::System => None,
        }
    }
}

/// What it was done to: a kind of thing and, where there is one, its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// `user`, `organization`, …
    pub kind: &'static str,
    /// `None`: all of the kind, such as a list that was looked at.
    pub id: Option<i64>,
}

impl Subject {
    /// An account.
    pub const fn user(id: i64) -> Self {
        Self { kind: "user", id: Some(id) }
    }

    /// An organization.
    pub const fn organization(id: i64) -> Self {
        Self { kind: "organization", id: Some(id) }
    }

    /// A payment.
    pub const fn payment(id: i64) -> Self {
        Self { kind: "payment", id: Some(id) }
    }

    /// A room.
    pub const fn room(id: i64) -> Self {
        Self { kind: "room", id: Some(id) }
    }

    /// What happened to somebody.
    pub const fn timelines() -> Self {
        Self { kind: "timeline", id: None }
    }

    /// How everything is.
    pub const fn overview() -> Self {
        Self { kind: "overview", id: None }
    }
}

/// Where a change comes from, for the log.
#[derive(Debug, Clone)]
pub struct Source {
    /// Who.
    pub actor: Actor,
    /// From which address.
    pub ip: Option<IpAddr>,
    /// By which request.
    pub request_id: Option<String>,
}

impl Source {
    /// A command on the server.
    pub const fn cli() -> Self {
        Self { actor: Actor::Cli, ip: None, request_id: None }
    }

    /// Nobody.
    pub const fn system() -> Self {
        Self { actor: Actor::System, ip: None, request_id: None }
    }
}

/// An event to write down.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Who did it, and from where.
    pub source: &'a Source,
    /// What was done: `user.disabled`, `organization.created`, …
    pub action: &'static str,
    /// To what.
    pub subject: Subject,
    /// More: ids and words, never personal data and never a secret.
    pub detail: Map<String, Value>,
}

impl<'a> Entry<'a> {
    /// An event without details.
    pub fn new(source: &'a Source, action: &'static str, subject: Subject) -> Self {
        Self { source, action, subject, detail: Map::new() }
    }

    /// Adds a detail: an id or a word.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

/// Writes an event down, inside the caller's transaction.
///
/// # Errors
/// When the database refuses or is away.
pub async fn record(
    connection: &mut PgConnection,
    entry: &Entry<'_>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    store::insert(connection, entry, now).await
}

/// An event that was written down.
#[derive(Debug, Clone)]
pub struct Event {
    /// The row.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// The word for who: see [`Actor::as_str`].
    pub actor: String,
    /// The account that did it, if it was somebody's.
    pub actor_user_id: Option<i64>,
    /// What was done.
    pub action: String,
    /// The kind of thing it was done to.
    pub subject: String,
    /// Its row.
    pub subject_id: Option<i64>,
    /// From which address.
    pub ip: Option<IpAddr>,
    /// By which request.
    pub request_id: Option<String>,
    /// More.
    pub detail: Value,
}

/// Which events to look at.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of this person.
    pub actor_user_id: Option<i64>,
    /// Those about this kind of thing.
    pub subject: Option<String>,
    /// Those about this one of it.
    pub subject_id: Option<i64>,
    /// Those of this action.
    pub action: Option<String>,
    /// Not earlier than this.
    pub since: Option<DateTime<Utc>>,
    /// Before this row.
    pub before: Option<i64>,
}

/// The events that fit, newest first.
///
/// # Errors
/// When the database is away.
pub async fn list(pool: &PgPool, filter: &Filter, limit: i64) -> Result<Vec<Event>, sqlx::Error> {
    store::list(pool, filter, limit).await
}

/// Deletes old events, one slice.
///
/// # Errors
/// When the database is away, or refuses because they are not old enough.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

/// How many events are older than `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_old(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_old(pool, before).await
}
