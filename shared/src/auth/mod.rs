//! Logging in: a right code becomes an account, a session and tokens.

use std::sync::Arc;

use chrono::TimeDelta;
use rand::Rng;
use sqlx::{PgConnection, PgPool};

use crate::{
    batch::{Batcher, WriteError},
    clock::SharedClock,
    config::Config,
    otp::{Otp, Purpose, VerifyCodeError},
    phone::PhoneNumber,
    sessions::{self, Lifetimes, Method, NewSession, Origin, Session, rotation::Rotate},
    users::{self, User},
    webhooks::Outbox,
};

pub mod api_keys;
pub mod bearers;
pub mod confirm;
pub mod legacy;
pub mod passwords;
pub mod phone_change;
pub mod refresh;
mod store;
pub mod tokens;
mod verify;

use bearers::Bearers;
use passwords::Passwords;
use phone_change::PhoneChanges;
use tokens::TokenPair;

/// The login feature.
#[derive(Clone)]
pub struct Auth {
    pool: PgPool,
    clock: SharedClock,
    otp: Otp,
    bearers: Bearers,
    lifetimes: Lifetimes,
    grace: TimeDelta,
    rotations: Batcher<Rotate>,
    passwords: Passwords,
    outbox: Outbox,
    phone_changes: Arc<PhoneChanges>,
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
    pub fn new(
        pool: PgPool,
        clock: SharedClock,
        otp: Otp,
        bearers: Bearers,
        outbox: Outbox,
        config: &Config,
    ) -> Self {
        Self {
            rotations: Batcher::start(Rotate, &pool, 1),
            lifetimes: Lifetimes::new(&config.auth),
            grace: refresh::grace(&config.auth),
            passwords: Passwords::new(&config.auth.passwords),
            phone_changes: Arc::new(PhoneChanges::new(config)),
            pool,
            clock,
            otp,
            bearers,
            outbox,
        }
    }

    /// Who calls: the check of access tokens.
    pub fn bearers(&self) -> &Bearers {
        &self.bearers
    }

    /// The time that lifetimes of tokens and sessions are measured by.
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
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
        let session = self.admit(&mut tx, &user, login.origin, Method::Otp).await?;
        tx.commit().await?;
        self.otp.verified(checked);
        let tokens = self.bearers.tokens().pair(&session, now, rng);
        Ok(LoggedIn { user, tokens })
    }

    /// Begins a session for somebody who proved who they are, inside the caller's transaction, in which
    /// the account's row is locked. The one way to log in, whatever the proof.
    async fn admit(
        &self,
        connection: &mut PgConnection,
        user: &User,
        origin: &Origin,
        method: Method,
    ) -> Result<Session, sqlx::Error> {
        let new = NewSession { user_id: user.id, origin, method };
        sessions::begin(connection, &new, &self.lifetimes, self.clock.now()).await
    }
}
