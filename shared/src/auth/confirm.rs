//! Proving anew, within a session, who one is: for what needs a login of a moment ago.

use super::Auth;
use crate::{
    batch::WriteError,
    login_events::Trace,
    otp::{GivenCode, Purpose, VerifyCodeError},
    phone::PhoneNumber,
    sessions, users,
};

/// A proof with a code that was sent to the account's own number.
#[derive(Clone, Copy)]
pub struct ConfirmByCode<'a> {
    /// The account.
    pub user_id: i64,
    /// The session that counts as recent then; no other does.
    pub session_id: i64,
    /// What the person typed.
    pub code: &'a str,
    /// The handle of the send, if the client kept it.
    pub request_id: Option<&'a str>,
    /// From where.
    pub trace: &'a Trace,
}

/// Why nothing is proven.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// A wrong password or none; a wrong, expired, used or unknown code, no attempts left, or the
    /// account has no number.
    #[error("not proven")]
    Wrong,
    /// There is no such account any more, or it is disabled.
    #[error("account disabled")]
    AccountDisabled,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The shared commit failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<VerifyCodeError> for ConfirmError {
    fn from(error: VerifyCodeError) -> Self {
        match error {
            VerifyCodeError::NoSuchCode => Self::Wrong,
            VerifyCodeError::Write(error) => Self::Write(error),
        }
    }
}

impl Auth {
    /// The number a code of [`Purpose::Confirm`] is sent to; `None`: the account has none.
    ///
    /// # Errors
    /// [`ConfirmError`].
    pub async fn number_to_confirm(
        &self,
        user_id: i64,
    ) -> Result<Option<PhoneNumber>, ConfirmError> {
        let account = users::find(&self.pool, user_id).await?;
        let account = account.filter(|account| account.user.is_active);
        Ok(account.ok_or(ConfirmError::AccountDisabled)?.user.phone)
    }

    /// Checks the code and, in one transaction, consumes it and notes that the session's owner proved
    /// who they are.
    ///
    /// # Errors
    /// [`ConfirmError`].
    pub async fn confirm_by_code(&self, confirm: &ConfirmByCode<'_>) -> Result<(), ConfirmError> {
        let phone = self.number_to_confirm(confirm.user_id).await?;
        let phone = phone.ok_or(ConfirmError::Wrong)?;
        let ConfirmByCode { code, request_id, trace, .. } = *confirm;
        let given = GivenCode { code, request_id, trace };
        let checked = self.otp.check(&phone, Purpose::Confirm, &given).await?;
        let mut tx = self.pool.begin().await?;
        if !self.otp.consume(&mut tx, &checked).await? {
            return Err(ConfirmError::Wrong);
        }
        let account = users::lock(&mut tx, confirm.user_id).await?;
        let account = account.filter(|account| account.user.is_active);
        // The number is another one if it was changed meanwhile.
        if account.ok_or(ConfirmError::AccountDisabled)?.user.phone != Some(phone) {
            return Err(ConfirmError::Wrong);
        }
        sessions::confirm(&mut tx, confirm.session_id, self.clock.now()).await?;
        tx.commit().await?;
        self.otp.verified(checked);
        Ok(())
    }
}
