//! `chat/chatrooms/{id}/read/` and `events/`: how far somebody has come in a room's log, and the log.

use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use shared::chat::{
    RoomId,
    log::{Entry, Kind, Place},
    reads,
};

use super::{
    super::Tag,
    asked::{ReadAsked, ReadRoom},
    types::{Person, file_url},
};
use crate::{
    caller::SignedIn,
    error::{Problem, problems},
    input::Input,
    state::{SharedState, State},
    timestamp::Timestamp,
    ws::out::words,
};

/// Entries of a page unless asked otherwise, and at most.
const PAGE: i64 = 100;
const LONGEST_PAGE: i64 = 500;

problems!(
    /// What can go wrong with a look at what happened in a room.
    pub(crate) RoomLogProblem: 400, 401, 403, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a note of how far somebody has read.
    pub(crate) ReadRoomProblem: 400, 401, 403, 404, 408, 413, 415, 500, 503
);

/// How far you have read in a room.
#[derive(Debug, Object)]
#[oai(rename = "ChatReadState", example)]
pub(crate) struct ReadState {
    /// Everything up to this number.
    seq: i64,
    /// Messages of others after it.
    unread_count: i64,
}

impl From<reads::ReadState> for ReadState {
    fn from(state: reads::ReadState) -> Self {
        Self { seq: state.seq, unread_count: state.unread }
    }
}

impl Example for ReadState {
    fn example() -> Self {
        Self { seq: 12, unread_count: 0 }
    }
}

/// One thing that happened in a room, as WebSockets tell it.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ChatEvent", example)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
pub(crate) struct Event {
    /// `chat_message`, `message_edited`, `message_deleted`, `reaction`, `member` or `room`.
    #[oai(rename = "type")]
    frame: String,
    /// Where.
    room: i64,
    /// Its number in the room's log.
    seq: i64,
    /// When.
    created_at: Timestamp,
    /// What happened to a member (`joined`, `left`, `removed`, `banned`, `unbanned`, `levels`, `muted`,
    /// `owner`) or to the room (`changed`, `status`, `deleted`).
    #[oai(skip_serializing_if_is_none)]
    event: Option<String>,
    /// The message it is about.
    #[oai(skip_serializing_if_is_none)]
    id: Option<i64>,
    /// What a new or edited message says now.
    #[oai(skip_serializing_if_is_none)]
    message: Option<String>,
    /// `text`, `image`, `file` or `location`.
    #[oai(skip_serializing_if_is_none)]
    message_type: Option<String>,
    /// Where its file is, for a while.
    #[oai(skip_serializing_if_is_none)]
    file_url: Option<String>,
    /// Degrees north.
    #[oai(skip_serializing_if_is_none)]
    lat: Option<f64>,
    /// Degrees east.
    #[oai(skip_serializing_if_is_none)]
    lng: Option<f64>,
    /// Who wrote a new message.
    #[oai(skip_serializing_if_is_none)]
    sender: Option<Person>,
    /// What its client calls it.
    #[oai(skip_serializing_if_is_none)]
    client_id: Option<String>,
    /// The message it answers.
    #[oai(skip_serializing_if_is_none)]
    reply_to: Option<i64>,
    /// When it was last changed.
    #[oai(skip_serializing_if_is_none)]
    edited_at: Option<Timestamp>,
    /// Whether it was deleted meanwhile.
    #[oai(skip_serializing_if_is_none)]
    is_deleted: Option<bool>,
    /// Who did it, if it is no new message.
    #[oai(skip_serializing_if_is_none)]
    by: Option<Person>,
    /// The member it happened to.
    #[oai(skip_serializing_if_is_none)]
    user: Option<Person>,
    /// More: `emoji`, `on` and `count` of a reaction, `levels`, `until`, `status`, `name`, `descriptions`,
    /// `slow_seconds`, `avatar`, `was_member` of whoever is banned.
    #[oai(skip_serializing_if_is_none)]
    data: Option<serde_json::Value>,
}

