//! `admin/organizations/…`: anybody's organizations.

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use shared::admin::{
    lists::organizations::{self as by, StaffOrganization as Found},
    organizations::{OrganizationStory, StaffInvitation as Invited},
};

use super::{
    StaffListProblem, StaffLookProblem,
    listing::{Asked, ByAge, example_cursor, example_sort, staff_page, text_value},
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem},
    routes::{
        Tag,
        organizations::{InvitationStatus, Member, OrganizationRole},
        paging::example_limit,
    },
    state::SharedState,
    timestamp::Timestamp,
};

/// Anybody's organization.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffOrganization {
    /// Its number.
    id: i64,
    /// Its name, for people.
    name: String,
    /// Its unique name.
    uname: String,
    /// Whose it is: the number of an account.
    owner_id: i64,
    /// How many belong to it.
    member_count: i64,
    /// When it was made.
    created_at: Timestamp,
}

impl From<Found> for StaffOrganization {
    fn from(found: Found) -> Self {
        Self {
            id: found.id,
            name: found.name,
            uname: found.uname,
            owner_id: found.owner_id,
            member_count: found.members,
            created_at: Timestamp(found.created_at),
        }
    }
}

impl Example for StaffOrganization {
    fn example() -> Self {
        Self {
            id: 3,
            name: "فروشگاه سارا".to_owned(),
            uname: "sara_shop".to_owned(),
            owner_id: 17,
            member_count: 4,
            created_at: Timestamp(DateTime::UNIX_EPOCH),
        }
    }
}

staff_page!(
    /// A page of anybody's organizations.
    StaffOrganizationPage of StaffOrganization, "admin/organizations/"
);

/// A number that was asked to join. Viewers and finance see it masked.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffInvitation {
    /// Its number.
    id: i64,
    /// Who is invited, in the national form for Iran.
    mobile_number: String,
    /// What they become.
    role: OrganizationRole,
    /// How it stands.
    status: InvitationStatus,
    /// Whose account invited them.
    invited_by: i64,
    /// When it was made.
    created_at: Timestamp,
    /// Until when it can be accepted.
    expires_at: Timestamp,
}

impl From<Invited> for StaffInvitation {
    fn from(invited: Invited) -> Self {
        Self {
            id: invited.id,
            mobile_number: invited.mobile_number.0,
            role: invited.role.into(),
            status: invited.status.into(),
            invited_by: invited.invited_by,
            created_at: Timestamp(invited.created_at),
            expires_at: Timestamp(invited.expires_at),
        }
    }
}

impl Example for StaffInvitation {
    fn example() -> Self {
        Self {
            id: 41,
            mobile_number: "09123456789".to_owned(),
            role: OrganizationRole::Member,
            status: InvitationStatus::Open,
            invited_by: 17,
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            expires_at: Timestamp(DateTime::UNIX_EPOCH),
        }
    }
}

/// Anybody's organization with those in it. Viewers and finance see people masked.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffOrganizationStory {
    /// The organization.
    #[oai(flatten)]
    organization: StaffOrganization,
    /// The first hundred of those who belong to it, the newest accounts first.
    members: Vec<Member>,
    /// Who was asked to join, the latest hundred.
    invitations: Vec<StaffInvitation>,
}

impl From<OrganizationStory> for StaffOrganizationStory {
    fn from(story: OrganizationStory) -> Self {
        Self {
            organization: story.organization.into(),
            members: story.members.into_iter().map(Member::from).collect(),
            invitations: story.invitations.into_iter().map(StaffInvitation::from).collect(),
        }
    }
}

impl Example for StaffOrganizationStory {
    fn example() -> Self {
        Self {
            organization: StaffOrganization::example(),
            members: vec![Member::example()],
            invitations: vec![StaffInvitation::example()],
        }
    }
}

/// The operations.
pub(crate) struct StaffOrganizationApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffOrganizationApi {
    /// Find organizations
    ///
    /// Written down in the audit log.
    #[oai(path = "/admin/organizations", method = "get", operation_id = "listStaffOrganizations")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtUsers>,
        /// The beginning of a name or of a unique name, in any case.
        #[oai(example = "example_name", validator(max_length = 150))]
        search: Query<Option<String>>,
        /// Only organizations of this account.
        #[oai(example = "example_user")]
        owner_id: Query<Option<i64>>,
        /// Only organizations this account belongs to.
        #[oai(example = "example_user")]
        user_id: Query<Option<i64>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffOrganizationPage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/organizations/", (sort.0, cursor.0, limit.0))
            .search(search.0, |text| Some((&by::NAME_PREFIX, text_value(text))))
            .with(&by::OWNER_ID, owner_id.0)
            .with(&by::USER_ID, user_id.0);
        Ok(Json(asked.page::<Found, StaffOrganizationPage>(&staff).await?))
    }

    /// Look at anybody's organization
    ///
    /// With those who belong to it and those who were asked to. Viewers and finance see people masked.
    /// Written down in the audit log.
    #[oai(path = "/admin/organizations/:id", method = "get", operation_id = "getStaffOrganization")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtUsers>,
        /// The organization.
        #[oai(example = "example_organization")]
        id: Path<i64>,
    ) -> Result<Json<StaffOrganizationStory>, StaffLookProblem> {
        let (source, shown) = (staff.caller.source(), staff.shown());
        let found = state.admin.organization(&source, id.0, shown).await;
        let found = found.map_err(Problem::from)?.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Json(found.into()))
    }
}

fn example_organization() -> i64 {
    3
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_name() -> Option<String> {
    Some("sara".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_user() -> Option<i64> {
    Some(17)
}
