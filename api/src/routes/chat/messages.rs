//! `chat/messages/…`: what is said in rooms.

use std::collections::{HashMap, HashSet};

use poem::web::Data;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use serde_json::Value;
use shared::chat::{
    ChatError, RoomId,
    content::{self, ContentError},
    edit::EditError,
    log,
    post::PostError,
    reactions::{self, ReactError},
    search::Wanted,
};

use super::{
    super::{
        Tag,
        paging::{Link, Paging, example_before, example_limit},
    },
    asked::{AddReaction, EditAsked, EditMessage, PostAsked, PostMessage, ReactAsked},
    types::{Message, Reaction},
};
use crate::{
    caller::SignedIn,
    error::{Code, FieldError, Problem, problems},
    input::Input,
    limits,
    state::{SharedState, State},
};

/// What the old system says of a message that is not there for the caller.
pub(super) const NO_MESSAGE: &str = "No MessageChat matches the given query.";
/// And of a room, where a message is to go there.
const NO_ROOM_TO_WRITE: &str = "چت‌روم پیدا نشد.";
/// Characters of a search at most.
const MOST_SEARCHED: u32 = 200;

problems!(
    /// What can go wrong with a list of messages.
    pub(crate) MessageListProblem: 400, 401, 403, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a look at a message.
    pub(crate) MessageLookProblem: 400, 401, 403, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a new message.
    pub(crate) PostMessageProblem: 400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with a change of a message.
    pub(crate) MessageChangeProblem: 400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503
);
problems!(
    /// What can go wrong with the deletion of a message.
    pub(crate) DeleteMessageProblem: 400, 401, 403, 404, 408, 413, 500, 503
);

/// A page of messages, newest first.
#[derive(Debug, Object)]
#[oai(rename = "ChatMessagePage", example)]
pub(crate) struct MessagePage {
    /// The next page; null on the last.
    next: Option<String>,
    /// Pages go one way: always null.
    previous: Option<String>,
    /// The messages.
    results: Vec<Message>,
}

impl Example for MessagePage {
    fn example() -> Self {
        Self { next: None, previous: None, results: vec![Message::example()] }
    }
}

/// A message that is in the room.
#[derive(ApiResponse)]
pub(crate) enum PostMessageResponse {
    /// It was posted.
    #[oai(status = 201)]
    Created(Json<Message>),
    /// It was posted before, under the same `client_id`: the message as it is now.
    #[oai(status = 200)]
    Repeated(Json<Message>),
}

/// A message that is deleted.
#[derive(ApiResponse)]
pub(crate) enum DeleteMessageResponse {
    /// It is deleted for everybody.
    #[oai(status = 204)]
    Deleted,
}

/// How people reacted to a message.
#[derive(Debug, Object)]
#[oai(rename = "ChatReactions", example)]
pub(crate) struct Reactions {
    /// Each way once, the first one first.
    reactions: Vec<Reaction>,
}

impl Example for Reactions {
    fn example() -> Self {
        Self { reactions: vec![Reaction::example()] }
    }
}

/// The operations on messages.
pub(crate) struct ChatMessageApi;

