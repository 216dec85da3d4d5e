//! Frames to clients, as they are sent and as they are documented.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::chat::{
    Person, RoomId,
    log::{Entry, FileRef, Kind, Message},
};

use super::slot::Dialect;

/// Somebody, in a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "SocketPerson")]
pub(crate) struct FramePerson {
    /// The account.
    pub(crate) id: i64,
    /// Its name.
    pub(crate) username: String,
}

impl From<&Person> for FramePerson {
    fn from(person: &Person) -> Self {
        Self { id: person.id, username: person.public_name() }
    }
}

/// A message was posted.
#[derive(Debug, Clone, PartialEq, Serialize, Object)]
#[oai(rename = "SocketChatMessage")]
pub(crate) struct ChatMessage {
    /// `chat_message`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) frame: String,
    /// The message.
    pub(crate) id: i64,
    /// What it says.
    pub(crate) message: String,
    /// `text`, `image`, `file` or `location`.
    pub(crate) message_type: String,
    /// Where its file is; expires.
    pub(crate) file_url: Option<String>,
    /// Degrees north.
    pub(crate) lat: Option<f64>,
    /// Degrees east.
    pub(crate) lng: Option<f64>,
    /// Who wrote it. On `/ws/chat/…` this is the bare `username`.
    pub(crate) sender: FramePerson,
    /// When.
    pub(crate) created_at: DateTime<Utc>,
    /// Where.
    pub(crate) room: i64,
    /// Its number in the room's log: the place to resume from.
    pub(crate) seq: i64,
    /// What its sender's client calls it.
    pub(crate) client_id: Option<String>,
    /// The message it answers.
    pub(crate) reply_to: Option<i64>,
    /// When it was last edited.
    pub(crate) edited_at: Option<DateTime<Utc>>,
    /// Whether it has been deleted meanwhile; then it says nothing.
    pub(crate) is_deleted: bool,
    /// There if the text is cut short: the whole is `chat/messages/{id}/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) truncated: Option<bool>,
}

/// What happened in a room that is no new message: to a message, to a member, or to the room.
#[derive(Debug, Clone, PartialEq, Serialize, Object)]
#[oai(rename = "SocketEvent")]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
pub(crate) struct Event {
    /// `message_edited`, `message_deleted`, `reaction`, `member` or `room`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) frame: String,
    /// Where.
    pub(crate) room: i64,
    /// Its number in the room's log: the place to resume from.
    pub(crate) seq: i64,
    /// What happened, such as `joined`, `left`, `removed`, `banned`, `unbanned`, `levels`, `muted`,
    /// `owner` (`member`) and `changed`, `status`, `deleted` (`room`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) event: Option<String>,
    /// The message it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) id: Option<i64>,
    /// What an edited message says now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) message: Option<String>,
    /// Who did it; null if nobody did.
    pub(crate) by: Option<FramePerson>,
    /// The member it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) user: Option<FramePerson>,
    /// More: `emoji`, `on` and `count` of a reaction, `levels`, `until`, `status`, `name`, `descriptions`,
    /// `slow_seconds`, `avatar`, `was_member` of whoever is banned.
    pub(crate) data: Value,
    /// When.
    pub(crate) created_at: DateTime<Utc>,
    /// There if the text is cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) truncated: Option<bool>,
}

/// Somebody types, reads on, or comes and goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "SocketPassing")]
pub(crate) struct Passes {
    /// `typing`, `read` or `presence`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) frame: String,
    /// Where.
    pub(crate) room: i64,
    /// Who.
    pub(crate) user_id: i64,
    /// Whether they type, or are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) on: Option<bool>,
    /// How far they have read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) seq: Option<i64>,
    /// Seconds after which they do not type any more, unless it is said again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) expires_in: Option<u32>,
}

