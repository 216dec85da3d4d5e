//! Proving anew, within a session, who one is, with the account's password.

use secrecy::SecretString;

use super::{TRIES, Turn, Verdict, store};
use crate::{
    auth::{Auth, confirm::ConfirmError},
    sessions,
};

/// A proof with a password.
#[derive(Debug, Clone, Copy)]
pub struct ConfirmByPassword<'a> {
    /// The account.
    pub user_id: i64,
    /// The session that counts as recent then; no other does.
    pub session_id: i64,
    /// What the person typed, every character of it.
    pub password: &'a SecretString,
}

impl Auth {
    /// Checks the password and, in one transaction in which it does not change, notes that the
    /// session's owner proved who they are.
    ///
    /// # Errors
    /// [`ConfirmError`]; a wrong password and none at all are [`ConfirmError::Wrong`].
    pub async fn confirm_by_password(
        &self,
        turn: &Turn,
        confirm: &ConfirmByPassword<'_>,
    ) -> Result<(), ConfirmError> {
        for _ in 0..TRIES {
            let account = store::find_by_id(&self.pool, confirm.user_id).await?;
            let account = account.filter(|it| it.user.is_active);
            let account = account.ok_or(ConfirmError::AccountDisabled)?;
            let stored = account.password.as_deref();
            if turn.verify(stored, confirm.password).await == Verdict::Wrong {
                return Err(ConfirmError::Wrong);
            }
            let mut tx = self.pool.begin().await?;
            let locked = store::lock_to_log_in(&mut tx, confirm.user_id).await?;
            let locked = locked.filter(|it| it.user.is_active);
            // Changed, or hashed anew by a login, since it was checked.
            if locked.ok_or(ConfirmError::AccountDisabled)?.password != account.password {
                continue;
            }
            sessions::confirm(&mut tx, confirm.session_id, self.clock.now()).await?;
            tx.commit().await?;
            return Ok(());
        }
        Err(ConfirmError::Wrong)
    }
}
