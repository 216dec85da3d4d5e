//! How failures of passwords are told.

use shared::auth::passwords::{Busy, ChangeError, RegisterError};

use super::types::refused;
use crate::error::{Code, Problem};

impl From<Busy> for Problem {
    fn from(busy: Busy) -> Self {
        Self::new(Code::Unavailable).with_retry_after(1).with_cause(busy)
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Taken => {
                let message = "A user with that username already exists.";
                Self::new(Code::UsernameTaken).with_field("username", "unique", message)
            }
            RegisterError::Busy(busy) => busy.into(),
            RegisterError::Database(error) => error.into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let current = |code, message| {
            Self::new(Code::Validation).with_field("current_password", code, message)
        };
        match error {
            ChangeError::CurrentMissing => current("required", "This field is required."),
            ChangeError::CurrentWrong => current(
                "password_incorrect",
                "Your old password was entered incorrectly. Please enter it again.",
            ),
            ChangeError::Broken(broken) => refused(broken),
            ChangeError::Inactive => Self::new(Code::UserInactive),
            ChangeError::Busy(busy) => busy.into(),
            ChangeError::Database(error) => error.into(),
        }
    }
}
