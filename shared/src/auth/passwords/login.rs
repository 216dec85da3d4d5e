//! Logging in with a password.

use rand::Rng;
use secrecy::SecretString;

use super::{Passwords, TRIES, Turn, Verdict, store};
use crate::{
    auth::{Auth, LoggedIn, security},
    login_events::{Kind, NewEvent},
    sessions::{Method, Origin},
    users::username::normal_form,
};

/// A login by password, its fields parsed.
#[derive(Debug, Clone)]
pub struct PasswordLogin<'a> {
    /// The account's name, in any spelling.
    pub username: &'a str,
    /// What the person typed, every character of it.
    pub password: &'a SecretString,
    /// Where the request comes from.
    pub origin: &'a Origin,
}

/// Why a login fails.
#[derive(Debug, thiserror::Error)]
pub enum PasswordLoginError {
    /// There is no such account, it has another password or none, or it is disabled. Nobody is told
    /// which.
    #[error("no active account with this password")]
    Refused,
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Auth {
    /// Where passwords are hashed.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Checks the password and, in one transaction in which the account does not change, begins a
    /// session. An old hash is replaced afterwards.
    ///
    /// # Errors
    /// [`PasswordLoginError`].
    pub async fn login_by_password(
        &self,
        turn: &Turn,
        login: &PasswordLogin<'_>,
        rng: &mut (impl Rng + Send),
    ) -> Result<LoggedIn, PasswordLoginError> {
        let entered = self.enter_by_password(turn, login, rng).await;
        if matches!(entered, Err(PasswordLoginError::Refused)) {
            security::login_failed(Method::Password, login.origin, None, "refused");
        }
        entered
    }

    async fn enter_by_password(
        &self,
        turn: &Turn,
        login: &PasswordLogin<'_>,
        rng: &mut (impl Rng + Send),
    ) -> Result<LoggedIn, PasswordLoginError> {
        let username = normal_form(login.username);
        for _ in 0..TRIES {
            let found = store::find(&self.pool, &username).await?;
            let stored = found.as_ref().and_then(|found| found.password.as_deref());
            let verdict = turn.verify(stored, login.password).await;
            let note = |kind| {
                // Nothing is written of names that nobody has: anybody may try any.
                let Some(found) = &found else { return };
                let (user, trace) = (found.user.id, login.origin.trace());
                self.otp.events().note(NewEvent::of_account(kind, user, trace));
            };
            let (Some(found), Some(stored), Verdict::Right { outdated }) =
                (&found, stored, verdict)
            else {
                note(Kind::PasswordWrong);
                return Err(PasswordLoginError::Refused);
            };
            if !found.user.is_active {
                note(Kind::AccountDisabled);
                return Err(PasswordLoginError::Refused);
            }
            let newer = if outdated { Some(turn.hash(login.password, rng).await) } else { None };
            let mut tx = self.pool.begin().await?;
            let account = store::lock_to_log_in(&mut tx, found.user.id).await?;
            let Some(account) = account.filter(|account| account.user.is_active) else {
                return Err(PasswordLoginError::Refused);
            };
            // Changed, or hashed anew by another login, since it was checked.
            if account.password.as_deref() != Some(stored) || account.user.username != username {
                continue;
            }
            let admitted =
                self.admit(&mut tx, &account.user, login.origin, Method::Password).await?;
            tx.commit().await?;
            if let Some(newer) = newer {
                // Only now: two logins that hold the row must not wait for each other to change it.
                self.renew(account.user.id, stored, &newer).await;
            }
            return Ok(self.admitted(admitted, account.user, login.origin, rng));
        }
        Err(PasswordLoginError::Refused)
    }

    /// The login stands whatever comes of it; the next one tries again.
    async fn renew(&self, user_id: i64, from: &str, to: &str) {
        if let Err(error) = store::renew(&self.pool, user_id, from, to).await {
            tracing::warn!(%error, user.id = user_id, "an old password hash is not renewed");
        }
    }
}
