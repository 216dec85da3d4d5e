//! `chat/chatrooms/{id}/…`: one's own place in a room.

use poem::web::Data;
use poem_openapi::{OpenApi, param::Path, payload::Json};
use shared::chat::RoomId;

use super::{
    super::Tag, ChatDone, RoomChangeProblem, by, done, example_room, spend, types::Room,
    wanted::Somebody,
};
use crate::{
    caller::SignedIn,
    error::Problem,
    input::Input,
    state::{SharedState, State},
};

/// The operations on one's own place.
pub(crate) struct RoomSeatApi;

#[OpenApi(tag = "Tag::Chat")]
impl RoomSeatApi {
    /// Keep a room at the top
    #[oai(path = "/chat/chatrooms/:id/pin", method = "post", operation_id = "pinChatRoom")]
    async fn pin(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        pin(state.0, &caller, id.0, true).await?;
        Ok(done("The room was pinned."))
    }

    /// Keep a room at the top no longer
    #[oai(path = "/chat/chatrooms/:id/pin", method = "delete", operation_id = "unpinChatRoom")]
    async fn unpin(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        pin(state.0, &caller, id.0, false).await?;
        Ok(done("The room was unpinned."))
    }

    /// Let the others see when you are there
    #[oai(
        path = "/chat/chatrooms/:id/presence",
        method = "post",
        operation_id = "showChatPresence"
    )]
    async fn show_presence(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        presence(state.0, &caller, id.0, true).await?;
        Ok(done("The others see when you are there."))
    }

    /// Let the others see no longer when you are there
    #[oai(
        path = "/chat/chatrooms/:id/presence",
        method = "delete",
        operation_id = "hideChatPresence"
    )]
    async fn hide_presence(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        presence(state.0, &caller, id.0, false).await?;
        Ok(done("The others do not see when you are there."))
    }

    /// Leave a room
    ///
    /// A group. Its owner hands it over first; the last one to leave deletes it.
    #[oai(path = "/chat/chatrooms/:id/leave", method = "post", operation_id = "leaveChatRoom")]
    async fn leave(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let left = state.chat.leave(&by(&caller), RoomId(id.0)).await;
        left.map_err(Problem::from)?;
        Ok(done("You left the room."))
    }

    /// Hand a room over
    ///
    /// A group, to one of its members; you stay a member with every level. For its owner.
    #[oai(
        path = "/chat/chatrooms/:id/transfer",
        method = "post",
        operation_id = "transferChatRoom"
    )]
    async fn transfer(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        input: Input<Somebody>,
    ) -> Result<Json<Room>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let room = RoomId(id.0);
        let given = state.chat.transfer(&by(&caller), room, input.0.user_id).await;
        given.map_err(Problem::from)?;
        let room = state.chat.room(caller.user_id, room).await.map_err(Problem::from)?;
        Ok(Json(Room::seen_by(caller.user_id, room, state.0)))
    }
}

async fn pin(state: &State, caller: &SignedIn, id: i64, on: bool) -> Result<(), Problem> {
    spend(state, caller).await?;
    Ok(state.chat.pin(caller.user_id, RoomId(id), on).await?)
}

async fn presence(state: &State, caller: &SignedIn, id: i64, on: bool) -> Result<(), Problem> {
    spend(state, caller).await?;
    Ok(state.chat.show_presence(caller.user_id, RoomId(id), on).await?)
}
