//! `admin/users/…`: looking at, changing and erasing accounts.

use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Path, payload::Json, types::Example};
use shared::admin::{Edit, EraseError};

use super::{
    StaffChangeProblem, StaffLookProblem,
    types::{StaffDone, StaffUser},
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem, problems},
    input::{Fields, FromFields, Input},
    routes::{Tag, me::ChangeMe},
    state::SharedState,
};

problems!(
    /// What can go wrong with an edit.
    pub(crate) StaffEditProblem: 400, 401, 403, 404, 408, 409, 413, 415, 500, 503
);

/// What of an account is to change. Anything else is ignored: nothing more can be changed here.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct EditUser {
    /// An e-mail address, or nothing.
    #[oai(validator(max_length = 254))]
    email: Option<String>,
    /// May be empty.
    #[oai(validator(max_length = 150))]
    first_name: Option<String>,
    /// May be empty.
    #[oai(validator(max_length = 150))]
    last_name: Option<String>,
    /// One of `auth.groups`.
    group: Option<i32>,
}

impl Example for EditUser {
    fn example() -> Self {
        Self {
            email: Some("sara@example.com".to_owned()),
            first_name: Some("Sara".to_owned()),
            last_name: Some("Ahmadi".to_owned()),
            group: Some(1),
        }
    }
}

/// The same, read.
pub(crate) struct EditAsked(Edit);

impl FromFields for EditAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let group = fields.optional_integer("group");
        let profile = ChangeMe::from_fields(fields)?.change();
        let group = group.map(|group| i32::try_from(group).unwrap_or(-1));
        Some(Self(Edit { profile, group }))
    }
}

/// The operations on one account. All of a path are in one place: two would hide each other in the
/// document.
pub(crate) struct StaffUserApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffUserApi {
    /// Look at an account
    ///
    /// Viewers and finance see personal data masked. Written down in the audit log.
    #[oai(path = "/admin/users/:id", method = "get", operation_id = "getUser")]
    async fn get_user(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtUsers>,
        /// The account.
        #[oai(example = "super::example_user")]
        id: Path<i64>,
    ) -> Result<Json<StaffUser>, StaffLookProblem> {
        let found = state.admin.find(&staff.caller.source(), id.0, staff.shown()).await;
        let found = found.map_err(Problem::from)?;
        Ok(Json(found.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
    }

    /// Change an account
    ///
    /// What is left out stays as it is. For support and admins, after a recent login; written down in
    /// the audit log, without what it is now.
    #[oai(path = "/admin/users/:id", method = "patch", operation_id = "editUser")]
    async fn edit(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::EditUsers>,
        /// The account.
        #[oai(example = "super::example_user")]
        id: Path<i64>,
        input: Input<EditAsked, EditUser>,
    ) -> Result<Json<StaffUser>, StaffEditProblem> {
        let EditAsked(edit) = input.0;
        if edit.group.is_some_and(|group| !state.config.auth.groups.contains(&group)) {
            let problem = Problem::new(Code::Validation);
            let message = "This group is not one of auth.groups.";
            return Err(problem.with_field("group", "invalid_choice", message).into());
        }
        let edited = state.admin.edit(&staff.acting(), id.0, &edit).await;
        Ok(Json(edited.map_err(Problem::from)?.into()))
    }

    /// Erase an account
    ///
    /// For good: everything that names its owner goes, and all sessions end within a second. The
    /// number may sign up anew. For admins, after a recent login.
    #[oai(path = "/admin/users/:id/erase", method = "post", operation_id = "eraseUser")]
    async fn erase(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::EraseUsers>,
        /// The account.
        #[oai(example = "super::example_user")]
        id: Path<i64>,
    ) -> Result<Json<StaffDone>, StaffChangeProblem> {
        let erased = state.admin.erase(&staff.caller.source(), id.0).await;
        erased.map_err(|error| match error {
            EraseError::NoSuchAccount => Problem::new(Code::NotFound),
            EraseError::LastAdmin => Problem::new(Code::Conflict)
                .sentence("This is the last admin: somebody has to stay who can do everything."),
            EraseError::OwnsOrganizations(_) => Problem::new(Code::OwnsOrganizations),
            EraseError::Database(error) => error.into(),
        })?;
        Ok(super::done("The account was erased.", None))
    }
}
