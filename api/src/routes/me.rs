//! `me/`: one's own account.

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use shared::{
    admin::EraseError,
    phone::PhoneNumber,
    users::{self, Profile, ProfileChange, email},
};

use super::Tag;
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    input::{Fields, FromFields, Input, Text},
    state::{SharedState, State},
    timestamp::Timestamp,
};

/// One's own account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Me {
    /// The account's number.
    id: i64,
    /// Its unique name.
    username: String,
    /// Its mobile number, in the national form for Iran; absent if it has none.
    #[oai(skip_serializing_if_is_none)]
    mobile_number: Option<String>,
    /// Its group.
    group: i32,
    /// Its e-mail address, unchecked; empty if there is none.
    email: String,
    /// Empty unless given.
    first_name: String,
    /// Empty unless given.
    last_name: String,
    /// Whether a password opens the account.
    has_password: bool,
    /// When it was made.
    created_at: Timestamp,
}

impl From<Profile> for Me {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id,
            username: profile.username,
            mobile_number: profile.phone.as_ref().map(PhoneNumber::to_national),
            group: profile.group,
            email: profile.email,
            first_name: profile.first_name,
            last_name: profile.last_name,
            has_password: profile.has_password,
            created_at: Timestamp(profile.created_at),
        }
    }
}

impl Me {
    /// The caller's account as it is now.
    ///
    /// # Errors
    /// 401 if it is disabled or erased.
    pub(super) async fn of(state: &State, user_id: i64) -> Result<Self, Problem> {
        let profile = users::profile(&state.pool, user_id).await?;
        Ok(profile.ok_or_else(|| Problem::new(Code::UserInactive))?.into())
    }
}

impl Example for Me {
    fn example() -> Self {
        Self {
            id: 17,
            username: "G0-09123456789".to_owned(),
            mobile_number: Some("09123456789".to_owned()),
            group: 0,
            email: String::new(),
            first_name: "Sara".to_owned(),
            last_name: "Ahmadi".to_owned(),
            has_password: false,
            created_at: Timestamp(DateTime::UNIX_EPOCH),
        }
    }
}

/// Characters of a name at most.
const NAME_CHARS: usize = 150;

/// What of one's account is to change. Anything else is ignored: nothing more can be changed here.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ChangeMe {
    /// An e-mail address, or nothing.
    #[oai(validator(max_length = 254))]
    email: Option<String>,
    /// May be empty.
    #[oai(validator(max_length = 150))]
    first_name: Option<String>,
    /// May be empty.
    #[oai(validator(max_length = 150))]
    last_name: Option<String>,
}

impl Example for ChangeMe {
    fn example() -> Self {
        Self {
            email: Some("sara@example.com".to_owned()),
            first_name: Some("Sara".to_owned()),
            last_name: Some("Ahmadi".to_owned()),
        }
    }
}

impl ChangeMe {
    /// What changes.
    pub(super) fn change(self) -> ProfileChange {
        let Self { email, first_name, last_name } = self;
        ProfileChange { email, first_name, last_name }
    }
}

impl FromFields for ChangeMe {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.optional_text("email", Text::max(email::LONGEST).or_blank());
        if email.as_ref().is_some_and(|text| !text.is_empty() && !email::is_email(text)) {
            fields.error("email", "invalid", "Enter a valid email address.");
        }
        let mut name = |field| {
            let name = fields.optional_text(field, Text::max(NAME_CHARS).or_blank())?;
            if name.chars().any(is_unseen_control) {
                fields.error(field, "invalid", "Control characters are not allowed.");
            }
            Some(name)
        };
        let (first_name, last_name) = (name("first_name"), name("last_name"));
        Some(Self { email, first_name, last_name })
    }
}

/// What has no place in a name: controls, ends of lines, and what turns the direction of the text
/// behind it. The joiners that Persian needs are none of these.
fn is_unseen_control(char: char) -> bool {
    let turns = matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') || turns
}

/// The account is erased, and every session of it has ended.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Erased {
    /// A sentence for people.
    details: String,
}

impl Example for Erased {
    fn example() -> Self {
        Self { details: "The account was erased.".to_owned() }
    }
}

problems!(
    /// What can go wrong with looking at one's account.
    pub(crate) MeProblem: 401, 408, 429, 500, 503
);
problems!(
    /// What can go wrong with changing one's account.
    pub(crate) ChangeMeProblem: 400, 401, 408, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with erasing one's account.
    pub(crate) EraseMeProblem: 401, 403, 408, 409, 429, 500, 503
);

/// The operations.
pub(crate) struct MeApi;

#[OpenApi(tag = "Tag::Account")]
impl MeApi {
    /// Your account
    #[oai(path = "/me", method = "get", operation_id = "getMe")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
    ) -> Result<Json<Me>, MeProblem> {
        Ok(Json(Me::of(state.0, caller.user_id).await?))
    }
    /// Change your account
    ///
    /// What is left out stays as it is.
    #[oai(path = "/me", method = "patch", operation_id = "changeMe")]
    async fn change(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        input: Input<ChangeMe>,
    ) -> Result<Json<Me>, ChangeMeProblem> {
        let change = input.0.change();
        let changed = users::change_profile(&state.pool, caller.user_id, &change).await;
        let changed = changed.map_err(Problem::from)?;
        let profile = changed.ok_or_else(|| Problem::new(Code::UserInactive))?;
        Ok(Json(profile.into()))
    }

    /// Erase your account
    ///
    /// For good: everything that names you goes, and all sessions end. Needs a login, or
    /// `me/confirm/`, of a moment ago. The number may sign up anew.
    #[oai(path = "/me", method = "delete", operation_id = "eraseMe")]
    async fn erase(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
    ) -> Result<Json<Erased>, EraseMeProblem> {
        caller.need_recent(state.0).await?;
        let erased = state.admin.erase(&caller.source(), caller.user_id).await;
        erased.map_err(|error| match error {
            EraseError::NoSuchAccount => Problem::new(Code::UserInactive),
            EraseError::LastAdmin => Problem::new(Code::Conflict)
                .sentence("This is the last admin: somebody has to stay who can do everything."),
            EraseError::OwnsOrganizations(_) => Problem::new(Code::OwnsOrganizations),
            EraseError::Database(error) => error.into(),
        })?;
        Ok(Json(Erased::example()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_what_people_write_and_nothing_that_hides() {
        for fine in ["Sara", "نرگس\u{200c}خاتون", "O'Neil-Łódź 3rd", "👩\u{200d}🔬", ""]
        {
            assert!(!fine.chars().any(is_unseen_control), "{fine}");
        }
        for bad in ["a\tb", "a\nb", "a\u{7}", "a\u{202e}b", "a\u{2066}b", "a\u{2028}b", "a\u{85}b"]
        {
            assert!(bad.chars().any(is_unseen_control), "{bad:?}");
        }
    }
}
