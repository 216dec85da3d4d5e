//! Logging in: a right code becomes an account, a session and tokens.

use chrono::TimeDelta;
use rand::Rng;
use sqlx::PgPool;

use crate::{
    batch::WriteError,
    clock::SharedClock,
    otp::{Otp, Purpose, VerifyCodeError},
    phone::PhoneNumber,
    users::{self, Origin, User},
};

pub mod api_keys;
mod store;
pub mod tokens;

use tokens::{TokenPair, Tokens};

/// The login feature.
#[derive(Clone)]
pub struct Auth {
    pool: PgPool,
    clock: SharedClock,
    otp: Otp,
    tokens: std::sync::Arc<Tokens>,
}

/// A login by code, its fields parsed.
#[derive(Debug, Clone)]
pub struct CodeLogin<'a> {
    /// The number the code was sent to.
    pub phone: &'a PhoneNumber,
    /// What the person typed.
    pub code: &'a str,
    /// Which of the number's accounts; one of `auth.groups`.
    pub group: i32,
    /// The handle of the send, if the client kept it.
    pub request_id: Option<&'a str>,
    /// Where the request comes from.
    pub origin: &'a Origin,
}

/// A successful login.
#[derive(Debug)]
pub struct LoggedIn {
    /// The account.
    pub user: User,
    /// Its new tokens.
    pub tokens: TokenPair,
}

/// Why a login fails.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Wrong, expired, used or unknown code, or no attempts left.
    #[error("no such code")]
    NoSuchCode,
    /// The account is disabled; the code is used up all the same.
    #[error("account disabled")]
    AccountDisabled,
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The shared commit failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<VerifyCodeError> for LoginError {
    fn from(error: VerifyCodeError) -> Self {
        match error {
            VerifyCodeError::NoSuchCode => Self::NoSuchCode,
            VerifyCodeError::Write(error) => Self::Write(error),
        }
    }
}

impl Auth {
    /// The feature over one database.
    pub fn new(pool: PgPool, clock: SharedClock, otp: Otp, tokens: Tokens) -> Self {
        Self { pool, clock, otp, tokens: tokens.into() }
    }

    /// The token maker, for checking bearers and publishing keys.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Checks the code and, in one transaction, consumes it, finds or makes the account and
    /// begins a session.
    ///
    /// # Errors
    /// [`LoginError`]. Exactly one of parallel right answers succeeds.
    pub async fn login_by_code(
        &self,
        login: &CodeLogin<'_>,
        rng: &mut (impl Rng + Send),
    ) -> Result<LoggedIn, LoginError> {
        let checked =
            self.otp.check(login.phone, Purpose::Login, login.code, login.request_id).await?;
        let now = self.clock.now();
        let refresh_expires_at = now + TimeDelta::seconds(self.tokens.refresh_ttl_seconds());
        let mut tx = self.pool.begin().await?;
        if !self.otp.consume(&mut tx, &checked).await? {
            return Err(LoginError::NoSuchCode);
        }
        let user = users::find_or_create(&mut tx, login.phone, login.group, now).await?;
        if !user.is_active {
            tx.commit().await?;
            self.otp.verified(checked);
            return Err(LoginError::AccountDisabled);
        }
        let session =
            users::begin_session(&mut tx, user.id, login.origin, now, refresh_expires_at).await?;
        tx.commit().await?;
        self.otp.verified(checked);
        let tokens = self.tokens.pair(&session, now, rng);
        Ok(LoggedIn { user, tokens })
    }
}
