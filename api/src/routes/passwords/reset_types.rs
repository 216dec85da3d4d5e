//! Bodies of setting a new password with a code: what is documented, and beside it what is read.

use poem_openapi::{ApiResponse, Object, payload::Json, types::Example};
use secrecy::SecretString;

use super::types::{EXAMPLE, same};
use crate::{
    input::{Fields, FromFields, Text},
    routes::{authenticate::read_request_id, otp::example_handle},
};

/// Asks for a code that lets its owner set a new password.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SendPasswordReset {
    /// The account's mobile number, in any usual form.
    #[oai(validator(min_length = 1, max_length = 64))]
    mobile_number: String,
    /// Which of the number's accounts; 0 unless given.
    group: Option<i32>,
}

impl Example for SendPasswordReset {
    fn example() -> Self {
        Self { mobile_number: "09123456789".to_owned(), group: Some(0) }
    }
}

/// [`SendPasswordReset`], read; the number and the group not yet.
pub(super) struct ResetAsked {
    pub(super) mobile_number: String,
    pub(super) group: Option<i32>,
}

impl FromFields for ResetAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let mobile_number = fields.text("mobile_number", Text::any());
        let group = read_group(fields);
        Some(Self { mobile_number: mobile_number?, group })
    }
}

/// What everybody is told who asks for a code, whether there is an account or not.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PasswordResetResult {
    /// A sentence for people.
    details: String,
    /// Handle of this request: give it to `password/reset/confirm/`, and its attempts are yours
    /// alone.
    request_id: String,
    /// Seconds until another code may be asked for.
    resend_after: u64,
}

impl PasswordResetResult {
    pub(super) fn new(request_id: String, resend_after: u64) -> Self {
        let details = "If there is an account with this number, a code is on its way.";
        Self { details: details.to_owned(), request_id, resend_after }
    }
}

impl Example for PasswordResetResult {
    fn example() -> Self {
        Self::new(example_handle(), 60)
    }
}

#[derive(ApiResponse)]
pub(crate) enum PasswordResetResponse {
    /// If the number has an account, a code is on its way to it.
    #[oai(status = 202)]
    Accepted(Json<PasswordResetResult>),
}

/// A new password, with the code that was sent.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ResetPassword {
    /// The number the code was sent to, in any usual form.
    #[oai(validator(min_length = 1, max_length = 64))]
    mobile_number: String,
    /// The code, also in Persian or Arabic digits.
    #[oai(validator(max_length = 64))]
    code: String,
    /// The new password: 8 to 128 characters of any kind, taken as they are; not a common one, not
    /// only digits, not like what the account says of its owner.
    #[oai(validator(min_length = 8, max_length = 128))]
    password: String,
    /// The new password again.
    password2: String,
    /// Which of the number's accounts; 0 unless given.
    group: Option<i32>,
    /// The handle that `password/reset/` returned.
    #[oai(validator(pattern = "^[0-9a-f]{32}$"))]
    request_id: Option<String>,
}

impl Example for ResetPassword {
    fn example() -> Self {
        Self {
            mobile_number: "09123456789".to_owned(),
            code: "40719365".to_owned(),
            password: EXAMPLE.to_owned(),
            password2: EXAMPLE.to_owned(),
            group: Some(0),
            request_id: Some(example_handle()),
        }
    }
}

/// [`ResetPassword`], read; the number and the group not yet.
pub(super) struct Reset {
    pub(super) mobile_number: String,
    pub(super) code: String,
    pub(super) new: SecretString,
    pub(super) group: Option<i32>,
    pub(super) request_id: Option<String>,
}

impl FromFields for Reset {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let mobile_number = fields.text("mobile_number", Text::any());
        let code = fields.text("code", Text::max(64));
        let (password, again) = (fields.secret("password"), fields.secret("password2"));
        let group = read_group(fields);
        let request_id = read_request_id(fields);
        let (mobile_number, code) = (mobile_number?, code?);
        let new = same(fields, password?, &again?)?;
        Some(Self { mobile_number, code, new, group, request_id })
    }
}

/// Unlike at `authenticate/`, which takes what is no number for the default, what is none is refused, null too.
fn read_group(fields: &mut Fields) -> Option<i32> {
    let group = fields.optional_integer("group")?;
    Some(i32::try_from(group).unwrap_or(i32::MAX))
}
