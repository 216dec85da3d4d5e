//! Carrying out the frames of a socket, one after the other.

use std::{sync::Arc, thread};

use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};
use shared::{
    auth::bearers::Bearer,
    chat::{
        RoomId,
        announce::Passing,
        content::{self, ContentError, Draft, Field},
        permissions::Action,
        reads::UpTo,
    },
};

use super::{
    feed,
    hub::{Entered, Start},
    out::{self, Ack, ErrorFrame, Pong},
    slot::{Close, Scope, Slot},
};
use crate::{
    error::{Code, Problem},
    limits::{self, Measured},
    state::{SharedState, State},
};

/// The longest frame that is carried out and sent.
pub(super) fn frame_bytes(state: &State) -> usize {
    usize::try_from(state.config.chat.sockets.frame_bytes).unwrap_or(usize::MAX)
}

/// Tells a socket that a frame is not carried out.
pub(super) fn refuse(slot: &Slot, code: &str) {
    let code = if code == "frame_too_long" { Code::FrameTooLong } else { Code::BadFrame };
    tell(slot, &Problem::new(code), &Asked::default());
}

/// The same of one that came too fast.
pub(super) fn refuse_pace(slot: &Slot, seconds: u32) {
    tell(slot, &Problem::new(Code::RateLimited).with_retry_after(seconds), &Asked::default());
}

/// Closes the socket if its work ends in a panic: it would wait for ever.
struct Working(Arc<Slot>);

impl Drop for Working {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close(Close::Fault);
            while self.0.next_to_do().is_some() {}
        }
    }
}

/// Carries out what a socket has sent, until there is nothing left.
pub(super) async fn work(state: SharedState, slot: Arc<Slot>) {
    let working = Working(slot);
    let slot = &working.0;
    while let Some(frame) = slot.next_to_do() {
        if slot.is_closing() {
            continue;
        }
        let mut asked = Asked::default();
        if let Err(problem) = carry_out(&state, slot, &frame, &mut asked).await {
            if problem.code().status().is_server_error() {
                let cause = std::error::Error::source(&problem).map(ToString::to_string);
                tracing::error!(code = problem.code().as_str(), cause, "frame failed");
            }
            tell(slot, &problem, &asked);
        }
    }
}

/// What an answer says of the frame it answers.
#[derive(Default)]
struct Asked {
    room: Option<i64>,
    client_id: Option<String>,
}

fn tell(slot: &Slot, problem: &Problem, asked: &Asked) {
    let wrong = problem.first_error();
    let frame = ErrorFrame {
        frame: "error".to_owned(),
        code: problem.code().as_str().to_owned(),
        message: match wrong {
            Some(wrong) => wrong.message.clone().into_owned(),
            None => problem.detail(slot.profile.language),
        },
        field: wrong.and_then(|wrong| wrong.field.as_deref().map(in_frames)),
        room: asked.room,
        client_id: asked.client_id.clone(),
        retry_after: problem.retry_after(),
    };
    slot.push(out::text(&frame));
}

/// What a field of a message is called in frames.
fn in_frames(field: &str) -> String {
    if field == Field::Text.as_str() { Field::Text.in_frames() } else { field }.to_owned()
}

/// A frame that was read as an object, and who sent it.
struct Frame<'a> {
    state: &'a SharedState,
    slot: &'a Arc<Slot>,
    members: Map<String, Value>,
}

async fn carry_out(
    state: &SharedState,
    slot: &Arc<Slot>,
    text: &str,
    asked: &mut Asked,
) -> Result<(), Problem> {
    let read = serde_json::from_str(text);
    let Ok(members) = read else { return Err(Problem::new(Code::BadFrame)) };
    let frame = Frame { state, slot, members };
    let kind = frame.members.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_signal = frame.members.get("message_type").is_some_and(|it| it == "webrtc_signal");
    if is_signal {
        return frame.signal(text, frame.room(asked)?).await;
    }
    match kind.as_str() {
        "ping" => {
            frame.ping();
            Ok(())
        }
        "token" => frame.show_token(),
        "subscribe" => frame.subscribe(frame.room(asked)?).await,
        "unsubscribe" => frame.unsubscribe(frame.room(asked)?),
        "typing" => frame.type_(frame.room(asked)?).await,
        "read" => frame.read(frame.room(asked)?).await,
        "edit" => frame.edit(frame.room(asked)?).await,
        "delete" => frame.delete(frame.room(asked)?).await,
        "react" => frame.react(frame.room(asked)?).await,
        "" | "chat_message" | "message" => frame.post(asked).await,
        // The systems Peyk replaces do not look at it.
        _ if !slot.profile.dialect.is_typed => frame.post(asked).await,
        _ => Err(Problem::new(Code::UnknownFrame)),
    }
}

