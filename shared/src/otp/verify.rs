//! Checking a code: reserve an attempt first, then compare, then (elsewhere) consume.

use sqlx::PgConnection;

use super::{
    Otp, Purpose,
    code::{clean_input, same_code},
    store,
};
use crate::{
    batch::{BatchWrite, WriteError},
    clock::SharedClock,
    config::Otp as OtpConfig,
    login_events::{Kind, NewEvent, Trace},
    phone::PhoneNumber,
};

/// A right code, not yet consumed.
#[derive(Debug, Clone)]
pub struct CheckedCode {
    pub(super) phone: PhoneNumber,
    pub(super) purpose: Purpose,
    pub(super) generation: i64,
}

/// A code somebody typed. Has no `Debug`: it may be the right one.
#[derive(Clone, Copy)]
pub struct GivenCode<'a> {
    /// What was typed.
    pub code: &'a str,
    /// The handle of the send, if the client kept it.
    pub request_id: Option<&'a str>,
    /// From where.
    pub trace: &'a Trace,
}

/// Why a code is not good. Callers outside are told one thing for all of them.
#[derive(Debug, thiserror::Error)]
pub enum VerifyCodeError {
    /// Wrong, expired, used, unknown, or the budget of attempts is spent.
    #[error("no such code")]
    NoSuchCode,
    /// The database is away.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Otp {
    /// Takes one attempt from the budget and compares. With a `request_id` the budget is that
    /// request's own; without, it is shared by everyone who knows the number, so that a
    /// stranger's guesses do not keep out the owner of the request. A code that is not good is written
    /// down, see [`crate::login_events`].
    ///
    /// # Errors
    /// [`VerifyCodeError`].
    pub async fn check(
        &self,
        phone: &PhoneNumber,
        purpose: Purpose,
        given: &GivenCode<'_>,
    ) -> Result<CheckedCode, VerifyCodeError> {
        let request_id = given.request_id.map(str::to_owned);
        let check = Check { phone: phone.clone(), purpose, request_id };
        let Some(row) = self.checks.write(check).await? else {
            return Err(self.refuse(Kind::CodeRefused, phone, purpose, given.trace));
        };
        let expected = self.derive(&row).ok_or(VerifyCodeError::NoSuchCode)?;
        if !same_code(&expected, &clean_input(given.code, expected.len())) {
            return Err(self.refuse(Kind::CodeWrong, phone, purpose, given.trace));
        }
        Ok(CheckedCode { phone: phone.clone(), purpose, generation: row.generation })
    }

    fn refuse(
        &self,
        kind: Kind,
        phone: &PhoneNumber,
        purpose: Purpose,
        trace: &Trace,
    ) -> VerifyCodeError {
        let event = NewEvent::of_number(kind, phone.clone(), purpose, trace.clone());
        self.events.note(event);
        VerifyCodeError::NoSuchCode
    }
}

/// The shared write that reserves attempts.
pub(super) struct ReserveAttempts {
    rules: store::CheckRules,
    clock: SharedClock,
}

/// One caller's part of it.
pub(super) struct Check {
    pub(super) phone: PhoneNumber,
    pub(super) purpose: Purpose,
    pub(super) request_id: Option<String>,
}

impl ReserveAttempts {
    pub(super) fn new(config: &OtpConfig, clock: SharedClock) -> Self {
        let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let rules = store::CheckRules {
            shared: count(config.attempts_per_target),
            of_request: count(config.attempts_per_request),
            daily: count(config.daily_attempts_per_target),
        };
        Self { rules, clock }
    }
}

impl BatchWrite for ReserveAttempts {
    const NAME: &'static str = "reserve_attempts";

    type Item = Check;
    type Answer = Option<store::CodeRow>;
    type Key = (String, String);

    fn key(&self, check: &Check) -> Self::Key {
        (check.phone.as_e164().to_owned(), check.purpose.as_str().to_owned())
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        checks: &[Check],
    ) -> Result<Vec<Option<store::CodeRow>>, sqlx::Error> {
        let now = self.clock.now();
        let mut rows = store::reserve(connection, &self.rules, now, checks).await?;
        Ok(checks.iter().map(|check| rows.remove(&self.key(check))).collect())
    }
}