/// The message of this socket is in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "SocketAck")]
pub(crate) struct Ack {
    /// `ack`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) frame: String,
    /// Where.
    pub(crate) room: i64,
    /// The message.
    pub(crate) id: i64,
    /// Its number in the room's log.
    pub(crate) seq: i64,
    /// What the client calls it.
    pub(crate) client_id: Option<String>,
    /// When.
    pub(crate) created_at: DateTime<Utc>,
    /// Whether it was there before: it is the same message sent again.
    pub(crate) repeated: bool,
}

/// Where the socket is in the logs of its rooms: everything up to these numbers was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Object)]
#[oai(rename = "SocketHeartbeat")]
pub(crate) struct Heartbeat {
    /// `heartbeat`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) frame: String,
    /// By room.
    pub(crate) heads: Value,
}

/// What was missed has been sent (`resumed`), or is too much (`resync`: read it over HTTP). From `head` on the
/// room is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "SocketResume")]
pub(crate) struct Resume {
    /// `resumed` or `resync`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) frame: String,
    /// Where.
    pub(crate) room: i64,
    /// The place from which on the socket gets everything.
    pub(crate) head: i64,
}

/// The server is about to stop, and closes the socket next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "SocketDrain")]
pub(crate) struct Drain {
    /// `drain`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) frame: String,
    /// Milliseconds to wait before coming back, so that not everybody does at once.
    pub(crate) reconnect_after: u32,
}

/// A frame was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "SocketError")]
pub(crate) struct ErrorFrame {
    /// `error`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) frame: String,
    /// Stable, made for programs: one of the codes of problems, or `bad_frame`, `unknown_type`,
    /// `frame_too_long`.
    pub(crate) code: String,
    /// For people, in the language the socket was opened in.
    pub(crate) message: String,
    /// The field it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) field: Option<String>,
    /// The room the frame was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) room: Option<i64>,
    /// What the client calls the message that was not posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) client_id: Option<String>,
    /// Seconds after which trying again makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub(crate) retry_after: Option<u32>,
}

/// The answer to `ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "SocketPong")]
pub(crate) struct Pong {
    /// `pong`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(crate) frame: String,
}

/// A frame as text.
pub(super) fn text(frame: &impl Serialize) -> Arc<str> {
    serde_json::to_string(frame).map_or_else(|_| "{}".into(), Arc::from)
}

/// Where a file is.
pub(super) type FileUrl = Arc<dyn Fn(&FileRef) -> String + Send + Sync>;

/// How frames are written.
#[derive(Clone)]
pub(super) struct Style {
    /// No frame is longer, in bytes.
    pub(super) most: usize,
    pub(super) file_url: FileUrl,
}

/// One thing that happened, as the sockets of this process get it: each form is written once, when
/// the first socket wants it.
pub(super) struct Rendered<'a> {
    entry: &'a Entry,
    style: &'a Style,
    object: OnceLock<Option<Arc<str>>>,
    name: OnceLock<Option<Arc<str>>>,
}

impl<'a> Rendered<'a> {
    /// Nothing is written yet.
    pub(super) fn new(entry: &'a Entry, style: &'a Style) -> Self {
        Self { entry, style, object: OnceLock::new(), name: OnceLock::new() }
    }

    /// The frame for sockets of this dialect, if they get one.
    pub(super) fn frame(&self, dialect: Dialect) -> Option<Arc<str>> {
        if self.entry.kind != Kind::Message {
            let write = || Some(text_of_event(event(self.entry), self.style.most));
            return if dialect.is_typed { self.object.get_or_init(write).clone() } else { None };
        }
        let message = self.entry.message.as_ref()?;
        if !dialect.is_typed && message.deleted_at.is_some() {
            return None;
        }
        if dialect.names_senders {
            self.name.get_or_init(|| Some(text_of_message(message, true, self.style))).clone()
        } else {
            self.object.get_or_init(|| Some(text_of_message(message, false, self.style))).clone()
        }
    }
}

