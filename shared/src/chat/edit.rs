//! What becomes of a message after it was posted: its author changes it, somebody deletes it.

use super::{
    Chat, ChatError, RoomId,
    log::{Kind, Message, NewEntry},
    permissions::{Action, Levels, Rank, Refusal, Role, Standing},
    seat, store,
};

/// Why a message is not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// As everywhere.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// Nothing would be left of it: it has neither a file nor a place.
    #[error("nothing is left")]
    Blank,
}

impl From<sqlx::Error> for EditError {
    fn from(error: sqlx::Error) -> Self {
        Self::Chat(error.into())
    }
}

/// A message under its room's lock.
pub(super) struct Changing {
    pub(super) sender_id: i64,
    pub(super) text: String,
    /// Something besides its text: a file or a place.
    pub(super) has_more: bool,
    /// What its author is in the room; `None`: they left.
    pub(super) author: Option<Rank>,
}

impl Chat {
    /// Changes what somebody's own message says, and announces it. A text that is there already changes
    /// nothing. `room`: where the caller believes it is, if they say so.
    ///
    /// # Errors
    /// [`EditError`]; [`Refusal::Rank`] for messages of others.
    pub async fn edit(
        &self,
        user_id: i64,
        (room, message_id): (Option<RoomId>, i64),
        text: &str,
    ) -> Result<Message, EditError> {
        let room = self.room_of(room, message_id).await?;
        let now = self.now();
        let mut tx = self.pool.begin().await?;
        let standing = seat::lock(&mut tx, room, user_id, now).await?.standing()?;
        let found = store::find_changing(&mut tx, message_id).await?;
        let found = found.ok_or(ChatError::NotFound)?;
        if found.sender_id != user_id {
            return Err(ChatError::Refused(Refusal::Rank).into());
        }
        standing.may(Action::Post).map_err(ChatError::from)?;
        if text.is_empty() && !found.has_more {
            return Err(EditError::Blank);
        }
        if found.text != text {
            store::edit_message(&mut tx, message_id, text, now).await?;
            let entry = NewEntry::by(user_id, Kind::MessageEdited).about(message_id);
            self.finish(tx, room, &entry, now).await?;
        }
        let changed = store::find_message(&self.pool, message_id).await?;
        Ok(changed.ok_or(ChatError::NotFound)?)
    }

    /// Deletes a message for everybody, and announces it. It keeps its place and loses its contents; its
    /// file is nobody's any more.
    ///
    /// # Errors
    /// As [`seat::Seat::may`]; [`ChatError::NotFound`] if it is deleted already.
    pub async fn delete_message(
        &self,
        user_id: i64,
        (room, message_id): (Option<RoomId>, i64),
    ) -> Result<(), ChatError> {
        let room = self.room_of(room, message_id).await?;
        let now = self.now();
        let mut tx = self.pool.begin().await?;
        let standing = seat::lock(&mut tx, room, user_id, now).await?.standing()?;
        let found = store::find_changing(&mut tx, message_id).await?.ok_or(ChatError::NotFound)?;
        may_delete(standing, user_id, &found)?;
        store::bury_message(&mut tx, message_id, user_id, now).await?;
        let entry = NewEntry::by(user_id, Kind::MessageDeleted).about(message_id);
        Ok(self.finish(tx, room, &entry, now).await?)
    }

    /// Where a message is.
    pub(super) async fn room_of(
        &self,
        said: Option<RoomId>,
        message_id: i64,
    ) -> Result<RoomId, ChatError> {
        let room = store::find_room_of(&self.pool, message_id).await?;
        room.filter(|room| said.is_none_or(|said| said == *room)).ok_or(ChatError::NotFound)
    }
}

fn may_delete(standing: Standing, user_id: i64, found: &Changing) -> Result<(), Refusal> {
    if found.sender_id == user_id {
        return standing.may(Action::DeleteOwn);
    }
    let left = Rank { role: Role::Member, levels: Levels::MEMBER };
    standing.may(Action::DeleteOther { of: found.author.unwrap_or(left) })
}
