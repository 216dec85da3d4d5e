//! `me/`: one's own account.

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use shared::{
    phone::PhoneNumber,
    users::{self, Profile},
};

use super::Tag;
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
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

problems!(
    /// What can go wrong with looking at one's account.
    pub(crate) MeProblem: 401, 408, 429, 500, 503
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
}
