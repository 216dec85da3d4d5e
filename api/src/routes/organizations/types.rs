//! Organizations as their members see them, and what they send.

use chrono::DateTime;
use poem_openapi::{ApiResponse, Enum, Object, payload::Json, types::Example};
use shared::{
    organizations::{
        self, InvitationStatus as Status,
        names::{Name, Uname, UnameError},
        roles::Role,
    },
    phone::PhoneNumber,
};

use crate::{
    input::{Fields, FromFields, Text},
    timestamp::Timestamp,
};

/// What somebody is in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum OrganizationRole {
    /// Answers for it: there is exactly one.
    Owner,
    /// Looks after it and its members.
    Admin,
    /// Belongs to it.
    Member,
}

impl From<Role> for OrganizationRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
        }
    }
}

/// What somebody can be made in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum GivenRole {
    /// Looks after it and its members.
    Admin,
    /// Belongs to it.
    Member,
}

impl From<GivenRole> for Role {
    fn from(role: GivenRole) -> Self {
        match role {
            GivenRole::Admin => Self::Admin,
            GivenRole::Member => Self::Member,
        }
    }
}

/// An organization to make.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CreateOrganization {
    /// Its name, for people.
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// Its unique name: letters a to z, digits and `_`. Capitals and Persian digits are folded.
    #[oai(validator(min_length = 3, max_length = 32))]
    uname: String,
}

impl Example for CreateOrganization {
    fn example() -> Self {
        Self { name: "فروشگاه سارا".to_owned(), uname: "sara_shop".to_owned() }
    }
}

/// What is to change of an organization.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct UpdateOrganization {
    /// Its name, for people; stays if absent.
    #[oai(validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    /// Its unique name: letters a to z, digits and `_`; stays if absent.
    #[oai(validator(min_length = 3, max_length = 32))]
    uname: Option<String>,
}

impl Example for UpdateOrganization {
    fn example() -> Self {
        Self {
            name: Some("فروشگاه سارا".to_owned()), uname: Some("sara_shop".to_owned())
        }
    }
}

/// What organizations are called, read.
pub(crate) struct Names {
    pub(super) name: Name,
    pub(super) uname: Uname,
}

impl FromFields for Names {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.text("name", Text::max(100)).and_then(|text| read_name(fields, &text));
        let uname = fields.text("uname", Text::any()).and_then(|text| read_uname(fields, &text));
        Some(Self { name: name?, uname: uname? })
    }
}

/// What is to change, read.
pub(crate) struct SomeNames {
    pub(super) name: Option<Name>,
    pub(super) uname: Option<Uname>,
}

impl FromFields for SomeNames {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.optional_text("name", Text::max(100));
        let name = name.and_then(|text| read_name(fields, &text));
        let uname = fields.optional_text("uname", Text::any());
        let uname = uname.and_then(|text| read_uname(fields, &text));
        Some(Self { name, uname })
    }
}

fn read_name(fields: &mut Fields, text: &str) -> Option<Name> {
    let name = Name::parse(text);
    if name.is_none() {
        fields.error("name", "invalid", "Enter a name without control characters.");
    }
    name
}

fn read_uname(fields: &mut Fields, text: &str) -> Option<Uname> {
    let (code, message) = match Uname::parse(text) {
        Ok(uname) => return Some(uname),
        Err(UnameError::Length) => ("length", "Ensure this field has 3 to 32 characters."),
        Err(UnameError::Characters) => {
            ("invalid", "Enter letters (a to z), digits and underscores, one letter at least.")
        }
        Err(UnameError::Reserved) => ("reserved", "This uname is reserved."),
    };
    fields.error("uname", code, message);
    None
}

/// An organization.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Organization {
    /// Its number.
    pub(super) id: i64,
    /// Its name, for people.
    name: String,
    /// Its unique name.
    uname: String,
    /// Whose it is: the number of an account.
    owner: i64,
    /// What you are in it.
    role: OrganizationRole,
    /// When it was made.
    created_at: Timestamp,
}

impl From<organizations::Organization> for Organization {
    fn from(organization: organizations::Organization) -> Self {
        Self {
            id: organization.id,
            name: organization.name,
            uname: organization.uname,
            owner: organization.owner_id,
            role: organization.role.into(),
            created_at: Timestamp(organization.created_at),
        }
    }
}

