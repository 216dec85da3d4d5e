//! What is asked of messages.

use poem_openapi::{Object, types::Example};
use serde_json::Value;
use shared::chat::{content::Draft, reads::UpTo};

use super::types::MessageType;
use crate::input::{Fields, FromFields};

/// A message to post.
#[derive(Debug, Object)]
#[oai(rename = "PostChatMessage", example)]
pub(crate) struct PostMessage {
    /// The room.
    chat_room: i64,
    /// What it says, at most `chat.message_chars` characters. May be left out where a file or a location
    /// says enough.
    #[oai(skip_serializing_if_is_none)]
    text: Option<String>,
    /// What it is; `text` if absent.
    #[oai(skip_serializing_if_is_none)]
    message_type: Option<MessageType>,
    /// A file you uploaded to this room and have used in no message.
    #[oai(skip_serializing_if_is_none)]
    attach_id: Option<i64>,
    /// Degrees north; a location needs it.
    #[oai(skip_serializing_if_is_none, validator(minimum(value = "-90"), maximum(value = "90")))]
    lat: Option<f64>,
    /// Degrees east; a location needs it.
    #[oai(skip_serializing_if_is_none, validator(minimum(value = "-180"), maximum(value = "180")))]
    lng: Option<f64>,
    /// Your own name for the message, unique among yours in the room: the same message sent again under it
    /// is posted once.
    #[oai(skip_serializing_if_is_none, validator(min_length = 1, max_length = 64))]
    client_id: Option<String>,
    /// The message of this room that it answers.
    #[oai(skip_serializing_if_is_none)]
    reply_to: Option<i64>,
}

impl Example for PostMessage {
    fn example() -> Self {
        Self {
            chat_room: 5,
            text: Some("سلام".to_owned()),
            message_type: Some(MessageType::Text),
            attach_id: None,
            lat: None,
            lng: None,
            client_id: Some("c-1".to_owned()),
            reply_to: None,
        }
    }
}

/// A message, read as far as that needs no settings.
pub(crate) struct PostAsked {
    pub(super) room: i64,
    pub(super) draft: Draft,
}

impl FromFields for PostAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        if !fields.has("chat_room") {
            fields.say("فیلد chat_room اجباری است.");
        }
        let room = fields.integer("chat_room");
        let text = fields.value("text");
        let mut filled = |name| if fields.has(name) { fields.value(name) } else { None };
        let draft = Draft {
            text,
            kind: filled("message_type"),
            attachment: filled("attach_id"),
            lat: filled("lat"),
            lng: filled("lng"),
            client_id: filled("client_id"),
            reply_to: filled("reply_to"),
        };
        Some(Self { room: room?, draft })
    }
}

/// What a message is to say instead.
#[derive(Debug, Object)]
#[oai(rename = "EditChatMessage", example)]
pub(crate) struct EditMessage {
    /// What it says, at most `chat.message_chars` characters; empty only beside a file or a location.
    text: String,
}

impl Example for EditMessage {
    fn example() -> Self {
        Self { text: "سلام!".to_owned() }
    }
}

/// An edit, read as far as that needs no settings.
pub(crate) struct EditAsked {
    pub(super) text: Option<Value>,
}

impl FromFields for EditAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { text: fields.value("text") })
    }
}

/// A reaction.
#[derive(Debug, Object)]
#[oai(rename = "AddChatReaction", example)]
pub(crate) struct AddReaction {
    /// An emoji, or whatever your clients show: no blanks.
    #[oai(validator(min_length = 1, max_length = 16))]
    emoji: String,
}

impl Example for AddReaction {
    fn example() -> Self {
        Self { emoji: "👍".to_owned() }
    }
}

/// A reaction, read.
pub(crate) struct ReactAsked {
    pub(super) emoji: Option<Value>,
}

impl FromFields for ReactAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { emoji: fields.value("emoji") })
    }
}

/// How far you have read: to a number of the room's log or to a message; with neither, everything.
#[derive(Debug, Object)]
#[oai(rename = "ReadChatRoom", example)]
pub(crate) struct ReadRoom {
    /// The number of a message, or of whatever else happened in the room.
    #[oai(skip_serializing_if_is_none)]
    seq: Option<i64>,
    /// A message of the room.
    #[oai(skip_serializing_if_is_none)]
    message_id: Option<i64>,
}

impl Example for ReadRoom {
    fn example() -> Self {
        Self { seq: Some(12), message_id: None }
    }
}

/// How far somebody has read, read.
pub(crate) struct ReadAsked(pub(super) UpTo);

impl FromFields for ReadAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (seq, message) =
            (fields.optional_integer("seq"), fields.optional_integer("message_id"));
        if seq.is_some() && message.is_some() {
            fields.error("message_id", "invalid", "Name one of seq and message_id.");
        }
        let up_to = match message {
            Some(id) => UpTo::Message(id),
            None => UpTo::Seq(seq.unwrap_or(i64::MAX)),
        };
        Some(Self(up_to))
    }
}
