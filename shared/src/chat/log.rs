//! What happens in a room, in its order.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{PgConnection, Postgres, Transaction};

use super::{Chat, Person, RoomId, store};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Somebody wrote a message.
    Message,
    /// Its author changed a message.
    MessageEdited,
    /// A message was deleted.
    MessageDeleted,
    /// Somebody reacted to a message or took a reaction back. `data`: `emoji`, `on` (whether it is there now),
    /// `count` (how many have it).
    MessageReaction,
    /// The subject belongs to the room now.
    MemberJoined,
    /// The subject left.
    MemberLeft,
    /// The subject was put out.
    MemberRemoved,
    /// The subject was put out for good. `data`: `was_member`, whether they belonged to the room.
    MemberBanned,
    /// The subject may be let in again.
    MemberUnbanned,
    /// The subject may do more or less. `data`: `levels`, their numbers.
    MemberLevels,
    /// The subject was silenced, or is no more. `data`: `until` or `null`.
    MemberMuted,
    /// Name, description, picture or pace changed. `data`: `name`, `descriptions`, `slow_seconds`, `avatar`.
    RoomChanged,
    /// It was opened, closed or held. `data`: `status`, the number.
    RoomStatus,
    /// The subject is the owner now.
    RoomOwner,
    /// It is gone.
    RoomDeleted,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 15] = [
        Self::Message,
        Self::MessageEdited,
        Self::MessageDeleted,
        Self::MessageReaction,
        Self::MemberJoined,
        Self::MemberLeft,
        Self::MemberRemoved,
        Self::MemberBanned,
        Self::MemberUnbanned,
        Self::MemberLevels,
        Self::MemberMuted,
        Self::RoomChanged,
        Self::RoomStatus,
        Self::RoomOwner,
        Self::RoomDeleted,
    ];

    /// The word in the database and in frames.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::MessageEdited => "message.edited",
            Self::MessageDeleted => "message.deleted",
            Self::MessageReaction => "message.reaction",
            Self::MemberJoined => "member.joined",
            Self::MemberLeft => "member.left",
            Self::MemberRemoved => "member.removed",
            Self::MemberBanned => "member.banned",
            Self::MemberUnbanned => "member.unbanned",
            Self::MemberLevels => "member.levels",
            Self::MemberMuted => "member.muted",
            Self::RoomChanged => "room.changed",
            Self::RoomStatus => "room.status",
            Self::RoomOwner => "room.owner",
            Self::RoomDeleted => "room.deleted",
        }
    }

    /// The kind with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether the subject does not belong to the room any more.
    pub const fn puts_out(self) -> bool {
        matches!(self, Self::MemberLeft | Self::MemberRemoved | Self::MemberBanned)
    }
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// Words.
    Text,
    /// A picture, or words that were to go with one.
    Image,
    /// A file, or words that were to go with one.
    File,
    /// A place on earth.
    Location,
}

impl MessageType {
    /// All.
    pub const ALL: [Self; 4] = [Self::Text, Self::Image, Self::File, Self::Location];

    /// The word of the old system.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::File => "file",
            Self::Location => "location",
        }
    }

    /// The type with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A message as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The row.
    pub id: i64,
    /// Where.
    pub room: RoomId,
    /// Its place in the room's log.
    pub seq: i64,
    /// Who wrote it.
    pub sender: Person,
    /// What its client calls it.
    pub client_id: Option<String>,
    /// What it is.
    pub kind: MessageType,
    /// What it says; empty once it is deleted.
    pub text: String,
    /// Degrees north.
    pub lat: Option<f64>,
    /// Degrees east.
    pub lng: Option<f64>,
    /// The file that goes with it.
    pub file: Option<FileRef>,
    /// The message it answers.
    pub reply_to: Option<i64>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// A file as messages refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// The row.
    pub id: i64,
    /// Names it in addresses.
    pub handle: String,
    /// The name its uploader gave it.
    pub name: String,
    /// What it is.
    pub mime: String,
    /// How long it is.
    pub bytes: i64,
    /// When it was uploaded: a part of its address.
    pub created_at: DateTime<Utc>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where.
    pub room: RoomId,
    /// Its place there.
    pub seq: i64,
    /// What.
    pub kind: Kind,
    /// When.
    pub at: DateTime<Utc>,
    /// Who did it; `None`: it happened by itself.
    pub actor: Option<Person>,
    /// To whom.
    pub subject: Option<Person>,
    /// The message it is about, as that is now.
    pub message: Option<Message>,
    /// More: see [`Kind`].
    pub data: Map<String, Value>,
}

/// Something to write down that is no new message.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// What.
    pub kind: Kind,
    /// Who did it.
    pub actor_id: Option<i64>,
    /// To whom.
    pub subject_id: Option<i64>,
    /// The message it is about.
    pub message_id: Option<i64>,
    /// More: see [`Kind`]. No text of a message.
    pub data: Map<String, Value>,
}

impl NewEntry {
    /// Something that somebody did.
    pub fn by(actor_id: i64, kind: Kind) -> Self {
        Self {
            kind,
            actor_id: Some(actor_id),
            subject_id: None,
            message_id: None,
            data: Map::new(),
        }
    }

    /// To this person.
    #[must_use]
    pub fn to(mut self, subject_id: i64) -> Self {
        self.subject_id = Some(subject_id);
        self
    }

    /// About this message.
    #[must_use]
    pub fn about(mut self, message_id: i64) -> Self {
        self.message_id = Some(message_id);
        self
    }

    /// With a word or a number.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }
}

/// Where somebody stands in a room's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The room.
    pub room: RoomId,
    /// Everything up to this number is known.
    pub after: i64,
}

/// Writes something down in the transaction that makes it true, and gives its number. The room is
/// locked from here on, if it was not before.
///
/// # Errors
/// When the database refuses or is away; `RowNotFound` for a room that is gone.
pub(super) async fn append(
    connection: &mut PgConnection,
    room: RoomId,
    entry: &NewEntry,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    store::append(connection, room, entry, now).await
}

impl Chat {
    /// Writes the one thing that happened down, commits what makes it true, and tells everybody.
    ///
    /// # Errors
    /// As [`append`].
    pub(super) async fn finish(
        &self,
        mut tx: Transaction<'_, Postgres>,
        room: RoomId,
        entry: &NewEntry,
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let head = append(&mut tx, room, entry, now).await?;
        tx.commit().await?;
        self.announcer.head(room, head);
        Ok(())
    }

    /// What happened in these rooms after these places, `limit` entries of each at most, in the order
    /// of each room's log.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn read_log(&self, places: &[Place], limit: i64) -> Result<Vec<Entry>, sqlx::Error> {
        store::read_log(&self.pool, places, limit).await
    }

    /// How far the logs of these rooms go; those that are gone are left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Place>, sqlx::Error> {
        store::heads(&self.pool, rooms).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        for kind in MessageType::ALL {
            assert_eq!(MessageType::parse(kind.as_str()), Some(kind));
        }
        assert_eq!((Kind::parse("x"), MessageType::parse("video")), (None, None));
    }
}
