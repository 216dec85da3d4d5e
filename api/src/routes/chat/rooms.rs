//! `chat/chatrooms/…`.

use poem::web::Data;
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::chat::{RoomId, change::Changes, permissions::Status, rooms::Before};

use super::{
    super::Tag,
    NO_USER_ID, RoomChangeProblem, RoomListProblem, RoomLookProblem, by, example_room, spend,
    types::Room,
    wanted::{CreateRoom, NewRoom, RoomChanges, UpdateRoom, With},
};
use crate::{
    caller::SignedIn,
    error::{Code, Problem},
    input::Input,
    state::{SharedState, State},
};

/// Rooms of a page unless asked otherwise, and at most.
const PAGE: i64 = 200;
const LONGEST_PAGE: i64 = 500;

/// The rooms, as a bare list, as it always was.
#[derive(ApiResponse)]
pub(crate) enum ListRoomsResponse {
    /// The rooms you belong to.
    #[oai(status = 200)]
    Listed(
        Json<Vec<Room>>,
        /// Where the next page is, with `rel="next"` (RFC 8288); absent on the last one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

/// A room that was asked for.
#[derive(ApiResponse)]
pub(crate) enum CreateRoomResponse {
    /// The room you two have.
    #[oai(status = 200)]
    Found(Json<Room>),
    /// A new room.
    #[oai(status = 201)]
    Created(Json<Room>),
}

/// A room that was deleted.
#[derive(ApiResponse)]
pub(crate) enum DeleteRoomResponse {
    /// It is gone.
    #[oai(status = 204)]
    Deleted,
}

/// The operations on rooms themselves.
pub(crate) struct RoomApi;

#[OpenApi(tag = "Tag::Chat")]
impl RoomApi {
    /// Your rooms
    ///
    /// Those you belong to, the latest activity first.
    #[oai(path = "/chat/chatrooms", method = "get", operation_id = "listChatRooms")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// Only rooms after those of the page that named this, in its `Link` header.
        #[oai(example = "example_before", validator(max_length = 64))]
        before: Query<Option<String>>,
        /// How many, at most 500.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<i64>>,
    ) -> Result<ListRoomsResponse, RoomListProblem> {
        let limit = limit.0.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
        let before = before.0.as_deref().map(read_before).transpose()?;
        let found = state.chat.rooms(caller.user_id, before, limit + 1).await;
        let mut found = found.map_err(Problem::from)?;
        let more = i64::try_from(found.len()).is_ok_and(|count| count > limit);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let link = found.last().filter(|_| more).map(|last| link(state.0, Before::of(last), limit));
        let seen = found.into_iter().map(|room| Room::seen_by(caller.user_id, room, state.0));
        Ok(ListRoomsResponse::Listed(Json(seen.collect()), link))
    }

    /// Make a room
    ///
    /// With one person, who may be yourself: you get the room you two have (200), or a new one (201).
    /// With several (`users`): a new group, which you own. Who does not belong to `organization`, or
    /// wants to hear nothing of you, is not found.
    #[oai(path = "/chat/chatrooms", method = "post", operation_id = "createChatRoom")]
    async fn create(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        input: Input<NewRoom, CreateRoom>,
    ) -> Result<CreateRoomResponse, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let (by, NewRoom { with, about }) = (by(&caller), input.0);
        let opened = match with {
            With::One(person) => state.chat.open_direct(&by, person, &about).await,
            With::Several(people) => state.chat.open_group(&by, &people, &about).await,
            With::Nobody => {
                return Err(Problem::new(Code::NotFound).sentence(NO_USER_ID).into());
            }
        };
        let opened = opened.map_err(Problem::from)?;
        let room = Json(Room::seen_by(caller.user_id, opened.room, state.0));
        Ok(if opened.is_new {
            CreateRoomResponse::Created(room)
        } else {
            CreateRoomResponse::Found(room)
        })
    }

    /// Look at a room
    #[oai(path = "/chat/chatrooms/:id", method = "get", operation_id = "getChatRoom")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<Room>, RoomLookProblem> {
        let room = state.chat.room(caller.user_id, RoomId(id.0)).await;
        Ok(Json(Room::seen_by(caller.user_id, room.map_err(Problem::from)?, state.0)))
    }

    /// Change a room
    ///
    /// What is absent stays, and everything else in the request is ignored. All of it happens, or
    /// nothing.
    #[oai(path = "/chat/chatrooms/:id", method = "patch", operation_id = "updateChatRoom")]
    async fn update(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        input: Input<RoomChanges, UpdateRoom>,
    ) -> Result<Json<Room>, RoomChangeProblem> {
        Ok(change(state.0, &caller, id.0, &input.0.0).await?)
    }

    /// Change a room, as the old system's `PUT`
    ///
    /// The same as `PATCH`: what is absent stays.
    #[oai(path = "/chat/chatrooms/:id", method = "put", operation_id = "replaceChatRoom")]
    async fn replace(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        input: Input<RoomChanges, UpdateRoom>,
    ) -> Result<Json<Room>, RoomChangeProblem> {
        Ok(change(state.0, &caller, id.0, &input.0.0).await?)
    }

    /// Delete a room
    ///
    /// For everybody, with all that was said in it. Level 12; of a room of two, either.
    #[oai(path = "/chat/chatrooms/:id", method = "delete", operation_id = "deleteChatRoom")]
    async fn delete(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<DeleteRoomResponse, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let deleted = state.chat.delete(&by(&caller), RoomId(id.0)).await;
        deleted.map_err(Problem::from)?;
        Ok(DeleteRoomResponse::Deleted)
    }

    /// Close a room
    ///
    /// Nobody writes in it then. Level 8.
    #[oai(path = "/chat/chatrooms/:id/close", method = "post", operation_id = "closeChatRoom")]
    async fn close(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<Room>, RoomChangeProblem> {
        Ok(change(state.0, &caller, id.0, &of_status(Status::Closed)).await?)
    }

    /// Open a room again
    ///
    /// One that is closed or held. Level 9.
    #[oai(path = "/chat/chatrooms/:id/reopen", method = "post", operation_id = "reopenChatRoom")]
    async fn reopen(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<Room>, RoomChangeProblem> {
        Ok(change(state.0, &caller, id.0, &of_status(Status::Open)).await?)
    }
}

fn of_status(status: Status) -> Changes {
    Changes { status: Some(status), ..Changes::default() }
}

async fn change(
    state: &State,
    caller: &SignedIn,
    id: i64,
    changes: &Changes,
) -> Result<Json<Room>, Problem> {
    spend(state, caller).await?;
    let room = state.chat.change(&by(caller), RoomId(id), changes).await?;
    Ok(Json(Room::seen_by(caller.user_id, room, state)))
}

fn read_before(text: &str) -> Result<Before, Problem> {
    Before::parse(text).ok_or_else(|| {
        let problem = Problem::new(Code::Validation);
        problem.with_field("before", "invalid", "Use what a `Link` header said.")
    })
}

fn link(state: &State, before: Before, limit: i64) -> String {
    let prefix = state.config.http.prefixes.first().map_or("", String::as_str);
    let url = format!("{}{prefix}/chat/chatrooms/", state.config.http.public_url);
    format!("<{url}?before={}&limit={limit}>; rel=\"next\"", before.to_text())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_before() -> Option<String> {
    Some("1763740800000000-5".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_limit() -> Option<i64> {
    Some(PAGE)
}
