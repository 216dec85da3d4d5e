//! Changes staff make to people's accounts.

use sqlx::PgConnection;

use super::{
    Admin, Person,
    roles::{Action, Role},
    store::{self, Locked},
};
use crate::{
    audit::{self, Entry, Source, Subject},
    auth::endings::Ended,
    db,
    sessions::{EndReason, Which},
    users::ProfileChange,
    webhooks::events::{Kind, NewEvent},
};

/// Somebody on the staff who does something.
#[derive(Debug, Clone)]
pub struct Acting {
    /// The account.
    pub user_id: i64,
    /// Its role.
    pub role: Role,
    /// For the log.
    pub source: Source,
}

impl Acting {
    /// Whoever may run commands on the server: no account, so every account is somebody else's.
    pub const fn on_the_server() -> Self {
        Self { user_id: 0, role: Role::Admin, source: Source::cli() }
    }

    /// The account, if somebody's does it.
    pub const fn account(&self) -> Option<i64> {
        if self.user_id == 0 { None } else { Some(self.user_id) }
    }
}

/// Why an account is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is none, or it was erased.
    #[error("no such account")]
    NoSuchAccount,
    /// It is somebody's on the staff, whom only an admin may touch.
    #[error("the account is staff's")]
    OfStaff,
    /// It is one's own.
    #[error("one's own account")]
    Own,
    /// Nobody would be left who can do everything.
    #[error("the last admin")]
    LastAdmin,
    /// Another account has the number in that group.
    #[error("the number has an account in that group")]
    GroupTaken,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What staff change of an account's words; `None`: it stays.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// What its owner may change as well.
    pub profile: ProfileChange,
    /// The group.
    pub group: Option<i32>,
}

impl Admin {
    /// Changes what an account says of its owner, and its group, and gives it as it is then. What is
    /// written down are the names of what changed.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn edit(&self, acting: &Acting, id: i64, edit: &Edit) -> Result<Person, ChangeError> {
        let mut tx = self.pool.begin().await?;
        target(&mut tx, acting, id).await?;
        let changed = store::edit(&mut tx, id, edit).await.map_err(|error| {
            match db::violated_unique(&error) {
                Some("users_phone_group_key") => ChangeError::GroupTaken,
                _ => ChangeError::Database(error),
            }
        })?;
        if !changed.is_empty() {
            let entry = Entry::new(&acting.source, "user.edited", Subject::user(id));
            audit::record(&mut tx, &entry.with("fields", changed), self.clock.now()).await?;
        }
        let person = store::find(&mut *tx, id).await?.ok_or(ChangeError::NoSuchAccount)?;
        tx.commit().await?;
        Ok(person)
    }

    /// Disables an account and ends its sessions, in every process within a second. One that is
    /// disabled already stays so.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn disable(&self, acting: &Acting, id: i64) -> Result<(), ChangeError> {
        let mut tx = self.pool.begin().await?;
        let locked = target(&mut tx, acting, id).await?;
        if id == acting.user_id {
            return Err(ChangeError::Own);
        }
        if locked.is_last_admin() {
            return Err(ChangeError::LastAdmin);
        }
        let ended = self.end_all(&mut tx, id, EndReason::Account).await?;
        if store::switch(&mut tx, id, false).await? {
            let entry = Entry::new(&acting.source, "user.disabled", Subject::user(id))
                .with("sessions", ended.count());
            audit::record(&mut tx, &entry, self.clock.now()).await?;
            let event = NewEvent::of_user(Kind::UserDisabled, id, []);
            self.outbox.emit(&mut tx, &[event]).await?;
        }
        tx.commit().await?;
        self.endings.announce(ended);
        Ok(())
    }

    /// Lets the owner of a disabled account log in again.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn enable(&self, acting: &Acting, id: i64) -> Result<(), ChangeError> {
        let mut tx = self.pool.begin().await?;
        target(&mut tx, acting, id).await?;
        if store::switch(&mut tx, id, true).await? {
            let entry = Entry::new(&acting.source, "user.enabled", Subject::user(id));
            audit::record(&mut tx, &entry, self.clock.now()).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Ends every session of an account, in every process within a second, and says how many.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn end_sessions(&self, acting: &Acting, id: i64) -> Result<usize, ChangeError> {
        let mut tx = self.pool.begin().await?;
        target(&mut tx, acting, id).await?;
        let ended = self.end_all(&mut tx, id, EndReason::Staff).await?;
        let entry = Entry::new(&acting.source, "user.sessions_ended", Subject::user(id))
            .with("sessions", ended.count());
        audit::record(&mut tx, &entry, self.clock.now()).await?;
        tx.commit().await?;
        let count = ended.count();
        self.endings.announce(ended);
        Ok(count)
    }

    pub(super) async fn end_all(
        &self,
        connection: &mut PgConnection,
        id: i64,
        reason: EndReason,
    ) -> Result<Ended, sqlx::Error> {
        self.endings.end(connection, id, Which::All, reason).await
    }
}

/// Locks the account, if it may be touched.
pub(super) async fn target(
    connection: &mut PgConnection,
    acting: &Acting,
    id: i64,
) -> Result<Locked, ChangeError> {
    let locked = store::lock(connection, id).await?.ok_or(ChangeError::NoSuchAccount)?;
    if locked.role.is_some() && !acting.role.may(Action::TouchStaff) {
        return Err(ChangeError::OfStaff);
    }
    Ok(locked)
}
