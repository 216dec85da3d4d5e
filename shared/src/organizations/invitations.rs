//! Invitations: a number is asked to join. Whoever logs in with it sees that and answers; whether
//! somebody has an account with it makes no difference to whoever asks.

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

use super::{
    Caller, Organization, OrganizationError, Organizations, Result, at_most, enter, lock_person,
    need, of, record,
    roles::{Action, Role},
    store,
};
use crate::{
    audit::Entry,
    clock::seconds_to_tomorrow,
    ids,
    jobs::RowId,
    phone::PhoneNumber,
    purge::{Purged, Slice},
    sms::{
        MessageKind,
        budget::{Budget, Demand},
        messages::{NewMessage, Repeat},
        templates::Wording,
    },
};

/// Texts that a number gets in a UTC day for being invited, by all organizations together.
const TEXTS_PER_NUMBER: i64 = 3;

/// How an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationStatus {
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

impl InvitationStatus {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }

    /// The status with this word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Accepted, Self::Declined, Self::Withdrawn, Self::Expired]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// An invitation as those who run the organization see it.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// The row.
    pub id: i64,
    /// Who is invited.
    pub phone: PhoneNumber,
    /// What they become.
    pub role: Role,
    /// Whose account invited them.
    pub invited_by: i64,
    /// How it stands.
    pub status: InvitationStatus,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
}

/// An open invitation as whoever is invited sees it.
#[derive(Debug, Clone)]
pub struct MyInvitation {
    /// The row.
    pub id: i64,
    /// To which organization.
    pub organization_id: i64,
    /// Its name.
    pub name: String,
    /// Its uname.
    pub uname: String,
    /// What one becomes.
    pub role: Role,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub expires_at: DateTime<Utc>,
}

/// A new invitation.
#[derive(Debug, Clone)]
pub struct Invited {
    /// The invitation.
    pub invitation: Invitation,
    /// The text that tells of it, to be pushed; `None` if there is none.
    pub text: Option<RowId>,
}

