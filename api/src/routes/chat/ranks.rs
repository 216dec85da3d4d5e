//! `chat/chatrooms/{id}/permissions/…`.

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::chat::{RoomId, members::Who, permissions::Level};

use super::{
    super::{
        Tag,
        paging::{Paging, example_before, example_limit},
    },
    RoomChangeProblem, RoomLookProblem, by, example_person, example_room,
    members::page,
    people::ChatRoomMemberPage,
    spend,
    types::Permission,
    wanted::{Given, Grant},
};
use crate::{
    caller::SignedIn,
    error::{Code, Problem},
    input::Input,
    state::SharedState,
};

/// The operations on what members may do.
pub(crate) struct RoomRankApi;

#[OpenApi(tag = "Tag::Chat")]
impl RoomRankApi {
    /// Who may what in a room
    ///
    /// Its owner, and the members who hold other levels than 1; the newest accounts first.
    #[oai(
        path = "/chat/chatrooms/:id/permissions",
        method = "get",
        operation_id = "listChatRoomPermissions"
    )]
    async fn list(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        /// Only accounts before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<ChatRoomMemberPage>, RoomLookProblem> {
        let paging = Paging::new(before.0, limit.0);
        Ok(Json(page(state.0, caller.user_id, (id.0, Who::Special), paging).await?))
    }

    /// Give a member levels
    ///
    /// Those you hold yourself, and 0 (reads only). Level 5; to those who hold more than level 1 also
    /// level 7. Nobody gives the owner anything.
    #[oai(
        path = "/chat/chatrooms/:id/permissions",
        method = "post",
        operation_id = "grantChatPermissions"
    )]
    async fn grant(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        input: Input<Given, Grant>,
    ) -> Result<Json<Permission>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let Given { user_id, levels } = input.0;
        let rank = state.chat.grant(&by(&caller), RoomId(id.0), user_id, levels).await;
        Ok(Json(Permission::of(user_id, rank.map_err(Problem::from)?)))
    }

    /// Take a level from a member
    ///
    /// One you hold yourself, or 0 (reads only). Level 6; from those who hold more than level 1 also
    /// level 7.
    #[oai(
        path = "/chat/chatrooms/:id/permissions/:user_id/:level",
        method = "delete",
        operation_id = "revokeChatPermission"
    )]
    async fn revoke(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        /// The member's account.
        #[oai(example = "example_person")]
        user_id: Path<i64>,
        /// The level, 0 to 12.
        #[oai(example = "example_level")]
        level: Path<i64>,
    ) -> Result<Json<Permission>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let level = Level::from_number(level.0).ok_or_else(|| Problem::new(Code::NotFound))?;
        let levels = [level].into_iter().collect();
        let rank = state.chat.revoke(&by(&caller), RoomId(id.0), user_id.0, levels).await;
        Ok(Json(Permission::of(user_id.0, rank.map_err(Problem::from)?)))
    }
}

fn example_level() -> i64 {
    3
}
