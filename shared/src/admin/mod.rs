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
    phone::PhoneNumber,
    sessions::revocations::Revocations,
    webhooks::Outbox,
};

mod accounts;
mod console;
mod erasure;
pub mod mask;
pub mod overview;
pub mod providers;
pub mod queues;
pub mod roles;
mod scopes;
pub mod staff;
mod store;
pub mod superuser;
pub mod timeline;

use self::roles::Role;
pub use self::{
    accounts::{Acting, ChangeError},
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

/// What people are searched by.
#[derive(Debug, Clone)]
pub enum Search {
    /// Everybody.
    All,
    /// Those with this number; in any group.
    Phone(PhoneNumber),
    /// Those whose user name begins with this; is this, where personal data is masked.
    Username(String),
}

impl Search {
    /// The word in the audit log: never what was searched for.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Phone(_) => "phone",
            Self::Username(_) => "username",
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

    /// Finds people, newest accounts first, those before `before` if given, and writes down who looked
    /// at whom.
    ///
    /// # Errors
    /// When the database is away: nobody is shown then.
    pub async fn search(
        &self,
        source: &Source,
        search: &Search,
        shown: Shown,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Person>, sqlx::Error> {
        let before = before.unwrap_or(i64::MAX);
        let pool = &self.pool;
        let found = match (search, shown) {
            (Search::All, _) => store::latest(pool, before, limit).await?,
            (Search::Phone(phone), _) => store::by_phone(pool, phone, before, limit).await?,
            (Search::Username(name), Shown::Masked) => {
                store::by_username(pool, name, before, limit).await?
            }
            (Search::Username(name), Shown::Whole) => {
                store::by_prefix(pool, name, before, limit).await?
            }
        };
        let ids: Vec<_> = found.iter().map(|person| person.id).collect();
        let looked = Entry::new(source, "user.searched", Subject::users())
            .with("by", search.as_str())
            .with("shown", if shown == Shown::Whole { "whole" } else { "masked" })
            .with("users", ids);
        audit::record(&mut *pool.acquire().await?, &looked, self.clock.now()).await?;
        Ok(found.into_iter().map(|person| show(person, shown)).collect())
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
        let looked = Entry::new(source, "user.viewed", Subject::user(id))
            .with("shown", if shown == Shown::Whole { "whole" } else { "masked" });
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        Ok(Some(show(person, shown)))
    }
}

fn show(person: Person, shown: Shown) -> Person {
    if shown == Shown::Whole { person } else { person.masked() }
}
