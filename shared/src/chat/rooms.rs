//! Rooms as their members see them.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Chat, ChatError, Person, RoomId,
    log::{FileRef, MessageType},
    permissions::{Action, Rank, Status},
    store,
};

/// Members, and banned people, that a room shows at most; all of them are listed apart.
pub(super) const SHOWN: i64 = 100;
/// Characters that a list of rooms shows of what was said last.
const PREVIEW_CHARACTERS: i32 = 200;

/// A room without what changes with every message.
#[derive(Debug, Clone)]
pub struct Brief {
    /// The row.
    pub id: RoomId,
    /// Only its members can be in the room.
    pub organization_id: Option<i64>,
    /// A room of two, or of one with themselves.
    pub is_direct: bool,
    /// What it is called.
    pub name: Option<String>,
    /// What it is about.
    pub descriptions: Option<String>,
    /// Whether it takes messages.
    pub status: Status,
    /// Seconds between two messages of a member; 0: as fast as they like.
    pub slow_seconds: i32,
    /// Whether members who are not there are texted.
    pub tells_by_sms: bool,
    /// A column of imported rooms.
    pub user_1: Option<i64>,
    /// A column of imported rooms.
    pub user_2: Option<i64>,
    /// The number of its last event.
    pub head: i64,
    /// When that was.
    pub head_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its picture.
    pub avatar: Option<FileRef>,
    /// Who may not come back, the latest first, the first hundred.
    pub banned: Vec<i64>,
    /// What whoever looks is and has there.
    pub mine: Mine,
    /// The first hundred of its members, those who look after it first, and what they are: for messages,
    /// which name nobody else. Empty in a [`Room`].
    pub seats: Vec<(i64, Rank)>,
}

/// A room in a list.
#[derive(Debug, Clone)]
pub struct Room {
    /// The room.
    pub brief: Brief,
    /// The first hundred, those who look after it first.
    pub members: Vec<Seated>,
    /// How many there are in all.
    pub member_count: i64,
    /// Messages of others that whoever looks has not read.
    pub unread: i64,
    /// What was said last.
    pub last: Option<LastMessage>,
}

/// What somebody is and has in a room.
#[derive(Debug, Clone, Copy)]
pub struct Mine {
    /// What they are there.
    pub rank: Rank,
    /// They read everything up to this event.
    pub read_seq: i64,
    /// Since when they keep it at the top.
    pub pinned_at: Option<DateTime<Utc>>,
    /// Until when they are silenced.
    pub muted_until: Option<DateTime<Utc>>,
    /// Whether the others see when they are there.
    pub shows_presence: bool,
}

/// Somebody in a room.
#[derive(Debug, Clone)]
pub struct Seated {
    /// Who.
    pub person: Person,
    /// What they are there.
    pub rank: Rank,
    /// Since when.
    pub joined_at: DateTime<Utc>,
    /// Until when they are silenced, if that is not over.
    pub muted_until: Option<DateTime<Utc>>,
}

/// The beginning of what was said last.
#[derive(Debug, Clone)]
pub struct LastMessage {
    /// The row.
    pub id: i64,
    /// Its place in the log.
    pub seq: i64,
    /// Who said it.
    pub sender: Person,
    /// What it is.
    pub kind: MessageType,
    /// The first 200 characters; empty if it was deleted.
    pub text: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// Where a page of rooms begins: before this activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// When the last one shown was active.
    pub at: DateTime<Utc>,
    /// Which one it was.
    pub id: i64,
}

impl Before {
    /// Where the page after this room begins.
    pub fn of(room: &Room) -> Self {
        Self { at: room.brief.head_at, id: room.brief.id.0 }
    }

    /// As clients keep it.
    pub fn to_text(self) -> String {
        format!("{}-{}", self.at.timestamp_micros(), self.id)
    }

    /// Reads what [`Before::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (micros, id) = text.split_once('-')?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(micros) || !is_number(id) {
            return None;
        }
        let since = TimeDelta::microseconds(micros.parse().ok()?);
        let at = DateTime::UNIX_EPOCH.checked_add_signed(since)?;
        Some(Self { at, id: id.parse().ok()? })
    }
}

impl Chat {
    /// Somebody's rooms, the latest activity first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn rooms(
        &self,
        user_id: i64,
        before: Option<Before>,
        limit: i64,
    ) -> Result<Vec<Room>, sqlx::Error> {
        let briefs = store::rooms_of(&self.pool, user_id, before, limit).await?;
        self.fill(user_id, briefs).await
    }

    /// A room somebody belongs to.
    ///
    /// # Errors
    /// [`ChatError::NotFound`] for strangers, [`ChatError::Banned`].
    pub async fn room(&self, user_id: i64, room: RoomId) -> Result<Room, ChatError> {
        let found = store::rooms_among(&self.pool, user_id, &[room.0], 0).await?;
        let filled = self.fill(user_id, found).await?;
        match filled.into_iter().next() {
            Some(room) => Ok(room),
            None => Err(self.why_none(user_id, room).await),
        }
    }

    /// Those of these rooms that somebody belongs to, as messages speak of them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn briefs(&self, user_id: i64, rooms: &[RoomId]) -> Result<Vec<Brief>, sqlx::Error> {
        let ids: Vec<_> = rooms.iter().map(|room| room.0).collect();
        store::rooms_among(&self.pool, user_id, &ids, SHOWN).await
    }

    /// The same of one room.
    ///
    /// # Errors
    /// As [`Chat::room`].
    pub async fn brief(&self, user_id: i64, room: RoomId) -> Result<Brief, ChatError> {
        match self.briefs(user_id, &[room]).await?.into_iter().next() {
            Some(brief) => Ok(brief),
            None => Err(self.why_none(user_id, room).await),
        }
    }

    /// Why somebody finds no seat of theirs in a room.
    pub(super) async fn why_none(&self, user_id: i64, room: RoomId) -> ChatError {
        self.check(room, user_id, Action::See).await.err().unwrap_or(ChatError::NotFound)
    }

    async fn fill(&self, user_id: i64, briefs: Vec<Brief>) -> Result<Vec<Room>, sqlx::Error> {
        if briefs.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = briefs.iter().map(|brief| brief.id.0).collect();
        let mut seated: HashMap<RoomId, (i64, Vec<Seated>)> = HashMap::new();
        for (room, all, one) in store::seated(&self.pool, &ids).await? {
            let (count, members) = seated.entry(room).or_default();
            *count = all;
            members.push(one);
        }
        let last = store::last_messages(&self.pool, &ids, PREVIEW_CHARACTERS).await?;
        let mut last: HashMap<_, _> = last.into_iter().collect();
        let unread = store::unread(&self.pool, user_id, &ids).await?;
        let unread: HashMap<_, _> = unread.into_iter().collect();
        let rooms = briefs.into_iter().map(|brief| {
            let (member_count, members) = seated.remove(&brief.id).unwrap_or_default();
            let unread = unread.get(&brief.id).copied().unwrap_or(0);
            Room { members, member_count, unread, last: last.remove(&brief.id), brief }
        });
        Ok(rooms.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_page_is_read_as_it_is_written_and_nothing_else_is_one() {
        let before =
            Before { at: DateTime::from_timestamp_micros(1_700_000_000_000_123).unwrap(), id: 7 };
        assert_eq!(Before::parse(&before.to_text()), Some(before));
        for text in ["", "7", "-7", "7-", "a-1", "1-a", "+1-1", "1--1", "9223372036854775807-1"] {
            assert_eq!(Before::parse(text), None, "{text}");
        }
    }
}