/// The frame of a message, whole.
fn chat_message(message: &Message, style: &Style) -> ChatMessage {
    ChatMessage {
        frame: "chat_message".to_owned(),
        id: message.id,
        message: message.text.clone(),
        message_type: message.kind.as_str().to_owned(),
        file_url: message.file.as_ref().map(|file| (style.file_url)(file)),
        lat: message.lat,
        lng: message.lng,
        sender: (&message.sender).into(),
        created_at: message.created_at,
        room: message.room.0,
        seq: message.seq,
        client_id: message.client_id.clone(),
        reply_to: message.reply_to,
        edited_at: message.edited_at,
        is_deleted: message.deleted_at.is_some(),
        truncated: None,
    }
}

fn text_of_message(message: &Message, names_sender: bool, style: &Style) -> Arc<str> {
    let (mut frame, most) = (chat_message(message, style), style.most);
    loop {
        let written = if names_sender { with_name(&frame) } else { serde_json::to_string(&frame) };
        let written = written.unwrap_or_default();
        if written.len() <= most || frame.message.is_empty() {
            return written.into();
        }
        frame.truncated = Some(true);
        cut(&mut frame.message, written.len() - most);
    }
}

/// The form of django-chelseru-chat.
fn with_name(frame: &ChatMessage) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(frame)?;
    value["sender"] = frame.sender.username.clone().into();
    serde_json::to_string(&value)
}

fn text_of_event(mut frame: Event, most: usize) -> Arc<str> {
    loop {
        let written = serde_json::to_string(&frame).unwrap_or_default();
        match &mut frame.message {
            Some(text) if written.len() > most && !text.is_empty() => {
                frame.truncated = Some(true);
                cut(text, written.len() - most);
            }
            _ => return written.into(),
        }
    }
}

/// Takes so many bytes off the end of a text, and the rest of a character that is hurt.
fn cut(text: &mut String, bytes: usize) {
    let mut end = text.len().saturating_sub(bytes.max(1));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

/// What something that happens is called: the type of its frame, and what exactly happened.
pub(crate) const fn words(kind: Kind) -> (&'static str, Option<&'static str>) {
    match kind {
        Kind::Message => ("chat_message", None),
        Kind::MessageEdited => ("message_edited", None),
        Kind::MessageDeleted => ("message_deleted", None),
        Kind::MessageReaction => ("reaction", None),
        Kind::MemberJoined => ("member", Some("joined")),
        Kind::MemberLeft => ("member", Some("left")),
        Kind::MemberRemoved => ("member", Some("removed")),
        Kind::MemberBanned => ("member", Some("banned")),
        Kind::MemberUnbanned => ("member", Some("unbanned")),
        Kind::MemberLevels => ("member", Some("levels")),
        Kind::MemberMuted => ("member", Some("muted")),
        Kind::RoomOwner => ("member", Some("owner")),
        Kind::RoomChanged => ("room", Some("changed")),
        Kind::RoomStatus => ("room", Some("status")),
        Kind::RoomDeleted => ("room", Some("deleted")),
    }
}

fn event(entry: &Entry) -> Event {
    let (frame, event) = words(entry.kind);
    let edited = entry.message.as_ref().filter(|_| entry.kind == Kind::MessageEdited);
    Event {
        frame: frame.to_owned(),
        room: entry.room.0,
        seq: entry.seq,
        event: event.map(str::to_owned),
        id: entry.message.as_ref().map(|message| message.id),
        message: edited.map(|message| message.text.clone()),
        by: entry.actor.as_ref().map(FramePerson::from),
        user: entry.subject.as_ref().map(FramePerson::from),
        data: Value::Object(entry.data.clone()),
        created_at: entry.at,
        truncated: None,
    }
}

/// Everything up to these numbers was sent.
pub(super) fn heartbeat(heads: impl IntoIterator<Item = (RoomId, i64)>) -> Arc<str> {
    let heads: Map<_, _> =
        heads.into_iter().map(|(room, head)| (room.to_string(), head.into())).collect();
    text(&Heartbeat { frame: "heartbeat".to_owned(), heads: heads.into() })
}

/// What was missed was sent, or is too much.
pub(super) fn resume(frame: &str, room: RoomId, head: i64) -> Arc<str> {
    text(&Resume { frame: frame.to_owned(), room: room.0, head })
}
