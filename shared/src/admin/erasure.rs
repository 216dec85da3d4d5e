//! Erasing a person: whatever names them goes, and the row of their account stays, for what refers
//! to it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Admin, store};
use crate::{
    audit::{self, Entry, Source, Subject},
    auth::phone_change,
    chat, login_events,
    organizations::{self, ForgetError},
    otp, payments,
    sessions::{self, EndReason},
    users::{self, Account},
    webhooks::events::{Kind, NewEvent},
};

/// Why a person is not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is no such account, or it was erased before.
    #[error("no such account")]
    NoSuchAccount,
    /// Nobody would be left who can do everything.
    #[error("the last admin")]
    LastAdmin,
    /// They own organizations with other members, these: they hand them over first, or delete them.
    #[error("owns organizations with other members")]
    OwnsOrganizations(Vec<i64>),
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<ForgetError> for EraseError {
    fn from(error: ForgetError) -> Self {
        match error {
            ForgetError::Owns(organizations) => Self::OwnsOrganizations(organizations),
            ForgetError::Database(error) => Self::Database(error),
        }
    }
}

impl Admin {
    /// Erases the owner of an account in one transaction, for good. Its sessions end in every process
    /// within a second; its number may sign up anew.
    ///
    /// # Errors
    /// [`EraseError`]; nothing is erased then.
    pub async fn erase(&self, source: &Source, id: i64) -> Result<(), EraseError> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        // Codes come before accounts, as in a login: those two must not wait for each other.
        let before = users::find(&mut *tx, id).await?.ok_or(EraseError::NoSuchAccount)?;
        forget_codes(&mut tx, &before, now).await?;
        let locked = store::lock(&mut tx, id).await?.ok_or(EraseError::NoSuchAccount)?;
        if locked.is_last_admin() {
            return Err(EraseError::LastAdmin);
        }
        let account = users::find(&mut *tx, id).await?.ok_or(EraseError::NoSuchAccount)?;
        if account.user.phone != before.user.phone {
            forget_codes(&mut tx, &account, now).await?;
        }
        let ended = self.end_all(&mut tx, id, EndReason::Account).await?;
        forget(&mut tx, id, source, now).await?;
        let entry = Entry::new(source, "user.erased", Subject::user(id));
        audit::record(&mut tx, &entry.with("sessions", ended.count()), now).await?;
        self.outbox.emit(&mut tx, &[NewEvent::of_user(Kind::UserErased, id, [])]).await?;
        tx.commit().await?;
        self.endings.announce(ended);
        Ok(())
    }
}

/// What each feature forgets of a person whose account is locked and still has its number. First
/// comes what refers to others. A feature that keeps anything of people has its line here.
async fn forget(
    connection: &mut PgConnection,
    id: i64,
    source: &Source,
    now: DateTime<Utc>,
) -> Result<(), EraseError> {
    organizations::lock_of_user(connection, id).await?;
    chat::forget(connection, id, now).await?;
    organizations::forget_user(connection, id, source, now).await?;
    payments::forget(connection, id).await?;
    phone_change::forget(connection, id).await?;
    login_events::forget_account(connection, id).await?;
    sessions::forget(connection, id).await?;
    users::forget(connection, id, now).await?;
    Ok(())
}

/// Codes on their way to a person's numbers open nothing any more, and nobody knows who asked.
async fn forget_codes(
    connection: &mut PgConnection,
    account: &Account,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if let Some(own) = &account.user.phone {
        otp::forget(connection, own, &otp::Purpose::ALL, now).await?;
    }
    match phone_change::asked(connection, account.user.id).await? {
        Some(wanted) => otp::forget(connection, &wanted, &[otp::Purpose::ChangePhone], now).await,
        None => Ok(()),
    }
}
