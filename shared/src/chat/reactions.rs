//! Reactions to messages.

use std::collections::HashMap;

use super::{
    Chat, ChatError, RoomId,
    log::{Kind, NewEntry},
    permissions::Action,
    seat, store,
};

/// Different ways to react to one message at most.
pub const MOST: i64 = 20;

/// How people reacted to a message in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// In which.
    pub emoji: String,
    /// How many did.
    pub count: i64,
    /// Whether whoever looks did.
    pub mine: bool,
}

/// Why a reaction is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReactError {
    /// As everywhere.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The message has [`MOST`] others already.
    #[error("too many different reactions")]
    TooMany,
}

impl From<sqlx::Error> for ReactError {
    fn from(error: sqlx::Error) -> Self {
        Self::Chat(error.into())
    }
}

impl Chat {
    /// Adds somebody's reaction to a message or takes it back, and announces it; how people reacted
    /// then. What is so already changes nothing.
    ///
    /// # Errors
    /// [`ReactError`]. Taking one back needs no right to write.
    pub async fn react(
        &self,
        user_id: i64,
        (room, message_id): (Option<RoomId>, i64),
        (emoji, on): (&str, bool),
    ) -> Result<Vec<Reaction>, ReactError> {
        let room = self.room_of(room, message_id).await?;
        let now = self.now();
        let mut tx = self.pool.begin().await?;
        let standing = seat::lock(&mut tx, room, user_id, now).await?.standing()?;
        store::find_changing(&mut tx, message_id).await?.ok_or(ChatError::NotFound)?;
        let changed = if on {
            standing.may(Action::Post).map_err(ChatError::from)?;
            if store::count_others(&mut tx, message_id, emoji).await? >= MOST {
                return Err(ReactError::TooMany);
            }
            store::add_reaction(&mut tx, message_id, user_id, emoji, now).await?
        } else {
            store::remove_reaction(&mut tx, message_id, user_id, emoji).await?
        };
        if changed {
            let count = store::count_reactions(&mut tx, message_id, emoji).await?;
            let entry = NewEntry::by(user_id, Kind::MessageReaction).about(message_id);
            let entry = entry.with("emoji", emoji).with("on", on).with("count", count);
            self.finish(tx, room, &entry, now).await?;
        }
        let mut found = self.reactions(user_id, &[message_id]).await?;
        Ok(found.remove(&message_id).unwrap_or_default())
    }

    /// How people reacted to messages, the first way first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn reactions(
        &self,
        viewer_id: i64,
        messages: &[i64],
    ) -> Result<HashMap<i64, Vec<Reaction>>, sqlx::Error> {
        if messages.is_empty() {
            return Ok(HashMap::new());
        }
        let mut found: HashMap<i64, Vec<Reaction>> = HashMap::new();
        for (message_id, reaction) in store::reactions(&self.pool, viewer_id, messages).await? {
            found.entry(message_id).or_default().push(reaction);
        }
        Ok(found)
    }
}
