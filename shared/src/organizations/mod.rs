//! Organizations: what several people run together, with one owner each.
//!
//! Every change locks, in this order, the account of whoever makes it and the organization, looks
//! at who they are in it now, and writes its event of the audit log. So changes of one organization
//! happen one after another, and what the table in [`roles`] says holds while they do. To everybody
//! who does not belong to it an organization is not there.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    audit::{self, Entry, Source, Subject},
    clock::SharedClock,
    config::{self, Config},
    db,
    phone::PhoneNumber,
    sms::messages::Messages,
};

mod forget;
mod invitations;
mod members;
pub mod names;
pub mod roles;
mod staff;
mod store;

pub(crate) use self::staff::people_of;
pub use self::{
    forget::{ForgetError, forget_user, lock_of_user},
    invitations::{
        Invitation, InvitationStatus, Invited, MyInvitation, count_ended_invitations,
        purge_invitations,
    },
    members::Member,
};
use self::{
    names::{Name, Uname},
    roles::{Action, Role},
};

/// Organizations over one database.
#[derive(Clone)]
pub struct Organizations {
    pool: PgPool,
    clock: SharedClock,
    messages: Messages,
    rules: config::Organizations,
}

/// An organization as one of its members sees it.
#[derive(Debug, Clone)]
pub struct Organization {
    /// The row.
    pub id: i64,
    /// For people.
    pub name: String,
    /// Unique, whatever its case.
    pub uname: String,
    /// Whose it is.
    pub owner_id: i64,
    /// What whoever looks is in it.
    pub role: Role,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Somebody who makes a change.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub user_id: i64,
    /// For the audit log.
    pub source: Source,
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum OrganizationError {
    /// There is no such thing, or not for this caller.
    #[error("no such thing")]
    NotFound,
    /// The caller belongs to the organization and may not do this.
    #[error("not allowed")]
    Forbidden,
    /// The caller's account is disabled.
    #[error("account disabled")]
    Inactive,
    /// Another organization has the uname.
    #[error("uname taken")]
    UnameTaken,
    /// The owner stays: they hand the organization over first, or delete it.
    #[error("the owner stays")]
    OwnerStays,
    /// Whoever should become the owner is no member that may log in.
    #[error("not a member")]
    NotAMember,
    /// The number has an open invitation.
    #[error("invited already")]
    Invited,
    /// The invitation is not open any more.
    #[error("invitation settled")]
    Settled,
    /// There are so many already.
    #[error("at most {0}")]
    Limit(u32),
    /// The caller had their share of invitations for today: seconds until the next day.
    #[error("enough invitations for today")]
    EnoughToday(u32),
    /// The database refused or is away.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for OrganizationError {
    fn from(error: sqlx::Error) -> Self {
        match db::violated_unique(&error) {
            Some("organizations_uname_key") => Self::UnameTaken,
            _ => Self::Database(error),
        }
    }
}

type Result<T> = std::result::Result<T, OrganizationError>;

impl Organizations {
    /// The feature over one database.
    pub fn new(pool: PgPool, clock: SharedClock, messages: Messages, config: &Config) -> Self {
        Self { pool, clock, messages, rules: config.organizations.clone() }
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Somebody's organizations, those they joined last first by number.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn list(
        &self,
        user_id: i64,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Organization>> {
        let before = before.unwrap_or(i64::MAX);
        Ok(store::list(&self.pool, user_id, before, limit).await?)
    }

    /// The organization, if the caller belongs to it.
    ///
    /// # Errors
    /// [`OrganizationError::NotFound`] otherwise.
    pub async fn find(&self, user_id: i64, id: i64) -> Result<Organization> {
        store::find(&self.pool, user_id, id).await?.ok_or(OrganizationError::NotFound)
    }

    /// Whether somebody may do this at this moment: for what is asked before the change itself, which
    /// asks again.
    ///
    /// # Errors
    /// [`OrganizationError::NotFound`] and [`OrganizationError::Forbidden`].
    pub async fn check(&self, user_id: i64, id: i64, action: Action) -> Result<()> {
        need(self.find(user_id, id).await?.role, action)
    }

    /// Makes an organization, whose owner the caller becomes.
    ///
    /// # Errors
    /// [`OrganizationError`]; exactly one of parallel wishes for a uname comes true.
    pub async fn create(
        &self,
        caller: &Caller,
        name: &Name,
        uname: &Uname,
    ) -> Result<Organization> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        lock_person(&mut tx, caller.user_id).await?;
        let mine = store::count_of(&mut tx, caller.user_id).await?;
        at_most(mine.owned, self.rules.owned_per_user)?;
        at_most(mine.memberships, self.rules.memberships_per_user)?;
        let id = store::insert(&mut tx, name, uname, caller.user_id, now).await?;
        store::insert_member(&mut tx, id, caller.user_id, Role::Owner, now).await?;
        record(&mut tx, Entry::new(&caller.source, "organization.created", of(id)), now).await?;
        tx.commit().await?;
        self.find(caller.user_id, id).await
    }

