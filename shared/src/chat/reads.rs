//! Reading: messages of a room, and how far somebody has come.

use super::{
    Chat, ChatError, RoomId,
    announce::Passing,
    log::{Entry, Message, Place},
    permissions::Action,
    store,
};

/// How far somebody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpTo {
    /// To this number of the room's log.
    Seq(i64),
    /// To this message.
    Message(i64),
}

/// Where somebody stands in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadState {
    /// Everything up to this number was read.
    pub seq: i64,
    /// Messages of others after it.
    pub unread: i64,
}

impl Chat {
    /// Moves somebody's read cursor forward, never back and never beyond what has happened, and
    /// announces it if it moved.
    ///
    /// # Errors
    /// As [`super::seat::Seat::standing`]; [`ChatError::NotFound`] for a message that is not in the
    /// room.
    pub async fn read(
        &self,
        user_id: i64,
        room: RoomId,
        up_to: UpTo,
    ) -> Result<ReadState, ChatError> {
        self.check(room, user_id, Action::See).await?;
        let seq = match up_to {
            UpTo::Seq(seq) => seq,
            UpTo::Message(id) => {
                let seq = store::find_seq(&self.pool, room, id).await?;
                seq.ok_or(ChatError::NotFound)?
            }
        };
        let now = self.now();
        if let Some(seq) = store::move_cursor(&self.pool, room, user_id, seq, now).await? {
            self.announcer.passing(room, Passing::Read { user_id, seq });
        }
        self.read_state(user_id, room).await
    }

    /// How far somebody has read, and what is left.
    ///
    /// # Errors
    /// [`ChatError::NotFound`] for strangers.
    pub async fn read_state(&self, user_id: i64, room: RoomId) -> Result<ReadState, ChatError> {
        let found = store::read_state(&self.pool, room, user_id).await?;
        found.ok_or(ChatError::NotFound)
    }

    /// Messages of a room before a number of its log, newest first, without those that were deleted.
    ///
    /// # Errors
    /// As [`super::seat::Seat::standing`].
    pub async fn messages(
        &self,
        user_id: i64,
        room: RoomId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Message>, ChatError> {
        self.check(room, user_id, Action::See).await?;
        let ids = store::list_messages(&self.pool, room, before, limit).await?;
        let mut found = store::load_messages(&self.pool, &ids).await?;
        found.sort_unstable_by_key(|message| std::cmp::Reverse(message.seq));
        Ok(found)
    }

    /// One message. `room`: where the caller believes it is, if they say so.
    ///
    /// # Errors
    /// As [`super::seat::Seat::standing`]; [`ChatError::NotFound`] if it was deleted.
    pub async fn message(
        &self,
        user_id: i64,
        room: Option<RoomId>,
        message_id: i64,
    ) -> Result<Message, ChatError> {
        let room = self.room_of(room, message_id).await?;
        self.check(room, user_id, Action::See).await?;
        let found = store::find_message(&self.pool, message_id).await?;
        found.filter(|message| message.deleted_at.is_none()).ok_or(ChatError::NotFound)
    }

    /// What happened in a room after a number of its log, in its order.
    ///
    /// # Errors
    /// As [`super::seat::Seat::standing`].
    pub async fn events(
        &self,
        user_id: i64,
        place: Place,
        limit: i64,
    ) -> Result<Vec<Entry>, ChatError> {
        self.check(place.room, user_id, Action::See).await?;
        Ok(self.read_log(&[place], limit).await?)
    }
}
