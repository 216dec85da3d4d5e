//! What staff do: find people, look at them, end their sessions, disable and enable their accounts.
//!
//! Each look at a person's data and each change is an event of the audit log, written before it is
//! shown or in the transaction that makes the change. Who may do what is the table in [`roles`];
//! whoever calls these actions has asked it.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    audit::{self, Entry, Source, Subject},
    auth::endings::Endings,
    clock::SharedClock,
    config,
    sessions::revocations::Revocations,
    webhooks::Outbox,
};

mod accounts;
mod api_keys;
mod console;
mod erasure;
pub mod lists;
pub mod mask;
pub mod messages;
pub mod organizations;
pub mod overview;
pub mod providers;
pub mod queues;
pub mod roles;
pub mod rooms;
mod scopes;
mod sessions;
pub mod staff;
mod store;
pub mod superuser;
pub mod templates;
pub mod timeline;
pub mod webhooks;

use self::roles::Role;
pub use self::{
    accounts::{Acting, ChangeError, Edit},
    erasure::EraseError,
    scopes::Grant,
};

/// What staff do, over one database.
#[derive(Clone)]
pub struct Admin {
    pool: PgPool,
    clock: SharedClock,
    endings: Endings,
    outbox: Outbox,
}

/// An account as staff see it.
#[derive(Debug, Clone)]
pub struct Person {
    /// The row.
    pub id: i64,
    /// Unique name.
    pub username: String,
    /// Its number, in the national form for Iran.
    pub mobile_number: Option<String>,
    /// The group ("user level" of the old system).
    pub group: i32,
    /// Empty if there is none.
    pub email: String,
    /// Empty unless given.
    pub first_name: String,
    /// Empty unless given.
    pub last_name: String,
    /// Whether it may log in.
    pub is_active: bool,
    /// What its owner is on the staff.
    pub role: Option<Role>,
    /// Whether a password opens it.
    pub has_password: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was erased.
    pub erased_at: Option<DateTime<Utc>>,
}

impl Person {
    /// The same for those who may not see personal data.
    #[must_use]
    pub fn masked(self) -> Self {
        Self {
            username: mask::username(&self.username),
            mobile_number: self.mobile_number.as_deref().map(mask::number),
            email: mask::email(&self.email),
            first_name: mask::word(&self.first_name),
            last_name: mask::word(&self.last_name),
            ..self
        }
    }
}

/// How much of a person is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Everything.
    Whole,
    /// Masked; and found only by whole names and numbers, or a search would tell what the mask hides.
    Masked,
}

impl Shown {
    /// The word in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Masked => "masked",
        }
    }
}

impl Admin {
    /// The feature over one database.
    pub fn new(
        pool: PgPool,
        clock: SharedClock,
        revocations: Revocations,
        outbox: Outbox,
        config: &config::Auth,
    ) -> Self {
        let endings = Endings::new(revocations, outbox.clone(), clock.clone(), config);
        Self { pool, clock, endings, outbox }
    }

    /// What the owner of an active account is on the staff.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn role_of(&self, user_id: i64) -> Result<Option<Role>, sqlx::Error> {
        store::role_of(&self.pool, user_id).await
    }

    /// Looks at one person, and writes down who did.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn find(
        &self,
        source: &Source,
        id: i64,
        shown: Shown,
    ) -> Result<Option<Person>, sqlx::Error> {
        let Some(person) = store::find(&self.pool, id).await? else { return Ok(None) };
        let looked =
            Entry::new(source, "user.viewed", Subject::user(id)).with("shown", shown.as_str());
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        Ok(Some(show(person, shown)))
    }
}

fn show(person: Person, shown: Shown) -> Person {
    if shown == Shown::Whole { person } else { person.masked() }
}