impl Organizations {
    /// Asks a number to join, and texts it if that is configured and its owner and the caps of the day
    /// allow it.
    ///
    /// # Errors
    /// [`OrganizationError`].
    pub async fn invite(
        &self,
        caller: &Caller,
        id: i64,
        phone: &PhoneNumber,
        to: Role,
        rng: &mut (impl Rng + Send),
    ) -> Result<Invited> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        need(enter(&mut tx, caller.user_id, id).await?, Action::Invite { to })?;
        store::expire_invitations(&mut tx, id, now).await?;
        if store::is_invited(&mut tx, id, phone).await? {
            return Err(OrganizationError::Invited);
        }
        at_most(store::open_invitations(&mut tx, id).await?, self.rules.open_invitations)?;
        let new = Invitation {
            id: 0,
            phone: phone.clone(),
            role: to,
            invited_by: caller.user_id,
            status: InvitationStatus::Open,
            created_at: now,
            expires_at: now + TimeDelta::days(self.rules.invitation_days.into()),
        };
        let invitation_id = store::insert_invitation(&mut tx, id, &new).await?;
        let may_text = self.count(&mut tx, caller.user_id, phone, now).await?;
        let text = if may_text { self.text(&mut tx, id, phone, rng).await? } else { None };
        let entry = Entry::new(&caller.source, "organization.invited", of(id))
            .with("invitation", invitation_id)
            .with("role", to.as_str())
            .with("text", text.map(|text| text.0));
        record(&mut tx, entry, now).await?;
        tx.commit().await?;
        Ok(Invited { invitation: Invitation { id: invitation_id, ..new }, text })
    }

    /// Counts an invitation for today, and says whether the number may be told.
    async fn count(
        &self,
        connection: &mut PgConnection,
        user_id: i64,
        phone: &PhoneNumber,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let one = |scope, cap| Demand { scope, amount: 1, cap };
        let by_user = [one(format!("invites:{user_id}"), self.rules.daily_invitations.into())];
        // A counter outlives the invitation: it does not say whose number it is.
        let hash = ids::hex(&Sha256::digest(phone.as_e164().as_bytes())[..12]);
        let to_number = [one(format!("invited:{hash}"), TEXTS_PER_NUMBER)];
        let tells = !self.rules.invitation_text.is_empty();
        let all = by_user.iter().chain(to_number.iter().filter(|_| tells)).cloned();
        let mut room = Budget::take(connection, now, all).await?;
        let wait = u32::try_from(seconds_to_tomorrow(now)).unwrap_or(u32::MAX);
        room.admit(&by_user).map_err(|_| OrganizationError::EnoughToday(wait))?;
        let may_text = tells && room.admit(&to_number).is_ok();
        room.settle(connection).await?;
        Ok(may_text)
    }

    /// Accepts the text that tells of an invitation. That it is refused (the number wants none, the
    /// caps of the day are used up) is no reason not to invite.
    async fn text(
        &self,
        connection: &mut PgConnection,
        id: i64,
        phone: &PhoneNumber,
        rng: &mut (impl Rng + Send),
    ) -> Result<Option<RowId>> {
        let uname = store::uname(connection, id).await?;
        // The uname and never the name: nobody's text carries what a stranger wrote.
        let text = self.rules.invitation_text.replace("{uname}", &uname);
        let new = NewMessage {
            phone: phone.clone(),
            wording: Wording { text: Some(text), template: None },
            kind: MessageKind::Text,
            send_at: None,
            sender: None,
            bulk_id: None,
            reply_to: None,
            repeat: Repeat::Unknown,
        };
        let accepted = self.messages.accept_within(connection, new, rng).await?;
        Ok(accepted.ok().map(|accepted| accepted.id))
    }

    /// Its invitations, newest first.
    ///
    /// # Errors
    /// [`OrganizationError`].
    pub async fn invitations(
        &self,
        user_id: i64,
        id: i64,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Invitation>> {
        self.check(user_id, id, Action::SeeInvitations).await?;
        let (now, before) = (self.clock.now(), before.unwrap_or(i64::MAX));
        Ok(store::invitations(&self.pool, id, now, before, limit).await?)
    }

    /// Takes an open invitation back.
    ///
    /// # Errors
    /// [`OrganizationError`].
    pub async fn withdraw(&self, caller: &Caller, id: i64, invitation: i64) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        need(enter(&mut tx, caller.user_id, id).await?, Action::Withdraw)?;
        let status = store::lock_invitation(&mut tx, invitation).await?;
        let status = status.filter(|status| status.organization_id == id);
        let status = status.ok_or(OrganizationError::NotFound)?;
        if !status.is_open(now) {
            return Err(OrganizationError::Settled);
        }
        store::settle(&mut tx, invitation, InvitationStatus::Withdrawn, None, now).await?;
        let entry = Entry::new(&caller.source, "organization.invitation_withdrawn", of(id))
            .with("invitation", invitation);
        record(&mut tx, entry, now).await?;
        Ok(tx.commit().await?)
    }

    /// What the caller's number is invited to, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn my_invitations(
        &self,
        user_id: i64,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<MyInvitation>> {
        let (now, before) = (self.clock.now(), before.unwrap_or(i64::MAX));
        Ok(store::my_invitations(&self.pool, user_id, now, before, limit).await?)
    }

    /// Joins. Accepting again changes nothing.
    ///
    /// # Errors
    /// [`OrganizationError::NotFound`] if it is not open, or for another number.
    pub async fn accept(&self, caller: &Caller, invitation: i64) -> Result<Organization> {
        let (now, user_id) = (self.clock.now(), caller.user_id);
        let mut tx = self.pool.begin().await?;
        let phone = lock_person(&mut tx, user_id).await?;
        let phone = phone.ok_or(OrganizationError::NotFound)?;
        let id = store::invited_to(&mut tx, invitation, &phone).await?;
        let id = id.ok_or(OrganizationError::NotFound)?;
        let there = store::lock(&mut tx, id).await?;
        let row = store::lock_invitation(&mut tx, invitation).await?;
        let row = row.filter(|_| there).ok_or(OrganizationError::NotFound)?;
        let member = store::role_of(&mut tx, id, user_id).await?;
        if row.was_accepted_by(user_id) && member.is_some() {
            drop(tx);
            return self.find(user_id, id).await;
        }
        if !row.is_open(now) {
            return Err(OrganizationError::NotFound);
        }
        if member.is_none() {
            at_most(store::count_members(&mut tx, id).await?, self.rules.members)?;
            let mine = store::count_of(&mut tx, user_id).await?;
            at_most(mine.memberships, self.rules.memberships_per_user)?;
            store::insert_member(&mut tx, id, user_id, row.role, now).await?;
        }
        store::settle(&mut tx, invitation, InvitationStatus::Accepted, Some(user_id), now).await?;
        let entry = Entry::new(&caller.source, "organization.joined", of(id))
            .with("invitation", invitation)
            .with("role", member.unwrap_or(row.role).as_str());
        record(&mut tx, entry, now).await?;
        tx.commit().await?;
        self.find(user_id, id).await
    }

    /// Says no.
    ///
    /// # Errors
    /// [`OrganizationError::NotFound`] if it is not open, or for another number.
    pub async fn decline(&self, caller: &Caller, invitation: i64) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let phone = lock_person(&mut tx, caller.user_id).await?;
        let phone = phone.ok_or(OrganizationError::NotFound)?;
        let id = store::invited_to(&mut tx, invitation, &phone).await?;
        let id = id.ok_or(OrganizationError::NotFound)?;
        let row = store::lock_invitation(&mut tx, invitation).await?;
        if !row.is_some_and(|row| row.is_open(now)) {
            return Err(OrganizationError::NotFound);
        }
        store::settle(&mut tx, invitation, InvitationStatus::Declined, None, now).await?;
        let entry = Entry::new(&caller.source, "organization.invitation_declined", of(id))
            .with("invitation", invitation);
        record(&mut tx, entry, now).await?;
        Ok(tx.commit().await?)
    }
}

/// Deletes invitations that were settled or expired, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge_invitations(pool: &PgPool, slice: Slice) -> sqlx::Result<Purged> {
    store::purge_invitations(pool, slice).await
}

/// How many invitations ended before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_ended_invitations(pool: &PgPool, before: DateTime<Utc>) -> sqlx::Result<i64> {
    store::count_ended_invitations(pool, before).await
}