impl Event {
    fn seen_by(viewer_id: i64, entry: Entry, state: &State) -> Self {
        let (frame, event) = words(entry.kind);
        let person = |person: &shared::chat::Person| Person::seen_by(viewer_id, person);
        let is_new = entry.kind == Kind::Message;
        let tells = is_new || entry.kind == Kind::MessageEdited;
        let message = entry.message.as_ref();
        let new = message.filter(|_| is_new);
        Self {
            frame: frame.to_owned(),
            room: entry.room.0,
            seq: entry.seq,
            created_at: Timestamp(entry.at),
            event: event.map(str::to_owned),
            id: message.map(|message| message.id),
            message: message.filter(|_| tells).map(|message| message.text.clone()),
            message_type: new.map(|message| message.kind.as_str().to_owned()),
            file_url: new.and_then(|new| new.file.as_ref()).map(|file| file_url(state, file)),
            lat: new.and_then(|message| message.lat),
            lng: new.and_then(|message| message.lng),
            sender: new.map(|message| person(&message.sender)),
            client_id: new
                .filter(|message| message.sender.id == viewer_id)
                .and_then(|message| message.client_id.clone()),
            reply_to: new.and_then(|message| message.reply_to),
            edited_at: new.and_then(|message| message.edited_at).map(Timestamp),
            is_deleted: new.map(|message| message.deleted_at.is_some()),
            by: entry.actor.as_ref().filter(|_| !is_new).map(person),
            user: entry.subject.as_ref().map(person),
            data: (!is_new).then(|| entry.data.into()),
        }
    }
}

impl Example for Event {
    fn example() -> Self {
        Self {
            frame: "chat_message".to_owned(),
            room: 5,
            seq: 12,
            created_at: Timestamp(chrono::DateTime::UNIX_EPOCH),
            event: None,
            id: Some(941),
            message: Some("سلام".to_owned()),
            message_type: Some("text".to_owned()),
            file_url: None,
            lat: None,
            lng: None,
            sender: Some(Person::example()),
            client_id: None,
            reply_to: None,
            edited_at: None,
            is_deleted: Some(false),
            by: None,
            user: None,
            data: None,
        }
    }
}

/// A page of what happened, in its order.
#[derive(Debug, Object)]
#[oai(rename = "ChatEventPage", example)]
pub(crate) struct EventPage {
    /// The next page; null when nothing more has happened yet.
    next: Option<String>,
    /// Pages go one way: always null.
    previous: Option<String>,
    /// What happened.
    results: Vec<Event>,
}

impl Example for EventPage {
    fn example() -> Self {
        Self { next: None, previous: None, results: vec![Event::example()] }
    }
}

/// The operations on the logs of rooms.
pub(crate) struct ChatLogApi;

#[OpenApi(tag = "Tag::Chat")]
impl ChatLogApi {
    /// Note how far you have read
    ///
    /// It only goes forward, and the others see it. What you write yourself is not unread.
    #[oai(path = "/chat/chatrooms/:id/read", method = "post", operation_id = "readChatRoom")]
    async fn read(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        input: Input<ReadAsked, ReadRoom>,
    ) -> Result<Json<ReadState>, ReadRoomProblem> {
        let noted = state.chat.read(caller.user_id, RoomId(id.0), input.0.0).await;
        Ok(Json(noted.map_err(Problem::from)?.into()))
    }

    /// What happened in a room
    ///
    /// Everything after a number, in its order: what a WebSocket would have told. For clients that come
    /// back after a while, or have none.
    #[oai(path = "/chat/chatrooms/:id/events", method = "get", operation_id = "listChatEvents")]
    async fn events(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        /// Only what happened after this number; everything if absent.
        #[oai(example = "example_since")]
        since: Query<Option<i64>>,
        /// How many, at most 500.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<EventPage>, RoomLogProblem> {
        let limit = limit.0.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
        let place = Place { room: RoomId(id.0), after: since.0.unwrap_or(0) };
        let found = state.chat.events(caller.user_id, place, limit + 1).await;
        let mut found = found.map_err(Problem::from)?;
        let more = i64::try_from(found.len()).is_ok_and(|count| count > limit);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = found.last().filter(|_| more).map(|entry| entry.seq);
        let next = last.map(|last| {
            let prefix = state.config.http.prefixes.first().map_or("", String::as_str);
            let (url, room) = (&state.config.http.public_url, id.0);
            format!("{url}{prefix}/chat/chatrooms/{room}/events/?since={last}&limit={limit}")
        });
        let shown = found.into_iter().map(|entry| Event::seen_by(caller.user_id, entry, state.0));
        Ok(Json(EventPage { next, previous: None, results: shown.collect() }))
    }
}

fn example_room() -> i64 {
    5
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_since() -> Option<i64> {
    Some(8)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_limit() -> Option<i64> {
    Some(PAGE)
}
