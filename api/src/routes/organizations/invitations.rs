//! `organizations/{id}/invitations/…` for those who invite, `invitations/…` for who is invited.

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::{organizations::roles::Role, sms::MessageKind};

use super::{
    super::{
        Tag,
        paging::{Link, Paging, example_before, example_limit},
        parse_phone,
    },
    MyListProblem, OrganizationChangeProblem, OrganizationLookProblem, by, done,
    example_organization,
    types::{
        InvitationPage, InviteMember, InviteMemberResponse, MyInvitationPage, Organization,
        OrganizationDone,
    },
};
use crate::{
    caller::SignedIn,
    error::{Problem, problems},
    input::Input,
    state::SharedState,
};

problems!(
    /// What can go wrong with an invitation.
    pub(crate) InviteProblem: 400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with an answer to an invitation.
    pub(crate) AnswerInvitationProblem: 400, 401, 404, 408, 409, 413, 500, 503
);

/// The operations on invitations.
pub(crate) struct InvitationApi;

#[OpenApi(tag = "Tag::Organizations")]
impl InvitationApi {
    /// Invite a number
    ///
    /// Whoever logs in with it sees the invitation for two weeks. For admins and the owner.
    #[oai(
        path = "/organizations/:id/invitations",
        method = "post",
        operation_id = "inviteOrganizationMember"
    )]
    async fn invite(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
        input: Input<InviteMember>,
    ) -> Result<InviteMemberResponse, InviteProblem> {
        let InviteMember { mobile_number, role } = input.0;
        let phone = parse_phone(&state.phones, "mobile_number", &mobile_number)?;
        let role = role.map_or(Role::Member, Role::from);
        let mut rng = rand::make_rng::<rand::rngs::StdRng>();
        let by = by(&caller);
        let invited = state.organizations.invite(&by, id.0, &phone, role, &mut rng).await;
        let invited = invited.map_err(Problem::from)?;
        if let Some(text) = invited.text {
            state.pusher.push(MessageKind::Text.queue(), text);
        }
        Ok(InviteMemberResponse::Created(Json(invited.invitation.into())))
    }

    /// An organization's invitations
    ///
    /// Newest first, also those that were answered. For admins and the owner.
    #[oai(
        path = "/organizations/:id/invitations",
        method = "get",
        operation_id = "listOrganizationInvitations"
    )]
    async fn list(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
        /// Only invitations before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<InvitationPage>, OrganizationLookProblem> {
        let paging = Paging::new(before.0, limit.0);
        let (user, rows) = (caller.user_id, paging.rows());
        let found = state.organizations.invitations(user, id.0, paging.before, rows).await;
        let found = found.map_err(Problem::from)?;
        let path = format!("organizations/{}/invitations/", id.0);
        let link = Link { state: state.0, path: &path, query: &[] };
        let (next, results) = paging.page(found, |invitation| invitation.id, &link);
        Ok(Json(InvitationPage { next, previous: None, results }))
    }

    /// Take an invitation back
    ///
    /// While it is open. For admins and the owner.
    #[oai(
        path = "/organizations/:id/invitations/:invitation_id",
        method = "delete",
        operation_id = "withdrawOrganizationInvitation"
    )]
    async fn withdraw(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
        /// The invitation.
        #[oai(example = "example_invitation")]
        invitation_id: Path<i64>,
    ) -> Result<Json<OrganizationDone>, OrganizationChangeProblem> {
        let withdrawn = state.organizations.withdraw(&by(&caller), id.0, invitation_id.0).await;
        withdrawn.map_err(Problem::from)?;
        Ok(done("The invitation was taken back."))
    }

    /// Your invitations
    ///
    /// What your number is invited to and you have not answered yet, newest first.
    #[oai(path = "/invitations", method = "get", operation_id = "listMyInvitations")]
    async fn mine(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// Only invitations before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<MyInvitationPage>, MyListProblem> {
        let paging = Paging::new(before.0, limit.0);
        let (user, rows) = (caller.user_id, paging.rows());
        let found = state.organizations.my_invitations(user, paging.before, rows).await;
        let found = found.map_err(Problem::from)?;
        let link = Link { state: state.0, path: "invitations/", query: &[] };
        let (next, results) = paging.page(found, |invitation| invitation.id, &link);
        Ok(Json(MyInvitationPage { next, previous: None, results }))
    }

    /// Accept an invitation
    ///
    /// You belong to the organization then. Accepting again changes nothing.
    #[oai(path = "/invitations/:id/accept", method = "post", operation_id = "acceptInvitation")]
    async fn accept(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The invitation.
        #[oai(example = "example_invitation")]
        id: Path<i64>,
    ) -> Result<Json<Organization>, AnswerInvitationProblem> {
        let joined = state.organizations.accept(&by(&caller), id.0).await;
        Ok(Json(joined.map_err(Problem::from)?.into()))
    }

    /// Decline an invitation
    #[oai(path = "/invitations/:id/decline", method = "post", operation_id = "declineInvitation")]
    async fn decline(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The invitation.
        #[oai(example = "example_invitation")]
        id: Path<i64>,
    ) -> Result<Json<OrganizationDone>, AnswerInvitationProblem> {
        state.organizations.decline(&by(&caller), id.0).await.map_err(Problem::from)?;
        Ok(done("The invitation was declined."))
    }
}

fn example_invitation() -> i64 {
    41
}
