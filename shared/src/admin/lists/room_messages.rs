//! What is said in a room, for staff.

use chrono::{DateTime, Utc};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW};

/// A message of a room's, also one that was deleted. Has no `Debug`: it holds what somebody said.
#[derive(Clone, sqlx::FromRow)]
pub struct StaffRoomMessage {
    /// The row.
    pub id: i64,
    /// Its place in the room's log.
    pub seq: i64,
    /// Who wrote it.
    pub sender_id: i64,
    /// Their user name.
    pub username: String,
    /// Empty unless given.
    pub first_name: String,
    /// Empty unless given.
    pub last_name: String,
    /// A word of [`crate::chat::log::MessageType`].
    pub kind: String,
    /// What it says; empty once it is deleted.
    pub text: String,
    /// Where, if it is a place.
    pub lat: Option<f64>,
    /// Where, if it is a place.
    pub lng: Option<f64>,
    /// What the file is called that goes with it.
    pub file_name: Option<String>,
    /// What that is.
    pub file_mime: Option<String>,
    /// The message it answers.
    pub reply_to: Option<i64>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The account of whoever deleted it.
    pub deleted_by: Option<i64>,
}

/// In this room.
pub const ROOM: Filter = Filter::indexed("room", Kind::Integer, "c.room_id = ?");

/// Of this person.
pub const USER_ID: Filter = Filter::scanned("user_id", Kind::Integer, "c.sender_id = ?");

/// In the order of the room's log, which an index has.
const NEWEST: Sort = Sort::by("newest", Key { sql: "c.seq", kind: Kind::Integer }, true);
const OLDEST: Sort = Sort::by("oldest", Key { sql: "c.seq", kind: Kind::Integer }, false);

/// The messages: whoever looks at them reads the room.
pub const LISTING: Listing = Listing {
    subject: "room",
    listed: "room.read",
    searched: "room.read",
    columns: "c.id, c.seq, c.sender_id, u.username, u.first_name, u.last_name, c.type AS kind, c.text,
        c.lat, c.lng, f.name AS file_name, f.mime AS file_mime, c.reply_to, c.created_at, c.edited_at,
        c.deleted_at, c.deleted_by",
    from: "chat_messages c",
    joins: "JOIN users u ON u.id = c.sender_id LEFT JOIN attachments f ON f.id = c.attachment_id",
    id: Key::id("c.id"),
    names_rows: true,
    at: "c.created_at",
    window: WINDOW / 2,
    filters: &[&ROOM, &USER_ID],
    sorts: &[NEWEST, OLDEST],
};

impl Listed for StaffRoomMessage {
    const LISTING: &'static Listing = &LISTING;

    /// Only those read rooms from whom nothing is hidden; nobody else would see what is said.
    fn masked(self) -> Self {
        let hidden = String::new;
        let (text, username) = (hidden(), crate::admin::mask::username(&self.username));
        let (first_name, last_name) = (hidden(), hidden());
        let (lat, lng, file_name) = (None, None, None);
        Self { username, first_name, last_name, text, lat, lng, file_name, ..self }
    }
}
