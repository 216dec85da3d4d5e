//! `organizations/…` and `invitations/…`: what several people run together.

mod invitations;
mod members;
mod types;

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::organizations::{Caller, OrganizationError, roles::Action};

use self::types::{
    CreateOrganization, CreateOrganizationResponse, Names, Organization, OrganizationDone,
    OrganizationPage, SomeNames, TransferOrganization, UpdateOrganization,
};
pub(crate) use self::{
    invitations::InvitationApi,
    members::MemberApi,
    types::{InvitationStatus, Member, OrganizationRole},
};
use super::{
    Tag,
    paging::{Link, Paging, example_before, example_limit},
};
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    input::Input,
    state::SharedState,
};

problems!(
    /// What can go wrong with a list of one's own.
    pub(crate) MyListProblem: 400, 401, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a new organization.
    pub(crate) CreateOrganizationProblem: 400, 401, 408, 409, 413, 415, 500, 503
);
problems!(
    /// What can go wrong with a look at an organization.
    pub(crate) OrganizationLookProblem: 400, 401, 403, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a change of an organization.
    pub(crate) OrganizationChangeProblem: 400, 401, 403, 404, 408, 409, 413, 415, 500, 503
);

/// The operations on organizations themselves.
pub(crate) struct OrganizationApi;

#[OpenApi(tag = "Tag::Organizations")]
impl OrganizationApi {
    /// Your organizations
    ///
    /// Those you belong to, newest first.
    #[oai(path = "/organizations", method = "get", operation_id = "listOrganizations")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// Only organizations before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<OrganizationPage>, MyListProblem> {
        let paging = Paging::new(before.0, limit.0);
        let found = state.organizations.list(caller.user_id, paging.before, paging.rows()).await;
        let found = found.map_err(Problem::from)?;
        let link = Link { state: state.0, path: "organizations/", query: &[] };
        let (next, results) = paging.page(found, |organization| organization.id, &link);
        Ok(Json(OrganizationPage { next, previous: None, results }))
    }

    /// Make an organization
    ///
    /// You own it. A uname that is taken is 409.
    #[oai(path = "/organizations", method = "post", operation_id = "createOrganization")]
    async fn create(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        input: Input<Names, CreateOrganization>,
    ) -> Result<CreateOrganizationResponse, CreateOrganizationProblem> {
        let Names { name, uname } = input.0;
        let made = state.organizations.create(&by(&caller), &name, &uname).await;
        Ok(CreateOrganizationResponse::Created(Json(made.map_err(Problem::from)?.into())))
    }

    /// Look at an organization
    ///
    /// One you belong to.
    #[oai(path = "/organizations/:id", method = "get", operation_id = "getOrganization")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
    ) -> Result<Json<Organization>, OrganizationLookProblem> {
        let found = state.organizations.find(caller.user_id, id.0).await;
        Ok(Json(found.map_err(Problem::from)?.into()))
    }

    /// Rename an organization
    ///
    /// Its name, its uname or both. For its admins and its owner.
    #[oai(path = "/organizations/:id", method = "patch", operation_id = "updateOrganization")]
    async fn update(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
        input: Input<SomeNames, UpdateOrganization>,
    ) -> Result<Json<Organization>, OrganizationChangeProblem> {
        let SomeNames { name, uname } = input.0;
        let by = by(&caller);
        let renamed = state.organizations.rename(&by, id.0, name.as_ref(), uname.as_ref()).await;
        Ok(Json(renamed.map_err(Problem::from)?.into()))
    }

    /// Delete an organization
    ///
    /// With its members' places and its invitations. For its owner, after a recent login.
    #[oai(path = "/organizations/:id", method = "delete", operation_id = "deleteOrganization")]
    async fn delete(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
    ) -> Result<Json<OrganizationDone>, OrganizationChangeProblem> {
        let check = state.organizations.check(caller.user_id, id.0, Action::Delete).await;
        check.map_err(Problem::from)?;
        caller.need_recent(state.0).await?;
        let deleted =
            state.chat.delete_organization(&state.organizations, &by(&caller), id.0).await;
        deleted.map_err(Problem::from)?;
        Ok(done("The organization was deleted."))
    }

    /// Hand an organization over
    ///
    /// To one of its members; you become an admin of it. For its owner, after a recent login.
    #[oai(
        path = "/organizations/:id/transfer",
        method = "post",
        operation_id = "transferOrganization"
    )]
    async fn transfer(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
        input: Input<TransferOrganization>,
    ) -> Result<Json<Organization>, OrganizationChangeProblem> {
        let check = state.organizations.check(caller.user_id, id.0, Action::Transfer).await;
        check.map_err(Problem::from)?;
        caller.need_recent(state.0).await?;
        let given = state.organizations.transfer(&by(&caller), id.0, input.0.user_id).await;
        Ok(Json(given.map_err(Problem::from)?.into()))
    }
}

fn by(caller: &SignedIn) -> Caller {
    Caller { user_id: caller.user_id, source: caller.source() }
}

fn done(details: &str) -> Json<OrganizationDone> {
    Json(OrganizationDone { details: details.to_owned() })
}

fn example_organization() -> i64 {
    3
}

impl From<OrganizationError> for Problem {
    fn from(error: OrganizationError) -> Self {
        match error {
            OrganizationError::NotFound => Self::new(Code::NotFound),
            OrganizationError::Forbidden => Self::new(Code::PermissionDenied),
            OrganizationError::Inactive => Self::new(Code::UserInactive),
            OrganizationError::UnameTaken => Self::new(Code::UnameTaken).with_field(
                "uname",
                "unique",
                "organization with this uname already exists.",
            ),
            OrganizationError::OwnerStays => Self::new(Code::OwnerStays),
            OrganizationError::NotAMember => Self::new(Code::Validation).with_field(
                "user_id",
                "not_a_member",
                "Only another member can become the owner.",
            ),
            OrganizationError::Invited => Self::new(Code::AlreadyInvited),
            OrganizationError::Settled => Self::new(Code::Conflict),
            OrganizationError::Limit(limit) => {
                Self::new(Code::LimitReached).with_argument(limit.to_string())
            }
            OrganizationError::EnoughToday(seconds) => {
                Self::new(Code::DailyInvitationLimit).with_retry_after(seconds)
            }
            OrganizationError::Database(error) => error.into(),
        }
    }
}
