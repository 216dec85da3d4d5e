//! `chat/ticket/` and `chat/socket/`: what WebSockets need of HTTP. The sockets themselves are in
//! [`crate::ws`].

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json, types::Example};
use rand::rngs::StdRng;
use shared::chat::tickets::Redeemed;

use super::super::Tag;
use crate::{
    caller::{MaybeSignedIn, SignedIn},
    error::{Problem, problems},
    state::{SharedState, State},
    ws::{
        asked::{AskToDelete, AskToEdit, AskToListen, AskToPost, AskToReact, AskToRead, AskToType},
        out::{Ack, ChatMessage, Drain, ErrorFrame, Event, Heartbeat, Passes, Pong, Resume},
        upgrade::PROTOCOL,
    },
};

problems!(
    /// What can go wrong with what sockets need.
    pub(crate) SocketProblem: 400, 401, 408, 413, 500, 503
);

/// A ticket for one WebSocket.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SocketTicket {
    /// What to open it with: `?ticket=…` instead of `?token=…`. It works once.
    ticket: String,
    /// Seconds for which it works.
    expires_in: i64,
    /// The address of the socket for all rooms with the ticket in it.
    url: String,
}

impl Example for SocketTicket {
    fn example() -> Self {
        let ticket = "9f86d081884c7d659a2feaa0c55ad015";
        Self {
            ticket: ticket.to_owned(),
            expires_in: 60,
            url: format!("wss://api.example.com/api/chat/ws/?ticket={ticket}"),
        }
    }
}

/// A ticket was made.
#[derive(ApiResponse)]
pub(crate) enum TicketResponse {
    /// The ticket.
    #[oai(status = 201)]
    Sold(Json<SocketTicket>),
}

/// Where WebSockets are, their bounds, and an example of every frame.
///
/// Open `url` for all rooms, or `room_url` for one, with `?token=`, `?ticket=`, `Authorization: Bearer`, or
/// the protocols `peyk.v1, bearer, <access token>`. Every frame is one JSON object, as text, with its
/// kind in `type`.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SocketGuide {
    /// The socket for all rooms. `?since=7:41,9:3` resumes rooms 7 and 9 where they were.
    url: String,
    /// The socket of one room. `?since=41` resumes it.
    room_url: String,
    /// The protocol to offer for all of these frames; without it a room's socket speaks those of
    /// django-chelseru only: `chat_message`, `webrtc_signal` and `error`.
    protocol: String,
    /// Bytes of a frame, both ways.
    frame_bytes: u32,
    /// Seconds between two heartbeats.
    heartbeat_seconds: u32,
    /// Frames that may be sent, such as `120/1m`.
    rate: String,
    /// What a client sends.
    sends: SocketSends,
    /// What a client is sent.
    gets: SocketGets,
}

/// Frames that a client sends, an example of each. `room` is for the socket of all rooms.
#[derive(Debug, Object)]
pub(crate) struct SocketSends {
    /// Without `type`, or with `chat_message`.
    chat_message: AskToPost,
    /// `subscribe`; `unsubscribe` is the same without `since`.
    subscribe: AskToListen,
    /// `typing`
    typing: AskToType,
    /// `read`
    read: AskToRead,
    /// `edit`
    edit: AskToEdit,
    /// `delete`
    delete: AskToDelete,
    /// `react`
    react: AskToReact,
}

/// Frames that a client is sent, an example of each.
#[derive(Debug, Object)]
pub(crate) struct SocketGets {
    /// A message.
    chat_message: ChatMessage,
    /// The message of this socket is in the room.
    ack: Ack,
    /// A message was edited.
    message_edited: Event,
    /// A message was deleted.
    message_deleted: Event,
    /// Somebody reacted, or took it back.
    reaction: Event,
    /// Something happened to a member.
    member: Event,
    /// Something happened to the room.
    room: Event,
    /// Somebody types.
    typing: Passes,
    /// Somebody read on.
    read: Passes,
    /// Somebody came or went.
    presence: Passes,
    /// Where the socket is in each room.
    heartbeat: Heartbeat,
    /// What was missed has been sent.
    resumed: Resume,
    /// What was missed is too much.
    resync: Resume,
    /// The server is about to stop.
    drain: Drain,
    /// A frame was not carried out.
    error: ErrorFrame,
    /// The answer to `ping`.
    pong: Pong,
}

