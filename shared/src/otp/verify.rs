//! Checking a code: reserve an attempt first, then compare, then (elsewhere) consume.

use super::{
    Otp, Purpose,
    code::{clean_input, same_code},
    store,
};
use crate::phone::PhoneNumber;

/// A right code, not yet consumed.
#[derive(Debug, Clone)]
pub struct CheckedCode {
    pub(super) phone: PhoneNumber,
    pub(super) purpose: Purpose,
    pub(super) generation: i64,
}

/// Why a code is not good. Callers outside are told one thing for all of them.
#[derive(Debug, thiserror::Error)]
pub enum VerifyCodeError {
    /// Wrong, expired, used, unknown, or the budget of attempts is spent.
    #[error("no such code")]
    NoSuchCode,
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Otp {
    /// Takes one attempt from the budget and compares. With a `request_id` the budget is that
    /// request's own; without, it is shared by everyone who knows the number, so that a
    /// stranger's guesses do not keep out the owner of the request.
    ///
    /// # Errors
    /// [`VerifyCodeError`].
    pub async fn check(
        &self,
        phone: &PhoneNumber,
        purpose: Purpose,
        given: &str,
        request_id: Option<&str>,
    ) -> Result<CheckedCode, VerifyCodeError> {
        let attempt = store::Attempt {
            phone,
            purpose,
            request_id,
            now: self.clock.now(),
            per_code: i32::try_from(match request_id {
                Some(_) => self.config.attempts_per_request,
                None => self.config.attempts_per_target,
            })
            .unwrap_or(i32::MAX),
            per_day: i32::try_from(self.config.daily_attempts_per_target).unwrap_or(i32::MAX),
        };
        let reserved = match request_id {
            Some(_) => store::reserve_of_request(&self.pool, &attempt).await?,
            None => store::reserve_shared(&self.pool, &attempt).await?,
        };
        let row = reserved.ok_or(VerifyCodeError::NoSuchCode)?;
        let expected = self.derive(&row).ok_or(VerifyCodeError::NoSuchCode)?;
        if !same_code(&expected, &clean_input(given, expected.len())) {
            return Err(VerifyCodeError::NoSuchCode);
        }
        Ok(CheckedCode { phone: phone.clone(), purpose, generation: row.generation })
    }
}