impl Example for Organization {
    fn example() -> Self {
        Self {
            id: 3,
            name: "فروشگاه سارا".to_owned(),
            uname: "sara_shop".to_owned(),
            owner: 17,
            role: OrganizationRole::Owner,
            created_at: Timestamp(DateTime::UNIX_EPOCH),
        }
    }
}

/// The answer to a new organization.
#[derive(ApiResponse)]
pub(crate) enum CreateOrganizationResponse {
    /// It was made, and you own it.
    #[oai(status = 201)]
    Created(Json<Organization>),
}

/// A page of organizations, newest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OrganizationPage {
    /// The next page; null on the last.
    pub(super) next: Option<String>,
    /// Pages go one way: always null.
    pub(super) previous: Option<String>,
    /// The organizations.
    pub(super) results: Vec<Organization>,
}

impl Example for OrganizationPage {
    fn example() -> Self {
        let url = |before: i64| format!("https://peyk.example/api/organizations/?before={before}");
        let results = vec![Organization::example()];
        Self { next: Some(url(3)), previous: Some(url(103)), results }
    }
}

/// Something was done.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct OrganizationDone {
    /// In words.
    pub(super) details: String,
}

impl Example for OrganizationDone {
    fn example() -> Self {
        Self { details: "The organization was deleted.".to_owned() }
    }
}

/// Somebody who belongs to an organization.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Member {
    /// The number of the account.
    user_id: i64,
    /// Its user name. Those who are only members see numbers in it masked.
    username: String,
    /// Empty unless given.
    first_name: String,
    /// Empty unless given.
    last_name: String,
    /// What they are.
    role: OrganizationRole,
    /// Since when they belong to it.
    joined_at: Timestamp,
}

impl From<organizations::Member> for Member {
    fn from(member: organizations::Member) -> Self {
        Self {
            user_id: member.user_id,
            username: member.username,
            first_name: member.first_name,
            last_name: member.last_name,
            role: member.role.into(),
            joined_at: Timestamp(member.joined_at),
        }
    }
}

impl Example for Member {
    fn example() -> Self {
        Self {
            user_id: 17,
            username: "G0-0912***89".to_owned(),
            first_name: "Sara".to_owned(),
            last_name: "Ahmadi".to_owned(),
            role: OrganizationRole::Admin,
            joined_at: Timestamp(DateTime::UNIX_EPOCH),
        }
    }
}

/// A page of members, the newest accounts first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct MemberPage {
    /// The next page; null on the last.
    pub(super) next: Option<String>,
    /// Pages go one way: always null.
    pub(super) previous: Option<String>,
    /// The members.
    pub(super) results: Vec<Member>,
}

impl Example for MemberPage {
    fn example() -> Self {
        let url = |before: i64| {
            format!("https://peyk.example/api/organizations/3/members/?before={before}")
        };
        Self { next: Some(url(17)), previous: Some(url(117)), results: vec![Member::example()] }
    }
}

/// What a member is to be.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct UpdateMember {
    /// Owners are made by a transfer only.
    pub(super) role: GivenRole,
}

impl FromFields for UpdateMember {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let role = fields.text("role", Text::any())?;
        Some(Self { role: read_role(fields, &role)? })
    }
}

impl Example for UpdateMember {
    fn example() -> Self {
        Self { role: GivenRole::Admin }
    }
}

/// Who is to own an organization.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TransferOrganization {
    /// The number of the account, a member's.
    pub(super) user_id: i64,
}

impl FromFields for TransferOrganization {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { user_id: fields.integer("user_id")? })
    }
}

impl Example for TransferOrganization {
    fn example() -> Self {
        Self { user_id: 18 }
    }
}

/// Somebody to invite.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct InviteMember {
    /// Their number, in any usual form. Whoever logs in with it sees the invitation.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub(super) mobile_number: String,
    /// What they become; a member unless given.
    pub(super) role: Option<GivenRole>,
}

impl FromFields for InviteMember {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let mobile_number = fields.text("mobile_number", Text::any());
        let role = fields.optional_text("role", Text::any());
        let role = role.and_then(|role| read_role(fields, &role));
        Some(Self { mobile_number: mobile_number?, role })
    }
}