#[OpenApi(tag = "Tag::Chat")]
impl ChatMessageApi {
    /// The messages of a room
    ///
    /// Newest first, without those that were deleted. Without `chat_room`, or with one that is not there
    /// for you, the page is empty.
    #[oai(path = "/chat/messages", method = "get", operation_id = "listChatMessages")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        chat_room: Query<Option<i64>>,
        /// Only messages before this `seq`.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<MessagePage>, MessageListProblem> {
        let paging = Paging::new(before.0, limit.0);
        let Some(room) = chat_room.0 else { return Ok(Json(MessagePage::nothing())) };
        let asked = state.chat.messages(caller.user_id, RoomId(room), paging.before, paging.rows());
        let mut found = match asked.await {
            // Whether there is such a room is nobody's business but its members'.
            Err(ChatError::NotFound) => return Ok(Json(MessagePage::nothing())),
            found => found.map_err(of_message)?,
        };
        let query = [("chat_room", Some(room.to_string()))];
        let link = Link { state: state.0, path: "chat/messages/", query: &query };
        let next = paging.cut(&mut found, |message| message.seq, &link);
        let results = show(state.0, caller.user_id, found).await?;
        Ok(Json(MessagePage { next, previous: None, results }))
    }

    /// Post a message
    ///
    /// To a room you belong to, while you may write there: not while it is closed or held, you are
    /// silenced, or one of two blocks the other (403), and in a slow room not before its pause is over
    /// (429). The same message again under the same `client_id` is answered 200 with the message
    /// that is there, another one 409.
    #[oai(path = "/chat/messages", method = "post", operation_id = "postChatMessage")]
    async fn post(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        input: Input<PostAsked, PostMessage>,
    ) -> Result<PostMessageResponse, PostMessageProblem> {
        let PostAsked { room, draft } = input.0;
        let new = draft.read(RoomId(room), state.config.chat.message_chars).map_err(wrong)?;
        spend(state.0, &caller).await?;
        let posted = state.chat.post(caller.user_id, new).await.map_err(Problem::from)?;
        if !posted.is_new {
            let shown = show_one(state.0, caller.user_id, posted.message).await?;
            return Ok(PostMessageResponse::Repeated(Json(shown)));
        }
        // Nobody can have reacted yet.
        let room = state.chat.brief(caller.user_id, posted.message.room).await;
        let room = room.map_err(|error| Problem::from(PostError::from(error)))?;
        let shown = Message::seen_by(caller.user_id, posted.message, Vec::new(), &room, state.0);
        Ok(PostMessageResponse::Created(Json(shown)))
    }

    /// Search messages
    ///
    /// In the rooms you belong to, or in one of them; newest first. All words must be there, the last one
    /// may go on. Spellings that look alike are the same: Arabic and Persian letters and digits,
    /// capitals, joiners, vowel marks.
    #[oai(path = "/chat/messages/search", method = "get", operation_id = "searchChatMessages")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the operation")]
    async fn search(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The words, at most ten of them.
        #[oai(example = "example_words", validator(max_length = 200))]
        q: Query<String>,
        /// Only in this room.
        #[oai(example = "example_room")]
        chat_room: Query<Option<i64>>,
        /// Only messages before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<MessagePage>, MessageListProblem> {
        let words = content::read_text(Some(Value::String(q.0)), MOST_SEARCHED, true);
        let words = words.map_err(|error| in_field("q", error))?;
        let Some(wanted) = Wanted::parse(&words) else { return Ok(Json(MessagePage::nothing())) };
        let (paging, room) = (Paging::new(before.0, limit.0), chat_room.0);
        let asked = (&wanted, room.map(RoomId));
        let found = state.chat.search(caller.user_id, asked, paging.before, paging.rows()).await;
        let mut found = found.map_err(Problem::from)?;
        let query = [("q", Some(words)), ("chat_room", room.map(|room| room.to_string()))];
        let link = Link { state: state.0, path: "chat/messages/search/", query: &query };
        let next = paging.cut(&mut found, |message| message.id, &link);
        let results = show(state.0, caller.user_id, found).await?;
        Ok(Json(MessagePage { next, previous: None, results }))
    }

    /// Look at a message
    ///
    /// Of a room you belong to. One that was deleted is 404.
    #[oai(path = "/chat/messages/:id", method = "get", operation_id = "getChatMessage")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
        /// The room; any if absent.
        #[oai(example = "example_room")]
        chat_room: Query<Option<i64>>,
    ) -> Result<Json<Message>, MessageLookProblem> {
        let room = chat_room.0.map(RoomId);
        let found = state.chat.message(caller.user_id, room, id.0).await.map_err(of_message)?;
        Ok(Json(show_one(state.0, caller.user_id, found).await?))
    }

    /// Edit a message
    ///
    /// What your own message says, while you may write in its room. Everybody sees that it was edited.
    #[oai(path = "/chat/messages/:id", method = "patch", operation_id = "editChatMessage")]
    async fn edit(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
        /// The room; any if absent.
        #[oai(example = "example_room")]
        chat_room: Query<Option<i64>>,
        input: Input<EditAsked, EditMessage>,
    ) -> Result<Json<Message>, MessageChangeProblem> {
        Ok(Json(edit(state.0, &caller, (chat_room.0, id.0), input.0).await?))
    }

    /// Edit a message
    ///
    /// As `PATCH` does.
    #[oai(path = "/chat/messages/:id", method = "put", operation_id = "replaceChatMessage")]
    async fn replace(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
        /// The room; any if absent.
        #[oai(example = "example_room")]
        chat_room: Query<Option<i64>>,
        input: Input<EditAsked, EditMessage>,
    ) -> Result<Json<Message>, MessageChangeProblem> {
        Ok(Json(edit(state.0, &caller, (chat_room.0, id.0), input.0).await?))
    }

    /// Delete a message
    ///
    /// Your own, or that of somebody you may put out of the room. It is gone for everybody, with its file
    /// and its reactions; only its place in the room stays.
    #[oai(path = "/chat/messages/:id", method = "delete", operation_id = "deleteChatMessage")]
    async fn delete(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
        /// The room; any if absent.
        #[oai(example = "example_room")]
        chat_room: Query<Option<i64>>,
    ) -> Result<DeleteMessageResponse, DeleteMessageProblem> {
        let at = (chat_room.0.map(RoomId), id.0);
        state.chat.delete_message(caller.user_id, at).await.map_err(of_message)?;
        Ok(DeleteMessageResponse::Deleted)
    }

    /// React to a message
    ///
    /// Once with each emoji; 20 different ones at most on one message. Doing it again changes nothing.
    #[oai(path = "/chat/messages/:id/reactions", method = "post", operation_id = "addChatReaction")]
    async fn react(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
        input: Input<ReactAsked, AddReaction>,
    ) -> Result<Json<Reactions>, MessageChangeProblem> {
        let emoji = content::read_emoji(input.0.emoji).map_err(|error| wrong(vec![error]))?;
        spend(state.0, &caller).await?;
        let left = state.chat.react(caller.user_id, (None, id.0), (&emoji, true)).await;
        Ok(Json(left.map_err(Problem::from)?.into()))
    }

    /// Take a reaction back
    ///
    /// Your own. Doing it again changes nothing.
    #[oai(
        path = "/chat/messages/:id/reactions",
        method = "delete",
        operation_id = "removeChatReaction"
    )]
    async fn take_back(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
        /// Which.
        #[oai(example = "example_emoji", validator(min_length = 1, max_length = 16))]
        emoji: Query<String>,
    ) -> Result<Json<Reactions>, MessageChangeProblem> {
        let emoji = content::read_emoji(Some(Value::String(emoji.0)));
        let emoji = emoji.map_err(|error| wrong(vec![error]))?;
        spend(state.0, &caller).await?;
        let left = state.chat.react(caller.user_id, (None, id.0), (&emoji, false)).await;
        Ok(Json(left.map_err(Problem::from)?.into()))
    }
}

