//! `chat/chatrooms/{id}/members/…` and `…/bans/…`.

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::chat::{RoomId, members::Who};

use super::{
    super::{
        Tag,
        paging::{Link, Paging, example_before, example_limit},
    },
    ChatDone, RoomChangeProblem, RoomLookProblem, by, done, example_person, example_room,
    people::{Ban, ChatRoomBanPage, ChatRoomMemberPage, Member},
    spend,
    types::Room,
    wanted::{AddMembers, Mute, NewBan, Newcomers},
};
use crate::{
    caller::SignedIn,
    error::Problem,
    input::Input,
    state::{SharedState, State},
};

/// The operations on members.
pub(crate) struct RoomMemberApi;

#[OpenApi(tag = "Tag::Chat")]
impl RoomMemberApi {
    /// A room's members
    ///
    /// The newest accounts first. For its members.
    #[oai(
        path = "/chat/chatrooms/:id/members",
        method = "get",
        operation_id = "listChatRoomMembers"
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
        Ok(Json(page(state.0, caller.user_id, (id.0, Who::Everybody), paging).await?))
    }

    /// Let people in
    ///
    /// Into a group. Who is in stays what they are. Who does not belong to the room's organization, or
    /// wants to hear nothing of you, is not found. Level 2.
    #[oai(
        path = "/chat/chatrooms/:id/members",
        method = "post",
        operation_id = "addChatRoomMembers"
    )]
    async fn add(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        input: Input<Newcomers, AddMembers>,
    ) -> Result<Json<Room>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let room = RoomId(id.0);
        state.chat.add(&by(&caller), room, &input.0.0).await.map_err(Problem::from)?;
        let room = state.chat.room(caller.user_id, room).await.map_err(Problem::from)?;
        Ok(Json(Room::seen_by(caller.user_id, room, state.0)))
    }

    /// Put a member out, or leave
    ///
    /// Level 3; against those who hold more than level 1 also level 7. Nobody puts the owner out.
    #[oai(
        path = "/chat/chatrooms/:id/members/:user_id",
        method = "delete",
        operation_id = "removeChatRoomMember"
    )]
    async fn remove(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        /// The member's account; one's own to leave.
        #[oai(example = "example_person")]
        user_id: Path<i64>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let removed = state.chat.kick(&by(&caller), RoomId(id.0), user_id.0).await;
        removed.map_err(Problem::from)?;
        Ok(done("The member was removed."))
    }

    /// Silence a member
    ///
    /// For a time: they read and do not write. Level 3.
    #[oai(
        path = "/chat/chatrooms/:id/members/:user_id/mute",
        method = "post",
        operation_id = "muteChatRoomMember"
    )]
    async fn mute(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        /// The member's account.
        #[oai(example = "example_person")]
        user_id: Path<i64>,
        input: Input<Mute>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let (room, seconds) = (RoomId(id.0), input.0.seconds);
        let muted = state.chat.mute(&by(&caller), room, user_id.0, Some(seconds)).await;
        muted.map_err(Problem::from)?;
        Ok(done("The member was silenced."))
    }

    /// Silence a member no longer
    ///
    /// Level 3.
    #[oai(
        path = "/chat/chatrooms/:id/members/:user_id/mute",
        method = "delete",
        operation_id = "unmuteChatRoomMember"
    )]
    async fn unmute(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        /// The member's account.
        #[oai(example = "example_person")]
        user_id: Path<i64>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let muted = state.chat.mute(&by(&caller), RoomId(id.0), user_id.0, None).await;
        muted.map_err(Problem::from)?;
        Ok(done("The member may write again."))
    }

    /// Who is banned from a room
    ///
    /// The newest accounts first. Level 4.
    #[oai(path = "/chat/chatrooms/:id/bans", method = "get", operation_id = "listChatRoomBans")]
    async fn list_bans(
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
    ) -> Result<Json<ChatRoomBanPage>, RoomLookProblem> {
        let paging = Paging::new(before.0, limit.0);
        let (user, room) = (caller.user_id, RoomId(id.0));
        let found = state.chat.bans(user, room, paging.before, paging.rows()).await;
        let mut found = found.map_err(Problem::from)?;
        let path = format!("chat/chatrooms/{}/bans/", id.0);
        let link = Link { state: state.0, path: &path, query: &[] };
        let next = paging.cut(&mut found, |ban| ban.person.id, &link);
        let results = found.into_iter().map(|ban| Ban::seen_by(user, ban)).collect();
        Ok(Json(ChatRoomBanPage { next, previous: None, results }))
    }

    /// Ban somebody from a room
    ///
    /// They are put out, if they were in, and nobody lets them in again. Level 4; against those who hold
    /// more than level 1 also level 7. Nobody bans the owner.
    #[oai(path = "/chat/chatrooms/:id/bans", method = "post", operation_id = "banFromChatRoom")]
    async fn ban(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        input: Input<NewBan>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let NewBan { user_id, reason } = input.0;
        let banned = state.chat.ban(&by(&caller), RoomId(id.0), user_id, reason.as_deref()).await;
        banned.map_err(Problem::from)?;
        Ok(done("The person was banned."))
    }

    /// Lift a ban
    ///
    /// They are not let in by that. Level 4.
    #[oai(
        path = "/chat/chatrooms/:id/bans/:user_id",
        method = "delete",
        operation_id = "unbanFromChatRoom"
    )]
    async fn unban(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        /// The person's account.
        #[oai(example = "example_person")]
        user_id: Path<i64>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let forgiven = state.chat.unban(&by(&caller), RoomId(id.0), user_id.0).await;
        forgiven.map_err(Problem::from)?;
        Ok(done("The ban was lifted."))
    }
}

/// A page of a room's members, or of those of them who are more, or less, than that.
pub(super) async fn page(
    state: &State,
    user: i64,
    (room, who): (i64, Who),
    paging: Paging,
) -> Result<ChatRoomMemberPage, Problem> {
    let asked = (RoomId(room), who);
    let mut found = state.chat.members(user, asked, paging.before, paging.rows()).await?;
    let folder = match who {
        Who::Everybody => "members",
        Who::Special => "permissions",
    };
    let path = format!("chat/chatrooms/{room}/{folder}/");
    let next =
        paging.cut(&mut found, |one| one.person.id, &Link { state, path: &path, query: &[] });
    let now = state.chat.now();
    let results = found.iter().map(|one| Member::seen_by(user, one, now)).collect();
    Ok(ChatRoomMemberPage { next, previous: None, results })
}
