//! `organizations/{id}/members/…`.

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};

use super::{
    super::{
        Tag,
        paging::{Link, Paging, example_before, example_limit},
    },
    OrganizationChangeProblem, OrganizationLookProblem, by, done, example_organization,
    types::{Member, MemberPage, OrganizationDone, UpdateMember},
};
use crate::{caller::SignedIn, error::Problem, input::Input, state::SharedState};

/// The operations on members.
pub(crate) struct MemberApi;

#[OpenApi(tag = "Tag::Organizations")]
impl MemberApi {
    /// An organization's members
    ///
    /// The newest accounts first. For its members.
    #[oai(
        path = "/organizations/:id/members",
        method = "get",
        operation_id = "listOrganizationMembers"
    )]
    async fn list(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
        /// Only accounts before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<MemberPage>, OrganizationLookProblem> {
        let paging = Paging::new(before.0, limit.0);
        let (user, rows) = (caller.user_id, paging.rows());
        let found = state.organizations.members(user, id.0, paging.before, rows).await;
        let found = found.map_err(Problem::from)?;
        let path = format!("organizations/{}/members/", id.0);
        let link = Link { state: state.0, path: &path, query: &[] };
        let (next, results) = paging.page(found, |member| member.user_id, &link);
        Ok(Json(MemberPage { next, previous: None, results }))
    }

    /// Change what a member is
    ///
    /// For admins and the owner; nobody touches the owner.
    #[oai(
        path = "/organizations/:id/members/:user_id",
        method = "patch",
        operation_id = "updateOrganizationMember"
    )]
    async fn update(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
        /// The member's account.
        #[oai(example = "example_member")]
        user_id: Path<i64>,
        input: Input<UpdateMember>,
    ) -> Result<Json<Member>, OrganizationChangeProblem> {
        let role = input.0.role.into();
        let member = state.organizations.set_role(&by(&caller), id.0, user_id.0, role).await;
        Ok(Json(member.map_err(Problem::from)?.into()))
    }

    /// Put a member out, or leave
    ///
    /// Everybody but the owner may leave; admins and the owner put others out, but not the owner.
    #[oai(
        path = "/organizations/:id/members/:user_id",
        method = "delete",
        operation_id = "removeOrganizationMember"
    )]
    async fn remove(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
        /// The member's account; one's own to leave.
        #[oai(example = "example_member")]
        user_id: Path<i64>,
    ) -> Result<Json<OrganizationDone>, OrganizationChangeProblem> {
        let removed = state
            .chat
            .leave_organization(&state.organizations, &by(&caller), id.0, user_id.0)
            .await;
        removed.map_err(Problem::from)?;
        Ok(done("The member was removed."))
    }
}

fn example_member() -> i64 {
    18
}
