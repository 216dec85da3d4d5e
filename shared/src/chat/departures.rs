//! What becomes of rooms when somebody leaves an organization, when one is deleted, and when a person
//! is erased.
//!
//! The database ends the seats of whoever leaves an organization by itself (a cascade), but open
//! sockets would not hear of it, and a group might be without an owner. So what begins there ends
//! the seats here first, in the same transaction: either both happen, or nothing. Organizations do
//! not know of rooms; they lend their steps, which lock what they lock before any room is locked.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    Chat, RoomId,
    log::{self, Kind, NewEntry},
    permissions::{Rank, Role},
    store,
};
use crate::organizations::{Caller, OrganizationError, Organizations};

/// Rooms in whose logs something was written, with the last number of each.
type Heads = Vec<(RoomId, i64)>;

impl Chat {
    /// Puts a member out of an organization, or lets the caller leave it, and with that its rooms.
    ///
    /// # Errors
    /// [`OrganizationError`]; nothing is done then.
    pub async fn leave_organization(
        &self,
        organizations: &Organizations,
        caller: &Caller,
        organization: i64,
        member: i64,
    ) -> Result<(), OrganizationError> {
        let mut tx = self.pool.begin().await?;
        organizations.begin_removal(&mut tx, caller, organization, member).await?;
        let by = (caller.user_id, self.clock.now());
        let heads = end_seats(&mut tx, member, Some(organization), by).await?;
        organizations.finish_removal(&mut tx, caller, organization, member).await?;
        tx.commit().await?;
        self.tell_all(heads);
        Ok(())
    }

    /// Deletes an organization and its rooms.
    ///
    /// # Errors
    /// [`OrganizationError`]; nothing is done then.
    pub async fn delete_organization(
        &self,
        organizations: &Organizations,
        caller: &Caller,
        organization: i64,
    ) -> Result<(), OrganizationError> {
        let mut tx = self.pool.begin().await?;
        organizations.begin_deletion(&mut tx, caller, organization).await?;
        let now = self.clock.now();
        let heads = store::delete_rooms_of(&mut tx, organization, caller.user_id, now).await?;
        organizations.finish_deletion(&mut tx, caller, organization).await?;
        tx.commit().await?;
        self.tell_all(heads);
        Ok(())
    }

    fn tell_all(&self, heads: Heads) {
        for (room, head) in heads {
            self.announcer.head(room, head);
        }
    }
}

/// Takes an erased person out of every room, inside the caller's transaction: their seats end, what
/// they own goes to somebody else or, if nobody is left, away, and what they were to others (blocks,
/// bans, reactions, the words of reports) is deleted. What they wrote stays, under an account that
/// names nobody. Processes with sockets find the heads themselves within half a second.
///
/// # Errors
/// When the database refuses or is away.
pub async fn forget(
    connection: &mut PgConnection,
    user_id: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    end_seats(connection, user_id, None, (user_id, now)).await?;
    store::forget(connection, user_id).await
}

/// Ends all seats of somebody, in one organization's rooms or in any.
async fn end_seats(
    connection: &mut PgConnection,
    user_id: i64,
    organization: Option<i64>,
    (by, now): (i64, DateTime<Utc>),
) -> Result<Heads, sqlx::Error> {
    let mut heads = Vec::new();
    for room in store::lock_rooms_of(connection, user_id, organization).await? {
        // Read again: it may have ended while the lock was waited for.
        let Some((role, is_direct)) = store::place_of(connection, room, user_id).await? else {
            continue;
        };
        store::delete_member(connection, room, user_id).await?;
        let kind = if by == user_id { Kind::MemberLeft } else { Kind::MemberRemoved };
        let entry = NewEntry::by(by, kind).to(user_id);
        let mut head = log::append(connection, room, &entry, now).await?;
        let next = store::successor(connection, room).await?;
        let entry = match next {
            None => {
                store::delete_room(connection, room, now).await?;
                Some(by_itself(Kind::RoomDeleted))
            }
            Some(next) if role == Role::Owner && !is_direct => {
                let levels = super::create::owners();
                store::set_rank(connection, room, next, Rank { role: Role::Owner, levels }).await?;
                Some(by_itself(Kind::RoomOwner).to(next))
            }
            Some(_) => None,
        };
        if let Some(entry) = entry {
            head = log::append(connection, room, &entry, now).await?;
        }
        heads.push((room, head));
    }
    Ok(heads)
}

fn by_itself(kind: Kind) -> NewEntry {
    NewEntry { actor_id: None, ..NewEntry::by(0, kind) }
}