impl SocketGuide {
    fn of(state: &State) -> Self {
        let (rooms, settings) = (address(state), &state.config.chat.sockets);
        Self {
            url: format!("{rooms}ws/"),
            room_url: format!("{rooms}{{room}}/"),
            protocol: PROTOCOL.to_owned(),
            frame_bytes: settings.frame_bytes,
            heartbeat_seconds: settings.ping_seconds,
            rate: settings.rate.to_string(),
            sends: SocketSends::example(),
            gets: SocketGets::example(),
        }
    }
}

impl Example for SocketGuide {
    fn example() -> Self {
        Self {
            url: "wss://api.example.com/api/chat/ws/".to_owned(),
            room_url: "wss://api.example.com/api/chat/{room}/".to_owned(),
            protocol: PROTOCOL.to_owned(),
            frame_bytes: 4_096,
            heartbeat_seconds: 25,
            rate: "120/1m".to_owned(),
            sends: SocketSends::example(),
            gets: SocketGets::example(),
        }
    }
}

impl Example for SocketSends {
    fn example() -> Self {
        Self {
            chat_message: AskToPost::example(),
            subscribe: AskToListen::example(),
            typing: AskToType::example(),
            read: AskToRead::example(),
            edit: AskToEdit::example(),
            delete: AskToDelete::example(),
            react: AskToReact::example(),
        }
    }
}

impl Example for SocketGets {
    fn example() -> Self {
        Self {
            chat_message: ChatMessage::example(),
            ack: Ack::example(),
            message_edited: Event::edited(),
            message_deleted: Event::deleted(),
            reaction: Event::reacted(),
            member: Event::joined(),
            room: Event::closed(),
            typing: Passes::types(),
            read: Passes::reads(),
            presence: Passes::is_here(),
            heartbeat: Heartbeat::example(),
            resumed: Resume::example(),
            resync: Resume { frame: "resync".to_owned(), ..Resume::example() },
            drain: Drain::example(),
            error: ErrorFrame::example(),
            pong: Pong::example(),
        }
    }
}

/// The address of `chat/` for sockets.
fn address(state: &State) -> String {
    let prefix = state.config.http.prefixes.first().map_or("", String::as_str);
    let url = state.config.http.public_url.replacen("http", "ws", 1);
    format!("{}{}/chat/", url.trim_end_matches('/'), prefix.trim_end_matches('/'))
}

/// What sockets need of HTTP.
pub(crate) struct SocketApi;

#[OpenApi(tag = "Tag::Chat")]
impl SocketApi {
    /// How to open a WebSocket
    ///
    /// Where they are, what bounds they have, and an example of every frame that is sent on them: frames have
    /// no operations of their own in this document.
    #[oai(path = "/chat/socket", method = "get", operation_id = "describeChatSockets")]
    #[expect(clippy::unused_async, reason = "operations are async, this one awaits nothing")]
    async fn describe(
        &self,
        state: Data<&SharedState>,
        _caller: SignedIn,
    ) -> Result<Json<SocketGuide>, SocketProblem> {
        Ok(Json(SocketGuide::of(state.0)))
    }

    /// Buy a ticket for a WebSocket
    ///
    /// For pages, which can set no header: the ticket stands in the address instead of the access token, works
    /// once and for a minute. The socket is open until the access token ends with which the ticket was
    /// bought.
    #[oai(path = "/chat/ticket", method = "post", operation_id = "createChatTicket")]
    async fn sell(
        &self,
        state: Data<&SharedState>,
        caller: MaybeSignedIn,
    ) -> Result<TicketResponse, SocketProblem> {
        let bearer = caller.0?;
        let until = DateTime::<Utc>::from_timestamp(bearer.expires_at, 0).unwrap_or_default();
        let buyer = Redeemed { user_id: bearer.user_id, session_id: bearer.session_id, until };
        let mut rng = rand::make_rng::<StdRng>();
        let sold = state.chat.sell_ticket(buyer, &mut rng).await;
        let sold = sold.map_err(Problem::from)?;
        let left = sold.expires_at - state.chat.now();
        // Whole seconds, those that have begun included.
        let expires_in = (left.num_milliseconds() + 999) / 1_000;
        let url = format!("{}ws/?ticket={}", address(state.0), sold.ticket);
        Ok(TicketResponse::Sold(Json(SocketTicket { ticket: sold.ticket, expires_in, url })))
    }
}