impl Frame<'_> {
    fn user_id(&self) -> i64 {
        self.slot.profile.user_id
    }

    /// The room the frame is for: the socket's, or the one it names.
    fn room(&self, asked: &mut Asked) -> Result<RoomId, Problem> {
        let named = match self.members.get("room") {
            None | Some(Value::Null) => None,
            Some(named) => Some(whole(named).ok_or_else(|| wrong("room", "invalid", INTEGER))?),
        };
        asked.room = named;
        match (self.slot.profile.scope, named) {
            (Scope::One(room), None) => Ok(room),
            (Scope::One(room), Some(named)) if named == room.0 => Ok(room),
            (Scope::One(_), Some(_)) => Err(Problem::new(Code::NotFound)),
            (Scope::All, Some(named)) => Ok(RoomId(named)),
            (Scope::All, None) => Err(wrong("room", "required", REQUIRED)),
        }
    }

    fn number(&self, name: &'static str) -> Result<i64, Problem> {
        let value = self.members.get(name).ok_or_else(|| wrong(name, "required", REQUIRED))?;
        whole(value).ok_or_else(|| wrong(name, "invalid", INTEGER))
    }

    fn is_on(&self) -> Result<bool, Problem> {
        match self.members.get("on") {
            None | Some(Value::Null) => Ok(true),
            Some(Value::Bool(on)) => Ok(*on),
            Some(_) => Err(wrong("on", "invalid", "Must be a valid boolean.")),
        }
    }

    async fn pay(&self) -> Result<(), Problem> {
        let asks = [limits::chat_writes(&self.state.config, self.user_id())];
        Ok(Measured::default().ask(self.state, &asks).await?)
    }

    async fn post(mut self, asked: &mut Asked) -> Result<(), Problem> {
        asked.client_id = self.members.get("client_id").and_then(Value::as_str).map(short);
        let room = self.room(asked)?;
        let mut take = |name: &str| self.members.remove(name);
        let draft = Draft {
            text: take("message"),
            kind: take("message_type"),
            attachment: take("attach_id"),
            lat: take("lat"),
            lng: take("lng"),
            client_id: take("client_id"),
            reply_to: take("reply_to"),
        };
        let new = draft.read(room, self.state.config.chat.message_chars).map_err(invalid)?;
        self.pay().await?;
        let posted = self.state.chat.post(self.user_id(), new).await?;
        if self.slot.profile.dialect.is_typed {
            let message = posted.message;
            self.slot.push(out::text(&Ack {
                frame: "ack".to_owned(),
                room: room.0,
                id: message.id,
                seq: message.seq,
                client_id: message.client_id,
                created_at: message.created_at,
                repeated: !posted.is_new,
            }));
        }
        Ok(())
    }

    async fn signal(&self, text: &str, room: RoomId) -> Result<(), Problem> {
        self.state.chat.check(room, self.user_id(), Action::Post).await?;
        let raw: Box<RawValue> = RawValue::from_string(text.to_owned())
            .or_else(|_| to_raw_value(&self.members))
            .map_err(Problem::internal)?;
        let signal = Passing::Signal { user_id: self.user_id(), frame: raw.into() };
        self.state.chat.announcer().passing(room, signal);
        Ok(())
    }

    async fn type_(&self, room: RoomId) -> Result<(), Problem> {
        let on = self.is_on()?;
        if !self.state.sockets.hub.listens(self.slot, room) {
            return Err(Problem::new(Code::NotFound));
        }
        if self.state.sockets.hub.may_type(room, self.user_id(), on) {
            self.state.chat.check(room, self.user_id(), Action::Post).await?;
            let typing = Passing::Typing { user_id: self.user_id(), on };
            self.state.chat.announcer().passing(room, typing);
        }
        Ok(())
    }

    async fn read(&self, room: RoomId) -> Result<(), Problem> {
        let seq = self.number("seq")?;
        self.state.chat.read(self.user_id(), room, UpTo::Seq(seq)).await?;
        Ok(())
    }

    async fn edit(&self, room: RoomId) -> Result<(), Problem> {
        let id = self.number("id")?;
        let text = self.members.get("message").cloned();
        let chars = self.state.config.chat.message_chars;
        let text = content::read_text(text, chars, true).map_err(|error| invalid(vec![error]))?;
        self.pay().await?;
        self.state.chat.edit(self.user_id(), (Some(room), id), &text).await?;
        Ok(())
    }

    async fn delete(&self, room: RoomId) -> Result<(), Problem> {
        let id = self.number("id")?;
        self.pay().await?;
        self.state.chat.delete_message(self.user_id(), (Some(room), id)).await?;
        Ok(())
    }

    async fn react(&self, room: RoomId) -> Result<(), Problem> {
        let (id, on) = (self.number("id")?, self.is_on()?);
        let emoji = content::read_emoji(self.members.get("emoji").cloned());
        let emoji = emoji.map_err(|error| invalid(vec![error]))?;
        self.pay().await?;
        self.state.chat.react(self.user_id(), (Some(room), id), (&emoji, on)).await?;
        Ok(())
    }

    async fn subscribe(&self, room: RoomId) -> Result<(), Problem> {
        let start = match self.members.get("since") {
            None | Some(Value::Null) => Start::Now,
            Some(since) => {
                Start::After(whole(since).ok_or_else(|| wrong("since", "invalid", INTEGER))?)
            }
        };
        let (chat, hub) = (&self.state.chat, &self.state.sockets.hub);
        let Some(seated) = chat.memberships(&[self.user_id()], Some(room)).await?.pop() else {
            // It says why not; somebody who came in just now tries again.
            chat.check(room, self.user_id(), Action::See).await?;
            return Err(Problem::new(Code::NotFound));
        };
        match hub.enter(self.slot, &seated, start) {
            Entered::Behind(at) => feed::catch_up(hub, chat, self.slot, room, at).await,
            Entered::Live | Entered::Already => hub.beat(self.slot, Some(room)),
            Entered::TooMany => return Err(Problem::new(Code::TooManySubscriptions)),
            Entered::Gone => {}
        }
        Ok(())
    }

    fn unsubscribe(&self, room: RoomId) -> Result<(), Problem> {
        let is_all = self.slot.profile.scope == Scope::All;
        if is_all && self.state.sockets.hub.leave(self.slot, room) {
            return Ok(());
        }
        Err(Problem::new(Code::NotFound))
    }

    fn ping(&self) {
        self.slot.push(out::text(&Pong { frame: "pong".to_owned() }));
    }

    /// A newer token of the same session keeps the socket open for longer.
    fn show_token(&self) -> Result<(), Problem> {
        let token = self.members.get("token").and_then(Value::as_str);
        let token = token.ok_or_else(|| wrong("token", "required", REQUIRED))?;
        let checked = self.state.auth.bearers().check(token, self.state.auth.now());
        let Bearer { user_id, session_id, expires_at } =
            checked.map_err(|_| Problem::new(Code::TokenNotValid))?;
        let profile = &self.slot.profile;
        if (user_id, session_id) != (profile.user_id, profile.session_id) {
            return Err(Problem::new(Code::TokenNotValid));
        }
        self.slot.extend(expires_at);
        self.ping();
        Ok(())
    }
}

const REQUIRED: &str = "This field is required.";
const INTEGER: &str = "A valid integer is required.";

fn wrong(field: &'static str, code: &'static str, message: &'static str) -> Problem {
    Problem::new(Code::Validation).with_field(field, code, message)
}

fn invalid(errors: Vec<ContentError>) -> Problem {
    errors.into_iter().fold(Problem::new(Code::Validation), |problem, error| {
        problem.with_field(error.field.in_frames(), error.code, error.message)
    })
}

/// A whole number, also as a text, as the old systems take it.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
