//! Setting a new password with a code instead of the old one.
//!
//! Whether a number has an account is told to nobody who does not hold it: asking for a code looks
//! the same in either case, only that no text is sent where there is no account.

use rand::Rng;
use secrecy::SecretString;

use super::{Busy, change::obeyed, rules::Broken, store};
use crate::{
    auth::Auth,
    batch::WriteError,
    login_events::Trace,
    otp::{AcceptedSend, GivenCode, NewSend, Purpose, SendCodeError, VerifyCodeError},
    phone::PhoneNumber,
    sessions::Which,
};

/// A new password, with a code; its fields parsed.
#[derive(Debug, Clone)]
pub struct PasswordReset<'a> {
    /// The number the code was sent to.
    pub phone: &'a PhoneNumber,
    /// Which of the number's accounts; one of `auth.groups`.
    pub group: i32,
    /// What the person typed.
    pub code: &'a str,
    /// The handle of the send, if the client kept it.
    pub request_id: Option<&'a str>,
    /// From where.
    pub trace: &'a Trace,
    /// The new password.
    pub new: &'a SecretString,
}

/// Why a password stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Wrong, expired, used or unknown code, no attempts left, or no such account.
    #[error("no such code")]
    NoSuchCode,
    /// The account is disabled; the code is used up all the same.
    #[error("account disabled")]
    AccountDisabled,
    /// The new password breaks these rules; the code is still good.
    #[error("the new password breaks a rule")]
    Broken(Vec<Broken>),
    /// Too many passwords wait to be hashed; the code is still good.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The shared commit failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<VerifyCodeError> for ResetError {
    fn from(error: VerifyCodeError) -> Self {
        match error {
            VerifyCodeError::NoSuchCode => Self::NoSuchCode,
            VerifyCodeError::Write(error) => Self::Write(error),
        }
    }
}

impl Auth {
    /// Accepts a code for setting a new password, if the number has an active account in the group.
    /// `None`: it has none, or no text may be sent now. The caller is not to be told which.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn send_reset(
        &self,
        phone: &PhoneNumber,
        group: i32,
        send: impl FnOnce(Purpose) -> NewSend,
        rng: &mut (impl Rng + Send),
    ) -> Result<Option<AcceptedSend>, WriteError> {
        let account = store::find_by_phone(&self.pool, phone, group).await?;
        if !account.is_some_and(|account| account.user.is_active) {
            return Ok(None);
        }
        let new = send(Purpose::ResetPassword);
        match self.otp.accept_send(&new, rng).await {
            Ok(accepted) => Ok(Some(accepted)),
            Err(SendCodeError::Database(error)) => Err(error.into()),
            Err(SendCodeError::Write(error)) => Err(error),
            Err(refused) => {
                tracing::debug!(%refused, "no code for a new password is sent");
                let trace = Trace { ip: new.ip, request_id: new.trace.clone() };
                self.otp.note_refused(phone, new.purpose, trace, refused.as_str());
                Ok(None)
            }
        }
    }

    /// Checks the code and, in one transaction, consumes it, sets the password and ends all sessions.
    ///
    /// # Errors
    /// [`ResetError`]. Exactly one of parallel right answers succeeds.
    pub async fn reset_password(
        &self,
        reset: &PasswordReset<'_>,
        rng: &mut (impl Rng + Send),
    ) -> Result<(), ResetError> {
        let PasswordReset { phone, group, code, request_id, trace, new } = *reset;
        let given = GivenCode { code, request_id, trace };
        let checked = self.otp.check(phone, Purpose::ResetPassword, &given).await?;
        let account = store::find_by_phone(&self.pool, phone, group).await?;
        let account = account.ok_or(ResetError::NoSuchCode)?;
        obeyed(new, &account).map_err(ResetError::Broken)?;
        let hash = self.passwords.turn().await?.hash(new, rng).await;
        let mut tx = self.pool.begin().await?;
        if !self.otp.consume(&mut tx, &checked).await? {
            return Err(ResetError::NoSuchCode);
        }
        let locked = store::lock_to_change(&mut tx, account.user.id).await?;
        let same = locked.filter(|locked| locked.user.phone.as_ref() == Some(phone));
        let Some(account) = same.filter(|locked| locked.user.is_active) else {
            tx.commit().await?;
            self.otp.verified(checked);
            return Err(ResetError::AccountDisabled);
        };
        let ended = self.put_password(&mut tx, &account, &hash, Which::All).await?;
        tx.commit().await?;
        self.otp.verified(checked);
        self.announce(ended);
        Ok(())
    }
}
