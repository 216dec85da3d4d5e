//! Bodies of registering, logging in and changing: what is documented, and beside it what is read.

use poem_openapi::{ApiResponse, Object, payload::Json, types::Example};
use secrecy::{ExposeSecret, SecretString};
use shared::{
    auth::passwords::rules::{self, Broken, Owner},
    users::{
        User,
        email::{self, is_email},
        username::{Username, UsernameError},
    },
};

use crate::{
    error::{Code, Problem},
    input::{Fields, FromFields, Text},
};

/// The old system's sentence.
const NOT_THE_SAME: &str = "رمز عبور و تکرار آن یکسان نیستند.";
/// The example of a password.
pub(super) const EXAMPLE: &str = "correct horse battery staple";

/// A new account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Register {
    /// Its name: letters, numbers and `@.+-_`; not one that looks like those Peyk gives
    /// (`G0-09123456789`, `erased-17`).
    #[oai(validator(min_length = 1, max_length = 150))]
    username: String,
    /// Its password: 8 to 128 characters of any kind, taken as they are; not a common one, not only
    /// digits, not like the name or the e-mail address.
    #[oai(validator(min_length = 8, max_length = 128))]
    password: String,
    /// The password again.
    password2: String,
    /// Its e-mail address, if it is to have one.
    #[oai(validator(max_length = 254))]
    email: Option<String>,
}

impl Example for Register {
    fn example() -> Self {
        Self {
            username: "sara.ahmadi".to_owned(),
            password: EXAMPLE.to_owned(),
            password2: EXAMPLE.to_owned(),
            email: Some("sara@example.com".to_owned()),
        }
    }
}

/// [`Register`], read.
pub(super) struct Registration {
    pub(super) username: Username,
    pub(super) password: SecretString,
    pub(super) email: String,
}

impl FromFields for Registration {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let username = read_username(fields);
        let email = read_email(fields);
        let known = Owner {
            username: username.as_ref().map_or("", Username::as_str),
            email: email.as_deref().unwrap_or_default(),
            ..Owner::default()
        };
        let password = fields.secret("password").filter(|it| obeys(fields, it, &known));
        let password2 = fields.secret("password2");
        let (username, email) = (username?, email?);
        let password = same(fields, password?, &password2?)?;
        Some(Self { username, password, email })
    }
}

fn read_username(fields: &mut Fields) -> Option<Username> {
    let wanted = fields.text("username", Text::any())?;
    let (code, message) = match Username::parse(&wanted) {
        Ok(username) => return Some(username),
        Err(UsernameError::TooLong) => {
            ("max_length", "Ensure this field has no more than 150 characters.")
        }
        Err(UsernameError::Invalid) => (
            "invalid",
            "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ \
             characters.",
        ),
        Err(UsernameError::Reserved) => ("reserved", "This username is reserved."),
    };
    fields.error("username", code, message);
    None
}

/// Empty unless given; `None` means an error was recorded.
fn read_email(fields: &mut Fields) -> Option<String> {
    if !fields.has("email") {
        return Some(String::new());
    }
    let email = fields.optional_text("email", Text::max(email::LONGEST).or_blank())?;
    if !email.is_empty() && !is_email(&email) {
        fields.error("email", "invalid", "Enter a valid email address.");
        return None;
    }
    Some(email)
}

/// Whether a password obeys the rules; else what it breaks is recorded.
fn obeys(fields: &mut Fields, password: &SecretString, owner: &Owner<'_>) -> bool {
    let broken = rules::check(password, owner);
    let obeys = broken.is_empty();
    for Broken { code, message } in broken {
        fields.error("password", code, message);
    }
    obeys
}

/// The password, if it was given twice alike.
pub(super) fn same(
    fields: &mut Fields,
    password: SecretString,
    again: &SecretString,
) -> Option<SecretString> {
    if password.expose_secret() == again.expose_secret() {
        return Some(password);
    }
    fields.error("password", "mismatch", NOT_THE_SAME);
    None
}

/// A problem with the rules a new password breaks.
pub(super) fn refused(broken: Vec<Broken>) -> Problem {
    let note = |problem: Problem, it: Broken| problem.with_field("password", it.code, it.message);
    broken.into_iter().fold(Problem::new(Code::Validation), note)
}

/// A made account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Registered {
    /// The account's number.
    id: i64,
    /// Its name, in its normal form.
    username: String,
    /// Its e-mail address, unchecked; empty if there is none.
    email: String,
    /// Its group.
    group: i32,
}

impl Registered {
    pub(super) fn new(user: User, email: String) -> Self {
        Self { id: user.id, username: user.username, email, group: user.group }
    }
}

impl Example for Registered {
    fn example() -> Self {
        let (username, email) = ("sara.ahmadi".to_owned(), "sara@example.com".to_owned());
        Self { id: 18, username, email, group: 0 }
    }
}

#[derive(ApiResponse)]
pub(crate) enum RegisterResponse {
    /// The account is made. Log in with `login/`.
    #[oai(status = 201)]
    Made(Json<Registered>),
}

/// A name and its password.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Login {
    /// The account's name.
    #[oai(validator(min_length = 1))]
    username: String,
    /// Its password, every character of it.
    #[oai(validator(min_length = 1))]
    password: String,
}

impl Example for Login {
    fn example() -> Self {
        Self { username: "sara.ahmadi".to_owned(), password: EXAMPLE.to_owned() }
    }
}

/// [`Login`], read.
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: SecretString,
}

impl FromFields for Credentials {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let username = fields.text("username", Text::any());
        let password = fields.secret("password");
        Some(Self { username: username?, password: password? })
    }
}

/// A new password in the place of the old one.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ChangePassword {
    /// The password the account has now. An account without one needs none, but a login or
    /// confirmation of a moment ago.
    current_password: Option<String>,
    /// The new one: 8 to 128 characters of any kind, taken as they are; not a common one, not only
    /// digits, not like what the account says of its owner.
    #[oai(validator(min_length = 8, max_length = 128))]
    password: String,
    /// The new one again.
    password2: String,
}

impl Example for ChangePassword {
    fn example() -> Self {
        Self {
            current_password: Some("the one before".to_owned()),
            password: EXAMPLE.to_owned(),
            password2: EXAMPLE.to_owned(),
        }
    }
}

/// [`ChangePassword`], read.
pub(super) struct Change {
    pub(super) current: Option<SecretString>,
    pub(super) new: SecretString,
}

impl FromFields for Change {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let current = fields.optional_secret("current_password");
        let (password, again) = (fields.secret("password"), fields.secret("password2"));
        let new = same(fields, password?, &again?)?;
        Some(Self { current, new })
    }
}

/// What was done.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PasswordResult {
    /// A sentence for people.
    details: String,
}

impl PasswordResult {
    pub(super) fn changed() -> Self {
        Self { details: "The password was changed.".to_owned() }
    }
}

impl Example for PasswordResult {
    fn example() -> Self {
        Self::changed()
    }
}