async fn edit(
    state: &State,
    caller: &SignedIn,
    (room, id): (Option<i64>, i64),
    asked: EditAsked,
) -> Result<Message, Problem> {
    // Whether nothing may be left of the text the message decides.
    let is_given = asked.text.is_some();
    let text = content::read_text(asked.text, state.config.chat.message_chars, is_given);
    let text = text.map_err(|error| wrong(vec![error]))?;
    spend(state, caller).await?;
    let edited = state.chat.edit(caller.user_id, (room.map(RoomId), id), &text).await?;
    show_one(state, caller.user_id, edited).await
}

/// Counts against `chat.rate`.
async fn spend(state: &State, caller: &SignedIn) -> Result<(), Problem> {
    let ask = limits::chat_writes(&state.config, caller.user_id);
    Ok(caller.measured.ask(state, &[ask]).await?)
}

async fn show_one(
    state: &State,
    viewer_id: i64,
    message: log::Message,
) -> Result<Message, Problem> {
    let shown = show(state, viewer_id, vec![message]).await?;
    shown.into_iter().next().ok_or_else(|| Problem::new(Code::NotFound).sentence(NO_MESSAGE))
}

/// Messages as somebody sees them, with their rooms and how people reacted. Those of a room they were
/// put out of a moment ago are left out.
async fn show(
    state: &State,
    viewer_id: i64,
    messages: Vec<log::Message>,
) -> Result<Vec<Message>, Problem> {
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    let mut reactions = state.chat.reactions(viewer_id, &ids).await?;
    let named: HashSet<_> = messages.iter().map(|message| message.room).collect();
    let named: Vec<_> = named.into_iter().collect();
    let rooms = state.chat.briefs(viewer_id, &named).await?;
    let rooms: HashMap<_, _> = rooms.into_iter().map(|room| (room.id, room)).collect();
    let seen = messages.into_iter().filter_map(|message| {
        let room = rooms.get(&message.room)?;
        let reactions = reactions.remove(&message.id).unwrap_or_default();
        let reactions = reactions.into_iter().map(Reaction::from).collect();
        Some(Message::seen_by(viewer_id, message, reactions, room, state))
    });
    Ok(seen.collect())
}

