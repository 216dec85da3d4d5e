//! Who belongs to a room, what they may do there, and who was put out of it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use super::{
    Chat, Person, RoomId,
    create::{RoomError, at_most, gather, owners, seat},
    log::{self, Kind, NewEntry},
    permissions::{Action, Levels, Rank, Role, Standing},
    rooms::Seated,
    seat, store,
};
use crate::{
    audit::{self, Entry, Subject},
    organizations::Caller,
};

/// Somebody who may not come back to a room.
#[derive(Debug, Clone)]
pub struct Ban {
    /// Who.
    pub person: Person,
    /// Who put them out.
    pub banned_by: Option<i64>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Which members of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// All of them.
    Everybody,
    /// Those who are more, or less, than members.
    Special,
}

/// What anybody is who is not there.
const PLAIN: Rank = Rank { role: Role::Member, levels: Levels::MEMBER };

type Result<T> = std::result::Result<T, RoomError>;

impl Chat {
    /// A page of a room's members, the newest accounts first.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn members(
        &self,
        user_id: i64,
        (room, who): (RoomId, Who),
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Seated>> {
        self.check(room, user_id, Action::See).await?;
        Ok(store::members(&self.pool, room, who == Who::Special, before, limit).await?)
    }

    /// Lets people in. Those who are in already stay what they are.
    ///
    /// # Errors
    /// [`RoomError`]; nobody is let in then.
    pub async fn add(&self, caller: &Caller, room: RoomId, people: &[i64]) -> Result<()> {
        let (now, user) = (self.clock.now(), caller.user_id);
        self.check(room, user, Action::Add).await?;
        let organization = self.brief(user, room).await?.organization_id;
        let mut people = people.to_vec();
        people.sort_unstable();
        people.dedup();
        let mut tx = self.pool.begin().await?;
        gather(&mut tx, user, &people, organization).await?;
        seat::lock(&mut tx, room, user, now).await?.may(Action::Add)?;
        let new = store::unseated_among(&mut tx, room, &people).await?;
        if store::is_blocked_by_any(&mut tx, user, &new).await? {
            return Err(RoomError::NoSuchPerson);
        }
        if store::banned_among(&mut tx, room, &new).await? {
            return Err(RoomError::PersonBanned);
        }
        let count = usize::try_from(store::count_members(&mut tx, room).await?);
        at_most(count.unwrap_or(usize::MAX).saturating_add(new.len()), self.rules.members)?;
        self.room_for_more(&mut tx, &new).await?;
        let head = seat(&mut tx, (room, user), &new, (PLAIN.role, PLAIN.levels), now).await?;
        tx.commit().await?;
        self.tell(room, head);
        self.announcer.seats(&new);
        Ok(())
    }

    /// Puts a member out, or lets the caller leave. Of a room where nobody else is nothing stays.
    ///
    /// # Errors
    /// [`RoomError`]; the owner stays while others are there.
    pub async fn kick(&self, caller: &Caller, room: RoomId, member: i64) -> Result<()> {
        if member == caller.user_id {
            return self.leave(caller, room).await;
        }
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let of = self.target(&mut tx, caller, room, member).await?;
        of.standing.may(Action::Kick { of: of.rank()? })?;
        store::delete_member(&mut tx, room, member).await?;
        record(&mut tx, caller, ("room.member_removed", room), Some(member), now).await?;
        let entry = NewEntry::by(caller.user_id, Kind::MemberRemoved).to(member);
        Ok(self.finish(tx, room, &entry, now).await?)
    }

