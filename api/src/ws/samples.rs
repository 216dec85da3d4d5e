//! An example of every frame, for the document.

use chrono::{DateTime, Utc};
use poem_openapi::types::Example;
use serde_json::{Value, json};

use super::out::{
    Ack, ChatMessage, Drain, ErrorFrame, Event, FramePerson, Heartbeat, Passes, Pong, Resume,
};

/// The room of all examples.
const ROOM: i64 = 7;
/// Their message.
const MESSAGE: i64 = 941;

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_740_800, 0).unwrap_or_default()
}

fn sara() -> FramePerson {
    FramePerson { id: 17, username: "sara".to_owned() }
}

fn reza() -> FramePerson {
    FramePerson { id: 18, username: "reza".to_owned() }
}

impl Example for ChatMessage {
    fn example() -> Self {
        Self {
            frame: "chat_message".to_owned(),
            id: MESSAGE,
            message: "سلام".to_owned(),
            message_type: "text".to_owned(),
            file_url: None,
            lat: None,
            lng: None,
            sender: sara(),
            created_at: at(),
            room: ROOM,
            seq: 42,
            client_id: Some("5f0c-1".to_owned()),
            reply_to: None,
            edited_at: None,
            is_deleted: false,
            truncated: None,
        }
    }
}

impl Example for Ack {
    fn example() -> Self {
        Self {
            frame: "ack".to_owned(),
            room: ROOM,
            id: MESSAGE,
            seq: 42,
            client_id: Some("5f0c-1".to_owned()),
            created_at: at(),
            repeated: false,
        }
    }
}

impl Event {
    fn of(frame: &str, seq: i64, data: Value) -> Self {
        Self {
            frame: frame.to_owned(),
            room: ROOM,
            seq,
            event: None,
            id: None,
            message: None,
            by: Some(sara()),
            user: None,
            data,
            created_at: at(),
            truncated: None,
        }
    }

    /// Of `message_edited`.
    pub(crate) fn edited() -> Self {
        let message = Some("سلام!".to_owned());
        Self { id: Some(MESSAGE), message, ..Self::of("message_edited", 43, json!({})) }
    }

    /// Of `message_deleted`.
    pub(crate) fn deleted() -> Self {
        Self { id: Some(MESSAGE), ..Self::of("message_deleted", 45, json!({})) }
    }

    /// Of `reaction`.
    pub(crate) fn reacted() -> Self {
        let data = json!({"emoji": "👍", "on": true, "count": 1});
        Self { id: Some(MESSAGE), ..Self::of("reaction", 44, data) }
    }

    /// Of `member`.
    pub(crate) fn joined() -> Self {
        let (event, user) = (Some("joined".to_owned()), Some(reza()));
        Self { event, user, ..Self::of("member", 46, json!({})) }
    }

    /// Of `room`.
    pub(crate) fn closed() -> Self {
        let event = Some("status".to_owned());
        Self { event, ..Self::of("room", 47, json!({"status": 2})) }
    }
}

impl Passes {
    fn of(frame: &str) -> Self {
        let frame = frame.to_owned();
        Self { frame, room: ROOM, user_id: 18, on: None, seq: None, expires_in: None }
    }

    /// Of `typing`.
    pub(crate) fn types() -> Self {
        Self { on: Some(true), expires_in: Some(6), ..Self::of("typing") }
    }

    /// Of `read`.
    pub(crate) fn reads() -> Self {
        Self { seq: Some(42), ..Self::of("read") }
    }

    /// Of `presence`.
    pub(crate) fn is_here() -> Self {
        Self { on: Some(true), ..Self::of("presence") }
    }
}

impl Example for Heartbeat {
    fn example() -> Self {
        Self { frame: "heartbeat".to_owned(), heads: json!({"7": 42, "9": 3}) }
    }
}

impl Example for Resume {
    fn example() -> Self {
        Self { frame: "resumed".to_owned(), room: ROOM, head: 42 }
    }
}

impl Example for Drain {
    fn example() -> Self {
        Self { frame: "drain".to_owned(), reconnect_after: 1_250 }
    }
}

impl Example for ErrorFrame {
    fn example() -> Self {
        Self {
            frame: "error".to_owned(),
            code: "room_closed".to_owned(),
            message: "The room is closed.".to_owned(),
            field: None,
            room: Some(ROOM),
            client_id: Some("5f0c-1".to_owned()),
            retry_after: None,
        }
    }
}

impl Example for Pong {
    fn example() -> Self {
        Self { frame: "pong".to_owned() }
    }
}
