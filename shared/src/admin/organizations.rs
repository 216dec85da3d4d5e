//! Organizations, as staff look at them.

use chrono::{DateTime, Utc};

use super::{
    Admin, Shown,
    lists::{
        self, Value,
        organizations::{ID, StaffOrganization},
        values::Mobile,
    },
    mask,
};
use crate::{
    audit::{self, Entry, Source, Subject},
    organizations::{self, Invitation, InvitationStatus, Member, roles::Role},
};

/// An organization with those in it. Has no `Debug`: it names people.
#[derive(Clone)]
pub struct OrganizationStory {
    /// The organization.
    pub organization: StaffOrganization,
    /// The first hundred, the newest accounts first.
    pub members: Vec<Member>,
    /// Who was asked to join, the latest hundred.
    pub invitations: Vec<StaffInvitation>,
}

/// A number that was asked to join. Has no `Debug`: it names somebody.
#[derive(Clone)]
pub struct StaffInvitation {
    /// The row.
    pub id: i64,
    /// Who is invited.
    pub mobile_number: Mobile,
    /// What they become.
    pub role: Role,
    /// How it stands.
    pub status: InvitationStatus,
    /// Whose account invited them.
    pub invited_by: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
}

impl From<Invitation> for StaffInvitation {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            mobile_number: Mobile(invitation.phone.to_national()),
            role: invitation.role,
            status: invitation.status,
            invited_by: invitation.invited_by,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

impl OrganizationStory {
    /// The same for those who may not see personal data.
    #[must_use]
    fn masked(self) -> Self {
        let member = |member: Member| Member {
            username: mask::username(&member.username),
            first_name: mask::word(&member.first_name),
            last_name: mask::word(&member.last_name),
            ..member
        };
        let invitation = |it: StaffInvitation| StaffInvitation {
            mobile_number: it.mobile_number.masked(),
            ..it
        };
        Self {
            members: self.members.into_iter().map(member).collect(),
            invitations: self.invitations.into_iter().map(invitation).collect(),
            ..self
        }
    }
}

impl Admin {
    /// Looks at an organization and those in it, and writes down who did.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn organization(
        &self,
        source: &Source,
        id: i64,
        shown: Shown,
    ) -> Result<Option<OrganizationStory>, sqlx::Error> {
        let found = lists::one(&self.pool, &ID, Value::Integer(id), shown).await?;
        let Some(organization) = found else { return Ok(None) };
        let now = self.clock.now();
        let (members, invitations) = organizations::people_of(&self.pool, id, now).await?;
        let looked = Entry::new(source, "organization.viewed", Subject::organization(id))
            .with("shown", shown.as_str());
        audit::record(&mut *self.pool.acquire().await?, &looked, now).await?;
        let invitations = invitations.into_iter().map(StaffInvitation::from).collect();
        let story = OrganizationStory { organization, members, invitations };
        Ok(Some(if shown == Shown::Whole { story } else { story.masked() }))
    }
}
