//! What somebody is in a room at this moment: the ground of every permission.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    Chat, ChatError, RoomId,
    permissions::{Action, Standing},
    store,
};

/// What somebody is to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// They belong to it.
    Member(Standing),
    /// They were put out for good.
    Banned,
    /// Nothing: to them there is no such room.
    None,
}

impl Seat {
    /// The standing of somebody who may do this.
    ///
    /// # Errors
    /// [`ChatError::NotFound`] for strangers, [`ChatError::Banned`], [`ChatError::Refused`].
    pub fn may(self, action: Action) -> Result<Standing, ChatError> {
        let standing = self.standing()?;
        standing.may(action)?;
        Ok(standing)
    }

    /// The standing of somebody who belongs to the room.
    ///
    /// # Errors
    /// [`ChatError::NotFound`] for strangers, [`ChatError::Banned`].
    pub fn standing(self) -> Result<Standing, ChatError> {
        match self {
            Self::Member(standing) => Ok(standing),
            Self::Banned => Err(ChatError::Banned),
            Self::None => Err(ChatError::NotFound),
        }
    }
}

impl Chat {
    /// Whether somebody may do this now: for what is asked before the change itself, which asks
    /// again under the room's lock.
    ///
    /// # Errors
    /// As [`Seat::may`].
    pub async fn check(
        &self,
        room: RoomId,
        user_id: i64,
        action: Action,
    ) -> Result<Standing, ChatError> {
        let mut connection = self.pool.acquire().await?;
        let seat = store::find_seat(&mut connection, room, user_id, self.clock.now()).await?;
        seat.may(action)
    }
}

/// Locks a room until the transaction ends, so that nothing else happens in it, and gives the seat
/// somebody has there. Every change of a room begins with it; its events are written by
/// [`super::log::append`].
///
/// # Errors
/// When the database refuses or is away.
pub(super) async fn lock(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
    now: DateTime<Utc>,
) -> Result<Seat, sqlx::Error> {
    store::lock_room(connection, room).await?;
    store::find_seat(connection, room, user_id, now).await
}
