//! Frames from clients, as they are documented. [`super::act`] reads them more leniently, as the
//! systems Peyk replaces did.

use poem_openapi::{Object, types::Example};

/// Post a message.
#[derive(Debug, Object)]
#[oai(rename = "SocketPost", example)]
pub(crate) struct AskToPost {
    /// Where; needed on the socket for all rooms.
    #[oai(skip_serializing_if_is_none)]
    room: Option<i64>,
    /// What it says.
    message: String,
    /// `text` (if absent), `image`, `file` or `location`.
    #[oai(skip_serializing_if_is_none)]
    message_type: Option<String>,
    /// The file that goes with it.
    #[oai(skip_serializing_if_is_none)]
    attach_id: Option<i64>,
    /// Degrees north.
    #[oai(skip_serializing_if_is_none)]
    lat: Option<f64>,
    /// Degrees east.
    #[oai(skip_serializing_if_is_none)]
    lng: Option<f64>,
    /// What you call it: sent again under the same name it is posted once.
    #[oai(skip_serializing_if_is_none)]
    client_id: Option<String>,
    /// The message it answers.
    #[oai(skip_serializing_if_is_none)]
    reply_to: Option<i64>,
}

impl Example for AskToPost {
    fn example() -> Self {
        Self {
            room: Some(7),
            message: "سلام".to_owned(),
            message_type: None,
            attach_id: None,
            lat: None,
            lng: None,
            client_id: Some("5f0c-1".to_owned()),
            reply_to: None,
        }
    }
}

/// Listen to one more room.
#[derive(Debug, Object)]
#[oai(rename = "SocketSubscribe", example)]
pub(crate) struct AskToListen {
    /// `subscribe` or `unsubscribe`.
    #[oai(rename = "type")]
    frame: String,
    /// Which.
    room: i64,
    /// From where in its log; if absent, from now on.
    #[oai(skip_serializing_if_is_none)]
    since: Option<i64>,
}

impl Example for AskToListen {
    fn example() -> Self {
        Self { frame: "subscribe".to_owned(), room: 7, since: Some(41) }
    }
}

/// Say that you type, or have stopped.
#[derive(Debug, Object)]
#[oai(rename = "SocketTyping", example)]
pub(crate) struct AskToType {
    /// `typing`.
    #[oai(rename = "type")]
    frame: String,
    /// Where; needed on the socket for all rooms.
    #[oai(skip_serializing_if_is_none)]
    room: Option<i64>,
    /// Whether you do; yes if absent.
    #[oai(skip_serializing_if_is_none)]
    on: Option<bool>,
}

impl Example for AskToType {
    fn example() -> Self {
        Self { frame: "typing".to_owned(), room: Some(7), on: Some(true) }
    }
}

/// Say how far you have read.
#[derive(Debug, Object)]
#[oai(rename = "SocketRead", example)]
pub(crate) struct AskToRead {
    /// `read`.
    #[oai(rename = "type")]
    frame: String,
    /// Where; needed on the socket for all rooms.
    #[oai(skip_serializing_if_is_none)]
    room: Option<i64>,
    /// To this number of the room's log.
    seq: i64,
}

impl Example for AskToRead {
    fn example() -> Self {
        Self { frame: "read".to_owned(), room: Some(7), seq: 42 }
    }
}

/// Edit a message.
#[derive(Debug, Object)]
#[oai(rename = "SocketEdit", example)]
pub(crate) struct AskToEdit {
    /// `edit`.
    #[oai(rename = "type")]
    frame: String,
    /// Where; needed on the socket for all rooms.
    #[oai(skip_serializing_if_is_none)]
    room: Option<i64>,
    /// Which message.
    id: i64,
    /// What it says from now on.
    message: String,
}

impl Example for AskToEdit {
    fn example() -> Self {
        let message = "سلام!".to_owned();
        Self { frame: "edit".to_owned(), room: Some(7), id: 941, message }
    }
}

/// Delete a message.
#[derive(Debug, Object)]
#[oai(rename = "SocketDelete", example)]
pub(crate) struct AskToDelete {
    /// `delete`.
    #[oai(rename = "type")]
    frame: String,
    /// Where; needed on the socket for all rooms.
    #[oai(skip_serializing_if_is_none)]
    room: Option<i64>,
    /// Which message.
    id: i64,
}

impl Example for AskToDelete {
    fn example() -> Self {
        Self { frame: "delete".to_owned(), room: Some(7), id: 941 }
    }
}

/// React to a message, or take that back.
#[derive(Debug, Object)]
#[oai(rename = "SocketReact", example)]
pub(crate) struct AskToReact {
    /// `react`.
    #[oai(rename = "type")]
    frame: String,
    /// Where; needed on the socket for all rooms.
    #[oai(skip_serializing_if_is_none)]
    room: Option<i64>,
    /// Which message.
    id: i64,
    /// With what.
    emoji: String,
    /// Whether it is to be there; yes if absent.
    #[oai(skip_serializing_if_is_none)]
    on: Option<bool>,
}

impl Example for AskToReact {
    fn example() -> Self {
        let (frame, emoji) = ("react".to_owned(), "👍".to_owned());
        Self { frame, room: Some(7), id: 941, emoji, on: Some(true) }
    }
}