impl Example for InviteMember {
    fn example() -> Self {
        Self { mobile_number: "09123456789".to_owned(), role: Some(GivenRole::Member) }
    }
}

fn read_role(fields: &mut Fields, word: &str) -> Option<GivenRole> {
    match word {
        "admin" => Some(GivenRole::Admin),
        "member" => Some(GivenRole::Member),
        other => {
            let message = format!("\"{other}\" is not a valid choice.");
            fields.error("role", "invalid_choice", message);
            None
        }
    }
}

/// How an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum InvitationStatus {
    /// Can be accepted.
    Open,
    /// Whoever was invited joined.
    Accepted,
    /// Whoever was invited said no.
    Declined,
    /// It was taken back.
    Withdrawn,
    /// Nobody answered in time.
    Expired,
}

impl From<Status> for InvitationStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Open => Self::Open,
            Status::Accepted => Self::Accepted,
            Status::Declined => Self::Declined,
            Status::Withdrawn => Self::Withdrawn,
            Status::Expired => Self::Expired,
        }
    }
}

/// An invitation as those who run the organization see it.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Invitation {
    /// Its number.
    pub(super) id: i64,
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

impl From<organizations::Invitation> for Invitation {
    fn from(invitation: organizations::Invitation) -> Self {
        Self {
            id: invitation.id,
            mobile_number: PhoneNumber::to_national(&invitation.phone),
            role: invitation.role.into(),
            status: invitation.status.into(),
            invited_by: invitation.invited_by,
            created_at: Timestamp(invitation.created_at),
            expires_at: Timestamp(invitation.expires_at),
        }
    }
}

impl Example for Invitation {
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

/// The answer to a new invitation.
#[derive(ApiResponse)]
pub(crate) enum InviteMemberResponse {
    /// The number is invited. Whether somebody has an account with it makes no difference.
    #[oai(status = 201)]
    Created(Json<Invitation>),
}

/// A page of invitations, newest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct InvitationPage {
    /// The next page; null on the last.
    pub(super) next: Option<String>,
    /// Pages go one way: always null.
    pub(super) previous: Option<String>,
    /// The invitations.
    pub(super) results: Vec<Invitation>,
}

impl Example for InvitationPage {
    fn example() -> Self {
        let url = |before: i64| {
            format!("https://peyk.example/api/organizations/3/invitations/?before={before}")
        };
        let results = vec![Invitation::example()];
        Self { next: Some(url(41)), previous: Some(url(141)), results }
    }
}

/// An invitation as whoever is invited sees it.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct MyInvitation {
    /// Its number.
    pub(super) id: i64,
    /// The organization's number.
    organization: i64,
    /// The organization's name.
    name: String,
    /// The organization's unique name.
    uname: String,
    /// What you become.
    role: OrganizationRole,
    /// When it was made.
    created_at: Timestamp,
    /// Until when it can be accepted.
    expires_at: Timestamp,
}

impl From<organizations::MyInvitation> for MyInvitation {
    fn from(invitation: organizations::MyInvitation) -> Self {
        Self {
            id: invitation.id,
            organization: invitation.organization_id,
            name: invitation.name,
            uname: invitation.uname,
            role: invitation.role.into(),
            created_at: Timestamp(invitation.created_at),
            expires_at: Timestamp(invitation.expires_at),
        }
    }
}

impl Example for MyInvitation {
    fn example() -> Self {
        Self {
            id: 41,
            organization: 3,
            name: "فروشگاه سارا".to_owned(),
            uname: "sara_shop".to_owned(),
            role: OrganizationRole::Member,
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            expires_at: Timestamp(DateTime::UNIX_EPOCH),
        }
    }
}

/// A page of one's invitations, newest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct MyInvitationPage {
    /// The next page; null on the last.
    pub(super) next: Option<String>,
    /// Pages go one way: always null.
    pub(super) previous: Option<String>,
    /// The invitations that are open.
    pub(super) results: Vec<MyInvitation>,
}

impl Example for MyInvitationPage {
    fn example() -> Self {
        let url = |before: i64| format!("https://peyk.example/api/invitations/?before={before}");
        let results = vec![MyInvitation::example()];
        Self { next: Some(url(41)), previous: Some(url(141)), results }
    }
}