    /// Gives it another name, uname or both.
    ///
    /// # Errors
    /// [`OrganizationError`].
    pub async fn rename(
        &self,
        caller: &Caller,
        id: i64,
        name: Option<&Name>,
        uname: Option<&Uname>,
    ) -> Result<Organization> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        need(enter(&mut tx, caller.user_id, id).await?, Action::Rename)?;
        if store::rename(&mut tx, id, name, uname).await? {
            let entry = Entry::new(&caller.source, "organization.renamed", of(id))
                .with("name", name.is_some())
                .with("uname", uname.is_some());
            record(&mut tx, entry, now).await?;
        }
        tx.commit().await?;
        self.find(caller.user_id, id).await
    }

    /// The first half of deleting it, inside the caller's transaction: whether that may be, and
    /// everything locked that it takes.
    ///
    /// # Errors
    /// [`OrganizationError`].
    pub async fn begin_deletion(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        id: i64,
    ) -> Result<()> {
        need(enter(connection, caller.user_id, id).await?, Action::Delete)
    }

    /// The second half, what begins with [`Organizations::begin_deletion`]: it goes with its members'
    /// places and its invitations.
    ///
    /// # Errors
    /// [`OrganizationError`].
    pub async fn finish_deletion(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        id: i64,
    ) -> Result<()> {
        store::delete(connection, id).await?;
        let entry = Entry::new(&caller.source, "organization.deleted", of(id));
        Ok(record(connection, entry, self.clock.now()).await?)
    }
}

/// Locks the account of whoever makes a change, and gives its number. Nothing is done for one that
/// was disabled meanwhile.
async fn lock_person(connection: &mut PgConnection, user_id: i64) -> Result<Option<PhoneNumber>> {
    store::lock_person(connection, user_id).await?.ok_or(OrganizationError::Inactive)
}

/// Locks whoever makes a change and the organization, and says what they are in it.
async fn enter(connection: &mut PgConnection, user_id: i64, id: i64) -> Result<Role> {
    lock_person(connection, user_id).await?;
    if !store::lock(connection, id).await? {
        return Err(OrganizationError::NotFound);
    }
    let role = store::role_of(connection, id, user_id).await?;
    role.ok_or(OrganizationError::NotFound)
}

fn need(role: Role, action: Action) -> Result<()> {
    if role.may(action) { Ok(()) } else { Err(OrganizationError::Forbidden) }
}

/// Refuses one more than there may be.
fn at_most(count: i64, limit: u32) -> Result<()> {
    if count < i64::from(limit) { Ok(()) } else { Err(OrganizationError::Limit(limit)) }
}

fn of(id: i64) -> Subject {
    Subject::organization(id)
}

async fn record(
    connection: &mut PgConnection,
    entry: Entry<'_>,
    now: DateTime<Utc>,
) -> std::result::Result<(), sqlx::Error> {
    audit::record(connection, &entry, now).await
}
