//! Making an account with a name and a password.

use rand::Rng;
use secrecy::SecretString;

use super::{Busy, store};
use crate::{
    auth::Auth,
    users::{User, username::Username},
};

/// An account to be made, its fields parsed and its password found good by [`super::rules`].
#[derive(Debug, Clone)]
pub struct NewAccount<'a> {
    /// Its name.
    pub username: &'a Username,
    /// Its e-mail address; empty if there is none.
    pub email: &'a str,
    /// Its group, one of `auth.groups`.
    pub group: i32,
    /// Its password.
    pub password: &'a SecretString,
}

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Somebody else has the name.
    #[error("the name is taken")]
    Taken,
    /// Too many passwords wait to be hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Auth {
    /// Makes an account. Of parallel calls with one name one succeeds.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn register(
        &self,
        new: &NewAccount<'_>,
        rng: &mut (impl Rng + Send),
    ) -> Result<User, RegisterError> {
        let NewAccount { username, email, group, password } = *new;
        // Spares the hashing; who comes first is decided by the insert.
        if store::find(&self.pool, username.as_str()).await?.is_some() {
            return Err(RegisterError::Taken);
        }
        let hash = self.passwords.turn().await?.hash(password, rng).await;
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let made = store::insert(&mut tx, (username, email), group, &hash, now).await?;
        let made = made.ok_or(RegisterError::Taken)?;
        self.outbox.emit(&mut tx, &[made.user.created()]).await?;
        tx.commit().await?;
        Ok(made.user)
    }
}
