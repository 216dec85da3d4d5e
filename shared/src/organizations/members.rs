//! Who belongs to an organization.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    Caller, Organization, OrganizationError, Organizations, Result, enter, need, of, record,
    roles::{Action, Role},
    store,
};
use crate::{admin::mask, audit::Entry};

/// Somebody who belongs to an organization.
#[derive(Debug, Clone)]
pub struct Member {
    /// The account.
    pub user_id: i64,
    /// Its user name. Plain members see it masked where it holds a number.
    pub username: String,
    /// Empty unless given.
    pub first_name: String,
    /// Empty unless given.
    pub last_name: String,
    /// What they are.
    pub role: Role,
    /// Since when they belong to it.
    pub joined_at: DateTime<Utc>,
}

impl Organizations {
    /// Its members, the newest accounts first.
    ///
    /// # Errors
    /// [`OrganizationError::NotFound`] for strangers.
    pub async fn members(
        &self,
        user_id: i64,
        id: i64,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Member>> {
        let looks = self.find(user_id, id).await?.role;
        let found = store::members(&self.pool, id, before.unwrap_or(i64::MAX), limit).await?;
        Ok(found.into_iter().map(|member| shown(member, looks, user_id)).collect())
    }

    /// Makes a member an admin, or an admin a member.
    ///
    /// # Errors
    /// [`OrganizationError`].
    pub async fn set_role(
        &self,
        caller: &Caller,
        id: i64,
        member: i64,
        to: Role,
    ) -> Result<Member> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let role = enter(&mut tx, caller.user_id, id).await?;
        let was = store::role_of(&mut tx, id, member).await?;
        let was = was.ok_or(OrganizationError::NotFound)?;
        need_of(role, was, Action::SetRole { of: was, to })?;
        if was != to {
            store::set_role(&mut tx, id, member, to).await?;
            if to < Role::Admin {
                store::withdraw_of(&mut tx, id, member, now).await?;
            }
            let entry = Entry::new(&caller.source, "organization.role_changed", of(id))
                .with("user", member)
                .with("was", was.as_str())
                .with("role", to.as_str());
            record(&mut tx, entry, now).await?;
        }
        tx.commit().await?;
        let found = store::member(&self.pool, id, member).await?;
        found.ok_or(OrganizationError::NotFound)
    }

    /// The first half of putting a member out, or of letting the caller leave, inside the caller's
    /// transaction: whether that may be, and everything locked that it takes.
    ///
    /// # Errors
    /// [`OrganizationError`]; the owner stays.
    pub async fn begin_removal(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        id: i64,
        member: i64,
    ) -> Result<()> {
        let role = enter(connection, caller.user_id, id).await?;
        let was = store::lock_role_of(connection, id, member).await?;
        let was = was.ok_or(OrganizationError::NotFound)?;
        if member != caller.user_id || was == Role::Owner {
            need_of(role, was, Action::Remove { of: was })?;
        }
        Ok(())
    }

    /// The second half: what begins with [`Organizations::begin_removal`]. What the member invited to
    /// and is not accepted yet is taken back.
    ///
    /// # Errors
    /// [`OrganizationError`].
    pub async fn finish_removal(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        id: i64,
        member: i64,
    ) -> Result<()> {
        let now = self.clock.now();
        let was = store::role_of(connection, id, member).await?;
        let was = was.ok_or(OrganizationError::NotFound)?;
        store::delete_member(connection, id, member).await?;
        store::withdraw_of(connection, id, member, now).await?;
        let leaves = member == caller.user_id;
        let action = if leaves { "organization.left" } else { "organization.member_removed" };
        let entry = Entry::new(&caller.source, action, of(id))
            .with("user", member)
            .with("was", was.as_str());
        Ok(record(connection, entry, now).await?)
    }

    /// Hands it over to another member; the caller becomes an admin.
    ///
    /// # Errors
    /// [`OrganizationError`].
    pub async fn transfer(&self, caller: &Caller, id: i64, to: i64) -> Result<Organization> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        need(enter(&mut tx, caller.user_id, id).await?, Action::Transfer)?;
        if to == caller.user_id || !store::may_own(&mut tx, id, to).await? {
            return Err(OrganizationError::NotAMember);
        }
        store::transfer(&mut tx, id, caller.user_id, to).await?;
        let entry = Entry::new(&caller.source, "organization.transferred", of(id))
            .with("was", caller.user_id)
            .with("owner", to);
        record(&mut tx, entry, now).await?;
        tx.commit().await?;
        self.find(caller.user_id, id).await
    }
}

/// As [`need`], about somebody: what is asked of the owner's own place is another answer.
fn need_of(role: Role, about: Role, action: Action) -> Result<()> {
    if role == Role::Owner && about == Role::Owner {
        return Err(OrganizationError::OwnerStays);
    }
    need(role, action)
}

/// User names that were made by a code hold a number: those who run the organization invited it,
/// the others have no business with it.
fn shown(member: Member, looks: Role, user_id: i64) -> Member {
    if looks >= Role::Admin || member.user_id == user_id {
        return member;
    }
    Member { username: mask::username(&member.username), ..member }
}