impl MessagePage {
    fn nothing() -> Self {
        Self { next: None, previous: None, results: Vec::new() }
    }
}

impl From<reactions::Reaction> for Reaction {
    fn from(reaction: reactions::Reaction) -> Self {
        Self { emoji: reaction.emoji, count: reaction.count, mine: reaction.mine }
    }
}

impl From<Vec<reactions::Reaction>> for Reactions {
    fn from(reactions: Vec<reactions::Reaction>) -> Self {
        Self { reactions: reactions.into_iter().map(Reaction::from).collect() }
    }
}

/// What is wrong with the fields of a message.
fn wrong(errors: Vec<ContentError>) -> Problem {
    Problem::validation(
        errors.into_iter().map(|error| named(error.field.as_str(), error)).collect(),
    )
}

fn in_field(name: &'static str, error: ContentError) -> Problem {
    Problem::validation(vec![named(name, error)])
}

fn named(name: &'static str, error: ContentError) -> FieldError {
    FieldError { field: Some(name.into()), code: error.code.into(), message: error.message }
}

/// Where a message is asked for, what is not there is that.
fn of_message(error: ChatError) -> Problem {
    match error {
        ChatError::NotFound => Problem::new(Code::NotFound).sentence(NO_MESSAGE),
        other => other.into(),
    }
}

impl From<PostError> for Problem {
    fn from(error: PostError) -> Self {
        let absent = |field: &'static str| {
            let message = "There is no such thing, or not for this message.";
            Self::new(Code::Validation).with_field(field, "does_not_exist", message)
        };
        match error {
            PostError::NotFound => Self::new(Code::NotFound).sentence(NO_ROOM_TO_WRITE),
            PostError::Banned => Self::new(Code::Banned),
            PostError::Refused(refusal) => refusal.into(),
            PostError::Slow { seconds } => Self::new(Code::SlowMode).with_retry_after(seconds),
            PostError::NoSuchAttachment => absent(content::Field::Attachment.as_str()),
            PostError::NoSuchReply => absent(content::Field::ReplyTo.as_str()),
            PostError::Conflict => Self::new(Code::ClientIdUsed),
            PostError::Write(error) => error.into(),
        }
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Chat(error) => of_message(error),
            EditError::Blank => Self::new(Code::Validation).with_field(
                content::Field::Text.as_str(),
                "blank",
                "This field may not be blank.",
            ),
        }
    }
}

impl From<ReactError> for Problem {
    fn from(error: ReactError) -> Self {
        match error {
            ReactError::Chat(error) => of_message(error),
            ReactError::TooMany => {
                Self::new(Code::LimitReached).with_argument(reactions::MOST.to_string())
            }
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_room() -> Option<i64> {
    Some(5)
}

fn example_message() -> i64 {
    941
}

fn example_words() -> String {
    "کتاب".to_owned()
}

fn example_emoji() -> String {
    "👍".to_owned()
}
