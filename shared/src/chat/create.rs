//! New rooms.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    Chat, ChatError, RoomId,
    files::AvatarError,
    permissions::{Levels, Refusal, Role},
    rooms::Room,
    store,
};
use crate::{
    clock::seconds_to_tomorrow,
    organizations::Caller,
    sms::budget::{Budget, Demand},
};

/// What a new room is called and where it belongs.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// What it is called.
    pub name: Option<String>,
    /// What it is about.
    pub descriptions: Option<String>,
    /// The organization whose members alone can be in it.
    pub organization_id: Option<i64>,
}

/// A room somebody asked for.
#[derive(Debug)]
pub struct Opened {
    /// The room.
    pub room: Room,
    /// Whether it was made now.
    pub is_new: bool,
}

/// Why something is not done with a room or its members.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The file does not become the room's picture.
    #[error(transparent)]
    Avatar(AvatarError),
    /// Because of what the caller is to the room.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// There is no such person, or they want to hear nothing of the caller.
    #[error("no such person")]
    NoSuchPerson,
    /// They are not in the room, not banned from it, or the like.
    #[error("no such thing in the room")]
    NothingThere,
    /// The caller does not belong to the organization.
    #[error("no such organization")]
    NoSuchOrganization,
    /// The caller's account is disabled.
    #[error("account disabled")]
    Inactive,
    /// The person is banned from the room.
    #[error("the person is banned")]
    PersonBanned,
    /// Nobody does that to themselves.
    #[error("not to oneself")]
    Oneself,
    /// The owner of a room with others in it stays.
    #[error("the owner stays")]
    OwnerStays,
    /// Only another member can become the owner.
    #[error("not a member")]
    NotAMember,
    /// There are so many already.
    #[error("at most {0}")]
    Limit(u32),
    /// The caller had their share of rooms for today: seconds until the next day.
    #[error("enough rooms for today")]
    EnoughToday(u32),
}

impl From<AvatarError> for RoomError {
    fn from(error: AvatarError) -> Self {
        match error {
            AvatarError::Database(error) => error.into(),
            other => Self::Avatar(other),
        }
    }
}

impl From<sqlx::Error> for RoomError {
    fn from(error: sqlx::Error) -> Self {
        Self::Chat(error.into())
    }
}

impl From<Refusal> for RoomError {
    fn from(refusal: Refusal) -> Self {
        Self::Chat(refusal.into())
    }
}

/// What an owner has, for clients that ask for levels and not for roles.
pub(crate) fn owners() -> Levels {
    use super::permissions::Level;
    Level::ALL.into_iter().filter(|level| *level != Level::ReadOnly).collect()
}

impl Chat {
    /// The room of the caller and somebody else, or of the caller alone: the one there is, or a new
    /// one. It has two owners.
    ///
    /// # Errors
    /// [`RoomError`]: nobody, blocked, in another organization, too many.
    pub async fn open_direct(
        &self,
        caller: &Caller,
        with: i64,
        about: &About,
    ) -> Result<Opened, RoomError> {
        let now = self.clock.now();
        let user = caller.user_id;
        let pair = [user.min(with), user.max(with)];
        let mut people = pair.to_vec();
        people.dedup();
        let mut tx = self.pool.begin().await?;
        gather(&mut tx, user, &people, about.organization_id).await?;
        let found = store::lock_direct(&mut tx, pair, about.organization_id).await?;
        let room = if let Some(room) = found {
            room
        } else {
            let blocked = store::is_blocked_by_any(&mut tx, user, &people).await?
                || store::is_blocked_by_any(&mut tx, with, &people).await?;
            if blocked {
                return Err(RoomError::NoSuchPerson);
            }
            self.admit(&mut tx, user, &people, now).await?;
            let made = store::insert_room(&mut tx, Some(pair), about, now).await?;
            // Both were locked: the other side waited for this, or this for the other side.
            made.ok_or(sqlx::Error::RowNotFound)?
        };
        // Who left the organization and came back takes their place again.
        let rank = (Role::Owner, owners());
        let head = seat(&mut tx, (room, user), &people, rank, now).await?;
        tx.commit().await?;
        self.tell(room, head);
        self.announcer.seats(&people);
        Ok(Opened { room: self.room(user, room).await?, is_new: found.is_none() })
    }

