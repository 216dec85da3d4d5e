//! Chat rooms, as staff look at them.

use super::{
    Admin, Shown,
    lists::{
        self, Value,
        rooms::{ID, StaffRoom},
    },
};
use crate::{
    audit::{self, Entry, Source, Subject},
    chat::{self, RoomId, members::Ban, rooms::Seated},
};

/// A room with those in it, and those who may not come back.
#[derive(Debug, Clone)]
pub struct RoomStory {
    /// The room.
    pub room: StaffRoom,
    /// How many are in it.
    pub member_count: i64,
    /// The first hundred, those who look after it first.
    pub members: Vec<Seated>,
    /// The first hundred, the newest accounts first.
    pub bans: Vec<Ban>,
}

impl Admin {
    /// Looks at a room and those in it, not at what is said there, and writes down who did. Only for
    /// those from whom nothing is hidden.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn room(&self, source: &Source, id: i64) -> Result<Option<RoomStory>, sqlx::Error> {
        let Some(room) = self.find_room(id).await? else { return Ok(None) };
        let (member_count, members) = chat::staff::members_of(&self.pool, RoomId(id)).await?;
        let bans = chat::staff::bans_of(&self.pool, RoomId(id)).await?;
        let looked = Entry::new(source, "room.viewed", Subject::room(id));
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        Ok(Some(RoomStory { room, member_count, members, bans }))
    }

    /// Whether there is such a room, deleted or not.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn has_room(&self, id: i64) -> Result<bool, sqlx::Error> {
        Ok(self.find_room(id).await?.is_some())
    }

    async fn find_room(&self, id: i64) -> Result<Option<StaffRoom>, sqlx::Error> {
        lists::one(&self.pool, &ID, Value::Integer(id), Shown::Whole).await
    }
}
