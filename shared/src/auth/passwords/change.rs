//! Changing one's password, or setting the first one.

use rand::Rng;
use secrecy::SecretString;
use sqlx::PgConnection;

use super::{
    Busy, TRIES, Turn, Verdict,
    rules::{self, Broken, Owner},
    store::{self, Account},
};
use crate::{
    auth::{Auth, endings::Ended},
    sessions::{self, EndReason, Which},
    webhooks::events::{Kind, NewEvent},
};

/// A change of a password, its fields parsed.
#[derive(Debug, Clone)]
pub struct PasswordChange<'a> {
    /// Whose it is.
    pub user_id: i64,
    /// The session it is changed in, which goes on.
    pub session_id: i64,
    /// What shows that it is the owner who changes it.
    pub proof: Proof<'a>,
    /// The new one.
    pub new: &'a SecretString,
}

/// What shows that it is the owner of an account who sets its password.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// The password the account has now.
    Current(&'a SecretString),
    /// A login or confirmation of a moment ago, checked by the caller; enough where there is no
    /// password yet.
    Recent,
}

/// Why a password stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The account has a password, and it was not given.
    #[error("the current password is missing")]
    CurrentMissing,
    /// The given one is not the account's.
    #[error("the current password is wrong")]
    CurrentWrong,
    /// The new one breaks these rules.
    #[error("the new password breaks a rule")]
    Broken(Vec<Broken>),
    /// The account is disabled or erased.
    #[error("the account is not active")]
    Inactive,
    /// Too many passwords wait to be checked.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Account {
    /// What everybody may know of the owner.
    pub(super) fn owner(&self) -> Owner<'_> {
        Owner {
            username: &self.user.username,
            first_name: &self.first_name,
            last_name: &self.last_name,
            email: &self.email,
            phone: self.user.phone.as_ref(),
        }
    }
}

/// Every rule that `password` breaks as that of this account.
pub(super) fn obeyed(password: &SecretString, account: &Account) -> Result<(), Vec<Broken>> {
    let broken = rules::check(password, &account.owner());
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

impl Auth {
    /// Whether the account has a password. A new one is held against the rules first, so that what
    /// is refused costs no turn.
    ///
    /// # Errors
    /// [`ChangeError::Broken`], [`ChangeError::Inactive`], [`ChangeError::Database`].
    pub async fn prepare_change(
        &self,
        user_id: i64,
        new: &SecretString,
    ) -> Result<bool, ChangeError> {
        let account = store::find_by_id(&self.pool, user_id).await?;
        let account = account.filter(|it| it.user.is_active).ok_or(ChangeError::Inactive)?;
        obeyed(new, &account).map_err(ChangeError::Broken)?;
        Ok(account.password.is_some())
    }

    /// Sets the password and ends every other session.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_password(
        &self,
        turn: &Turn,
        change: &PasswordChange<'_>,
        rng: &mut (impl Rng + Send),
    ) -> Result<(), ChangeError> {
        for _ in 0..TRIES {
            let account = store::find_by_id(&self.pool, change.user_id).await?;
            let account = account.filter(|it| it.user.is_active).ok_or(ChangeError::Inactive)?;
            match (account.password.as_deref(), change.proof) {
                (Some(_), Proof::Recent) => return Err(ChangeError::CurrentMissing),
                (None, Proof::Recent) => {}
                (stored, Proof::Current(current)) => {
                    if turn.verify(stored, current).await == Verdict::Wrong {
                        return Err(ChangeError::CurrentWrong);
                    }
                }
            }
            let hash = turn.hash(change.new, rng).await;
            let mut tx = self.pool.begin().await?;
            let locked = store::lock_to_change(&mut tx, change.user_id).await?;
            let locked = locked.filter(|it| it.user.is_active).ok_or(ChangeError::Inactive)?;
            // Changed, or hashed anew by a login, since it was checked.
            if locked.password != account.password {
                continue;
            }
            if let Proof::Current(_) = change.proof {
                sessions::confirm(&mut tx, change.session_id, self.clock.now()).await?;
            }
            let others = Which::AllBut(change.session_id);
            let ended = self.put_password(&mut tx, &locked, &hash, others).await?;
            tx.commit().await?;
            self.announce(ended);
            return Ok(());
        }
        Err(ChangeError::CurrentWrong)
    }

    /// Sets the password of an account whose row the caller holds, and ends its sessions; gives those
    /// that ended. The one way a password changes.
    pub(super) async fn put_password(
        &self,
        connection: &mut PgConnection,
        account: &Account,
        hash: &str,
        which: Which,
    ) -> Result<Ended, sqlx::Error> {
        let user_id = account.user.id;
        store::set(connection, user_id, hash, self.clock.now()).await?;
        let changed = NewEvent::of_user(Kind::UserPasswordChanged, user_id, []);
        self.outbox.emit(connection, &[changed]).await?;
        self.end_sessions(connection, user_id, which, EndReason::Password).await
    }
}