    /// Lets the caller out.
    ///
    /// # Errors
    /// [`RoomError`]; the owner stays while others are there.
    pub async fn leave(&self, caller: &Caller, room: RoomId) -> Result<()> {
        let (now, user) = (self.clock.now(), caller.user_id);
        let mut tx = self.pool.begin().await?;
        let standing = seat::lock(&mut tx, room, user, now).await?.may(Action::Leave)?;
        let is_last = store::count_members(&mut tx, room).await? <= 1;
        if standing.rank.role == Role::Owner && !is_last {
            return Err(RoomError::OwnerStays);
        }
        store::delete_member(&mut tx, room, user).await?;
        let entry = NewEntry::by(user, Kind::MemberLeft).to(user);
        let mut head = log::append(&mut tx, room, &entry, now).await?;
        if is_last {
            store::delete_room(&mut tx, room, now).await?;
            let entry = NewEntry::by(user, Kind::RoomDeleted);
            head = log::append(&mut tx, room, &entry, now).await?;
            record(&mut tx, caller, ("room.deleted", room), None, now).await?;
        }
        tx.commit().await?;
        self.tell(room, Some(head));
        Ok(())
    }

    /// Makes another member the owner; the caller stays a member with every level.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn transfer(&self, caller: &Caller, room: RoomId, to: i64) -> Result<()> {
        let (now, user) = (self.clock.now(), caller.user_id);
        let mut tx = self.pool.begin().await?;
        let active = store::lock_people(&mut tx, &[to]).await?;
        seat::lock(&mut tx, room, user, now).await?.may(Action::Transfer)?;
        let there = store::rank_of(&mut tx, room, to).await?.is_some();
        if to == user || active.is_empty() || !there {
            return Err(RoomError::NotAMember);
        }
        let levels = owners();
        store::set_rank(&mut tx, room, user, Rank { role: Role::Member, levels }).await?;
        store::set_rank(&mut tx, room, to, Rank { role: Role::Owner, levels }).await?;
        record(&mut tx, caller, ("room.transferred", room), Some(to), now).await?;
        let entry = NewEntry::by(user, Kind::RoomOwner).to(to);
        Ok(self.finish(tx, room, &entry, now).await?)
    }

    /// Gives a member levels; what they are then.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn grant(
        &self,
        caller: &Caller,
        room: RoomId,
        member: i64,
        levels: Levels,
    ) -> Result<Rank> {
        self.change_levels(caller, room, member, |of| {
            (Action::Grant { of, levels }, of.levels.and(levels))
        })
        .await
    }

    /// Takes levels from a member; what they are then.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn revoke(
        &self,
        caller: &Caller,
        room: RoomId,
        member: i64,
        levels: Levels,
    ) -> Result<Rank> {
        self.change_levels(caller, room, member, |of| {
            (Action::Revoke { of, levels }, of.levels.without(levels))
        })
        .await
    }

    async fn change_levels(
        &self,
        caller: &Caller,
        room: RoomId,
        member: i64,
        change: impl FnOnce(Rank) -> (Action, Levels) + Send,
    ) -> Result<Rank> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let of = self.target(&mut tx, caller, room, member).await?;
        let was = of.rank()?;
        let (action, levels) = change(was);
        of.standing.may(action)?;
        let rank = Rank { levels, ..was };
        if rank == was {
            return Ok(rank);
        }
        store::set_rank(&mut tx, room, member, rank).await?;
        let numbers = levels.iter().map(|level| Value::from(level.number()));
        let entry = NewEntry::by(caller.user_id, Kind::MemberLevels).to(member);
        let entry = entry.with("levels", numbers.collect::<Vec<_>>());
        self.finish(tx, room, &entry, now).await?;
        Ok(rank)
    }

    /// Silences a member for a time, or (`None`) no longer; until when.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn mute(
        &self,
        caller: &Caller,
        room: RoomId,
        member: i64,
        for_seconds: Option<u32>,
    ) -> Result<Option<DateTime<Utc>>> {
        let now = self.clock.now();
        let until = for_seconds.map(|seconds| now + TimeDelta::seconds(seconds.into()));
        let mut tx = self.pool.begin().await?;
        let of = self.target(&mut tx, caller, room, member).await?;
        of.standing.may(Action::Mute { of: of.rank()? })?;
        store::set_muted(&mut tx, room, member, until).await?;
        let entry = NewEntry::by(caller.user_id, Kind::MemberMuted).to(member);
        let entry = entry.with("until", until.map(|until| until.to_rfc3339()));
        self.finish(tx, room, &entry, now).await?;
        Ok(until)
    }

    /// A page of who is banned from a room, for those who may ban.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn bans(
        &self,
        user_id: i64,
        room: RoomId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Ban>> {
        self.check(room, user_id, Action::Unban).await?;
        Ok(store::bans(&self.pool, room, before, limit).await?)
    }

    /// Puts somebody out for good, be they a member or not.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn ban(
        &self,
        caller: &Caller,
        room: RoomId,
        person: i64,
        reason: Option<&str>,
    ) -> Result<()> {
        let (now, user) = (self.clock.now(), caller.user_id);
        let mut tx = self.pool.begin().await?;
        let of = self.target(&mut tx, caller, room, person).await?;
        of.standing.may(Action::Ban { of: of.rank.unwrap_or(PLAIN) })?;
        if person == user {
            return Err(RoomError::Oneself);
        }
        let banned = store::insert_ban(&mut tx, room, person, (user, reason), now).await?;
        if !banned.ok_or(RoomError::NoSuchPerson)? {
            return Ok(());
        }
        let was_member = store::delete_member(&mut tx, room, person).await?;
        record(&mut tx, caller, ("room.member_banned", room), Some(person), now).await?;
        let entry = NewEntry::by(user, Kind::MemberBanned).to(person);
        Ok(self.finish(tx, room, &entry.with("was_member", was_member), now).await?)
    }

    /// Forgives somebody who was banned; they are not let in by that.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn unban(&self, caller: &Caller, room: RoomId, person: i64) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        seat::lock(&mut tx, room, caller.user_id, now).await?.may(Action::Unban)?;
        if !store::delete_ban(&mut tx, room, person).await? {
            return Err(RoomError::NothingThere);
        }
        record(&mut tx, caller, ("room.member_unbanned", room), Some(person), now).await?;
        let entry = NewEntry::by(caller.user_id, Kind::MemberUnbanned).to(person);
        Ok(self.finish(tx, room, &entry, now).await?)
    }

    /// Keeps a room at the top for the caller, or not any more.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn pin(&self, user_id: i64, room: RoomId, on: bool) -> Result<()> {
        let at = on.then(|| self.clock.now());
        if store::set_pinned(&self.pool, room, user_id, at).await? {
            return Ok(());
        }
        Err(self.why_none(user_id, room).await.into())
    }

    /// Shows the others when the caller is there, or not any more.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn show_presence(&self, user_id: i64, room: RoomId, on: bool) -> Result<()> {
        if store::set_presence(&self.pool, room, user_id, on).await? {
            self.announcer.seat(room, user_id);
            return Ok(());
        }
        Err(self.why_none(user_id, room).await.into())
    }

    /// Locks a room, and says what the caller is there, who belongs to it, and what somebody else.
    async fn target(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        room: RoomId,
        of: i64,
    ) -> Result<Target> {
        let now = self.clock.now();
        let seat = seat::lock(&mut *connection, room, caller.user_id, now).await?;
        let standing = seat.standing()?;
        Ok(Target { standing, rank: store::rank_of(connection, room, of).await? })
    }
}

/// Who does something to whom.
struct Target {
    standing: Standing,
    rank: Option<Rank>,
}

impl Target {
    /// What the other one is, who has to be there.
    fn rank(&self) -> Result<Rank> {
        self.rank.ok_or(RoomError::NothingThere)
    }
}

/// Writes into the audit log what somebody did to a room, or to somebody in it.
pub(super) async fn record(
    connection: &mut PgConnection,
    caller: &Caller,
    (action, room): (&'static str, RoomId),
    person: Option<i64>,
    now: DateTime<Utc>,
) -> std::result::Result<(), sqlx::Error> {
    let entry = Entry::new(&caller.source, action, Subject::room(room.0));
    let entry = match person {
        Some(person) => entry.with("user", person),
        None => entry,
    };
    audit::record(connection, &entry, now).await
}
