//! Chat: rooms, their members and what is said in them.
//!
//! A room is an event log ([`log`]): whatever happens in it takes the next number in the transaction
//! that makes it true, by raising the head of the room's row. That lock puts everything that happens
//! in a room in one order, and whoever sees number n sees everything before it. What was committed
//! is announced ([`announce`]): a notice says how far a room's log goes, and every process reads
//! the log itself.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use self::{announce::Announcer, files::Files, permissions::Refusal, post::Desk};
use crate::{admin::mask, clock::SharedClock, config, config::Config, webhooks::Outbox};

pub mod absent;
pub mod announce;
pub mod change;
pub mod content;
pub mod create;
mod departures;
pub mod edit;
pub mod files;
pub mod gone;
pub mod log;
pub mod members;
pub mod moderation;
pub mod permissions;
pub mod post;
#[cfg(test)]
mod post_tests;
pub mod reactions;
pub mod reads;
#[cfg(test)]
mod room_tests;
pub mod rooms;
pub mod search;
pub mod seat;
pub mod sockets;
pub(crate) mod staff;
mod store;
pub mod tickets;

pub use self::departures::forget;

/// A room's row.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct RoomId(pub i64);

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Chat over one database.
#[derive(Clone)]
pub struct Chat {
    pool: PgPool,
    clock: SharedClock,
    outbox: Outbox,
    announcer: Announcer,
    files: Files,
    rules: config::Chat,
    desk: Desk,
}

impl Chat {
    /// The feature over one database and one storage.
    pub fn new(
        pool: PgPool,
        clock: SharedClock,
        outbox: Outbox,
        announcer: Announcer,
        files: Files,
        config: &Config,
    ) -> Self {
        let desk = Desk::open(&pool, clock.clone(), outbox.clone());
        Self { pool, clock, outbox, announcer, files, rules: config.chat.clone(), desk }
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Who tells the processes what happened.
    pub fn announcer(&self) -> &Announcer {
        &self.announcer
    }

    /// The settings.
    pub fn rules(&self) -> &config::Chat {
        &self.rules
    }
}

/// Somebody as others in a room see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub id: i64,
    /// Unique.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

impl Person {
    /// The user name as others may see it: those of accounts that were made by a code hold a number,
    /// which is nobody's business.
    pub fn public_name(&self) -> String {
        mask::username(&self.username)
    }

    /// The user name as this person may see it: one's own is whole.
    pub fn shown_name(&self, viewer_id: i64) -> String {
        if self.id == viewer_id { self.username.clone() } else { self.public_name() }
    }
}

/// Why something is not done in a room.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// There is no such room, message or person, or not for this caller.
    #[error("no such thing")]
    NotFound,
    /// The caller is banned from the room.
    #[error("banned")]
    Banned,
    /// The caller belongs to the room and may not do this.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
