//! The first admin. There is none until somebody on the server makes one: no default account.

use chrono::{DateTime, Utc};
use rand::Rng;
use secrecy::SecretString;
use sqlx::PgPool;

use super::{roles::Role, store};
use crate::{
    audit::{self, Entry, Source, Subject},
    auth::passwords::{Busy, Passwords},
    db,
    phone::PhoneNumber,
    users::username::Username,
};

/// An admin to be made, their fields parsed and their password found good by
/// [`crate::auth::passwords::rules`].
#[derive(Debug, Clone, Copy)]
pub struct NewSuperuser<'a> {
    /// Their user name.
    pub username: &'a Username,
    /// Their e-mail address; empty if there is none.
    pub email: &'a str,
    /// Their number, with which a code logs in; `None`: by password alone.
    pub phone: Option<&'a PhoneNumber>,
    /// The group of the account.
    pub group: i32,
    /// Their password.
    pub password: &'a SecretString,
}

/// Why nobody was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Somebody has the user name.
    #[error("this user name is taken; `api staff grant` makes its owner an admin")]
    UsernameTaken,
    /// Somebody's account has the number.
    #[error("an account has this number; `api staff grant` makes its owner an admin")]
    PhoneTaken,
    /// The password could not be hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database refused or is away.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for CreateError {
    fn from(error: sqlx::Error) -> Self {
        match db::violated_unique(&error) {
            Some("users_username_key") => Self::UsernameTaken,
            Some("users_phone_group_key") => Self::PhoneTaken,
            _ => Self::Database(error),
        }
    }
}

/// Makes an account whose owner is an admin, and gives its number.
///
/// # Errors
/// [`CreateError`].
pub async fn create(
    pool: &PgPool,
    passwords: &Passwords,
    new: &NewSuperuser<'_>,
    now: DateTime<Utc>,
    rng: &mut impl Rng,
) -> Result<i64, CreateError> {
    let hash = passwords.turn().await?.hash(new.password, rng).await;
    let mut tx = pool.begin().await?;
    let id = store::insert_admin(&mut tx, new, &hash, now).await?;
    let source = Source::cli();
    let entry =
        Entry::new(&source, "staff.created", Subject::user(id)).with("role", Role::Admin.as_str());
    audit::record(&mut tx, &entry, now).await?;
    tx.commit().await?;
    Ok(id)
}