    /// A new group, whose owner the caller becomes.
    ///
    /// # Errors
    /// [`RoomError`].
    pub async fn open_group(
        &self,
        caller: &Caller,
        others: &[i64],
        about: &About,
    ) -> Result<Opened, RoomError> {
        let now = self.clock.now();
        let user = caller.user_id;
        let mut people = [others, &[user]].concat();
        people.sort_unstable();
        people.dedup();
        at_most(people.len(), self.rules.members)?;
        let mut tx = self.pool.begin().await?;
        gather(&mut tx, user, &people, about.organization_id).await?;
        if store::is_blocked_by_any(&mut tx, user, &people).await? {
            return Err(RoomError::NoSuchPerson);
        }
        self.admit(&mut tx, user, &people, now).await?;
        let room = store::insert_room(&mut tx, None, about, now).await?;
        let room = room.ok_or(sqlx::Error::RowNotFound)?;
        seat(&mut tx, (room, user), &[user], (Role::Owner, owners()), now).await?;
        people.retain(|id| *id != user);
        let rank = (Role::Member, Levels::MEMBER);
        let head = seat(&mut tx, (room, user), &people, rank, now).await?;
        tx.commit().await?;
        self.tell(room, head);
        self.announcer.seats(&[&people[..], &[user]].concat());
        Ok(Opened { room: self.room(user, room).await?, is_new: true })
    }

    /// Counts a new room for today, and refuses it to those who have enough.
    async fn admit(
        &self,
        connection: &mut PgConnection,
        user_id: i64,
        people: &[i64],
        now: DateTime<Utc>,
    ) -> Result<(), RoomError> {
        self.room_for_more(connection, people).await?;
        let scope = format!("rooms:{user_id}");
        let one = [Demand { scope, amount: 1, cap: self.rules.daily_rooms.into() }];
        let mut budget = Budget::take(connection, now, one.iter().cloned()).await?;
        let wait = u32::try_from(seconds_to_tomorrow(now)).unwrap_or(u32::MAX);
        budget.admit(&one).map_err(|_| RoomError::EnoughToday(wait))
    }

    /// Refuses one more room to people who have as many as one may have.
    pub(super) async fn room_for_more(
        &self,
        connection: &mut PgConnection,
        people: &[i64],
    ) -> Result<(), RoomError> {
        let limit = self.rules.rooms_per_user;
        if store::has_enough_rooms(connection, people, limit.into()).await? {
            return Err(RoomError::Limit(limit));
        }
        Ok(())
    }

    /// Tells everybody how far a room's log goes, if it goes further.
    pub(super) fn tell(&self, room: RoomId, head: Option<i64>) {
        if let Some(head) = head {
            self.announcer.head(room, head);
        }
    }
}

/// Locks the accounts of people who are to be in a room, and their places in its organization. They
/// include the caller.
pub(super) async fn gather(
    connection: &mut PgConnection,
    caller: i64,
    people: &[i64],
    organization: Option<i64>,
) -> Result<(), RoomError> {
    let found = store::lock_people(connection, people).await?;
    if people.contains(&caller) && !found.contains(&caller) {
        return Err(RoomError::Inactive);
    }
    if found.len() < people.len() {
        return Err(RoomError::NoSuchPerson);
    }
    if let Some(organization) = organization {
        let found = store::lock_organization_members(connection, organization, people).await?;
        if people.contains(&caller) && !found.contains(&caller) {
            return Err(RoomError::NoSuchOrganization);
        }
        if found.len() < people.len() {
            return Err(RoomError::NoSuchPerson);
        }
    }
    Ok(())
}

/// Seats people in a locked room and writes it down; the last number, if somebody had no seat.
pub(super) async fn seat(
    connection: &mut PgConnection,
    (room, by): (RoomId, i64),
    people: &[i64],
    rank: (Role, Levels),
    now: DateTime<Utc>,
) -> Result<Option<i64>, sqlx::Error> {
    let seated = store::insert_members(connection, room, people, rank, now).await?;
    if seated.is_empty() {
        return Ok(None);
    }
    Ok(Some(store::append_joined(connection, room, by, &seated, now).await?))
}

/// Refuses more than there may be.
pub(super) fn at_most(count: usize, limit: u32) -> Result<(), RoomError> {
    let fits = u32::try_from(count).is_ok_and(|count| count <= limit);
    if fits { Ok(()) } else { Err(RoomError::Limit(limit)) }
}
