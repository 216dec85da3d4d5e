//! Where people with open sockets belong.

use super::{Chat, RoomId, store};

/// A membership, and how far the room's log went when it was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Who.
    pub user_id: i64,
    /// Where.
    pub room: RoomId,
    /// The room's head at that moment: what puts them out has a higher number.
    pub head: i64,
    /// Whether the others see that they are there.
    pub shows_presence: bool,
    /// Whether any of the others lets it be seen.
    pub others_show: bool,
}

impl Chat {
    /// Where these people belong, or which of them to one room; the rooms where something happened
    /// last come first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn memberships(
        &self,
        people: &[i64],
        room: Option<RoomId>,
    ) -> Result<Vec<Membership>, sqlx::Error> {
        store::memberships(&self.pool, people, room).await
    }
}
