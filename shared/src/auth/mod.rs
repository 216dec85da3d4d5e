//! Logging in: a right code becomes an account, a session and tokens.

use std::sync::Arc;

use chrono::TimeDelta;
use rand::Rng;
use sqlx::{PgConnection, PgPool};

use crate::{
    batch::{Batcher, WriteError},
    clock::SharedClock,
    config::{Config, UserField},
    login_events::{Kind, NewEvent},
    otp::{GivenCode, Otp, Purpose, VerifyCodeError},
    phone::PhoneNumber,
    sessions::{EndReason, Lifetimes, Method, Origin, Session, Which, rotation::Rotate},
    users::User,
    webhooks::Outbox,
};

mod admission;
pub mod api_keys;
pub mod bearers;
mod code_logins;
pub mod confirm;
pub mod console;
pub mod endings;
pub mod legacy;
pub mod passwords;
pub mod phone_change;
pub mod refresh;
pub mod security;
pub(crate) mod signatures;
mod store;
pub mod tokens;
mod verify;

use admission::{Admission, Admitted, Entrant};
use bearers::Bearers;
use code_logins::{CodeLogins, Entry, RightCode};
use endings::{Ended, Endings};
use passwords::Passwords;
use phone_change::PhoneChanges;
use tokens::TokenPair;

/// Batchers of logins by code per process.
const WRITERS: usize = 1;

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
    endings: Endings,
    admission: Admission,
    code_logins: Batcher<CodeLogins>,
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
    /// What names the account, if this login makes it.
    pub named: UserField,
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
    /// Its new session.
    pub session_id: i64,
    /// Its new tokens.
    pub tokens: TokenPair,
}

/// Why a login fails.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Wrong, expired, used or unknown code, or no attempts left.
    #[error("no such code")]
    NoSuchCode,
    /// This account is disabled; the code is used up all the same.
    #[error("account disabled")]
    AccountDisabled(i64),
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
        let revocations = bearers.revocations().clone();
        let endings = Endings::new(revocations, outbox.clone(), clock.clone(), &config.auth);
        let admission =
            Admission::new(endings.clone(), outbox.clone(), clock.clone(), &config.auth);
        let logins = CodeLogins {
            admission: admission.clone(),
            outbox: outbox.clone(),
            clock: clock.clone(),
        };
        Self {
            lifetimes: Lifetimes::new(&config.auth),
            grace: refresh::grace(&config.auth),
            rotations: Batcher::start(Rotate, &pool, WRITERS),
            code_logins: Batcher::start(logins, &pool, WRITERS),
            passwords: Passwords::new(&config.auth.passwords),
            phone_changes: Arc::new(PhoneChanges::new(config)),
            endings,
            admission,
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
        let entered = self.enter_by_code(login, rng).await;
        let failed = |user, why| security::login_failed(Method::Otp, login.origin, user, why);
        match &entered {
            Err(LoginError::NoSuchCode) => failed(None, "no_such_code"),
            Err(LoginError::AccountDisabled(user)) => {
                failed(Some(*user), "account_disabled");
                let (phone, trace) = (login.phone.clone(), login.origin.trace());
                let event =
                    NewEvent::of_number(Kind::AccountDisabled, phone, Purpose::Login, trace);
                self.otp.events().note(NewEvent { user_id: Some(*user), ..event });
            }
            Ok(_) | Err(LoginError::Database(_) | LoginError::Write(_)) => {}
        }
        entered
    }

    async fn enter_by_code(
        &self,
        login: &CodeLogin<'_>,
        rng: &mut (impl Rng + Send),
    ) -> Result<LoggedIn, LoginError> {
        if self.otp.is_blocked(login.phone) {
            return Err(LoginError::NoSuchCode);
        }
        let trace = login.origin.trace();
        let given = GivenCode { code: login.code, request_id: login.request_id, trace: &trace };
        let checked = self.otp.check(login.phone, Purpose::Login, &given).await?;
        let entry = self.code_logins.write(RightCode {
            checked: checked.clone(),
            phone: login.phone.clone(),
            group: login.group,
            named: login.named,
            origin: login.origin.clone(),
        });
        match entry.await? {
            Entry::UsedUp => Err(LoginError::NoSuchCode),
            Entry::Disabled(user) => {
                self.otp.verified(checked);
                Err(LoginError::AccountDisabled(user.id))
            }
            Entry::Admitted(entered) => {
                self.otp.verified(checked);
                let (user, admitted) = *entered;
                Ok(self.admitted(admitted, user, login.origin, rng))
            }
        }
    }

    /// Begins a session for somebody who proved who they are, inside the caller's transaction, in which
    /// the account's row is locked. The one way to log in, whatever the proof. After the commit
    /// [`Auth::admitted`] makes a login of it.
    async fn admit(
        &self,
        connection: &mut PgConnection,
        user: &User,
        origin: &Origin,
        method: Method,
    ) -> Result<Admitted, sqlx::Error> {
        let entrant = Entrant { user, origin, method };
        let mut admitted = self.admission.admit(connection, &[entrant]).await?;
        admitted.pop().ok_or(sqlx::Error::RowNotFound)
    }

    /// A session that [`Auth::admit`] began is committed: here are its tokens, and what ended for it
    /// holds.
    fn admitted(
        &self,
        admitted: Admitted,
        user: User,
        origin: &Origin,
        rng: &mut impl Rng,
    ) -> LoggedIn {
        let session = self.entered(admitted, origin);
        let tokens = self.bearers.pair(&session, self.clock.now(), rng);
        LoggedIn { user, session_id: session.id, tokens }
    }

    /// The session of a login that is committed; what ended for it holds.
    fn entered(&self, admitted: Admitted, origin: &Origin) -> Session {
        let Admitted { session, method, ended } = admitted;
        security::logged_in(&session, method, origin);
        self.endings.announce(ended);
        session
    }

    /// Ends sessions of a user, inside the caller's transaction, and tells of it. After the commit
    /// call [`Auth::announce`].
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub async fn end_sessions(
        &self,
        connection: &mut PgConnection,
        user_id: i64,
        which: Which,
        reason: EndReason,
    ) -> Result<Ended, sqlx::Error> {
        self.endings.end(connection, user_id, which, reason).await
    }

    /// What ended is committed: it holds everywhere within a second.
    pub fn announce(&self, ended: Ended) {
        self.endings.announce(ended);
    }

    /// Ends sessions of a user now; gives how many had not ended yet.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_sessions_now(
        &self,
        user_id: i64,
        which: Which,
        reason: EndReason,
    ) -> Result<usize, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let ended = self.end_sessions(&mut tx, user_id, which, reason).await?;
        tx.commit().await?;
        let count = ended.count();
        self.announce(ended);
        Ok(count)
    }
}
