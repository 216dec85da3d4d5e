//! `admin/chat/rooms/…`: anybody's rooms, and what is said there.

use poem::web::Data;
use poem_openapi::{
    Enum, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::{
    admin::lists::{
        Value, room_messages,
        room_messages::StaffRoomMessage as Said,
        rooms::{self as by, StaffRoom as Found},
    },
    audit::Subject,
};

use super::{
    StaffListProblem, StaffLookProblem,
    listing::{Asked, ByAge, example_cursor, example_flag, example_sort, text_value},
    room_types::{
        StaffRoomMessage, StaffRoomMessagePage, StaffRoomPage, StaffRoomStatus, StaffRoomStory,
    },
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem},
    routes::{Tag, paging::example_limit},
    state::SharedState,
};

/// The order of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum RoomOrder {
    /// The latest first.
    Newest,
    /// The first one first.
    Oldest,
    /// The latest activity first; only together with `user_id` or `organization_id`.
    LastActivity,
}

/// The operations.
pub(crate) struct StaffRoomApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffRoomApi {
    /// Find rooms
    ///
    /// Also those that were deleted and not yet purged. For support and admins. Written down in the
    /// audit log.
    #[oai(path = "/admin/chat/rooms", method = "get", operation_id = "listStaffRooms")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ModerateChat>,
        /// The number of a room, or the beginning of its name in any case.
        #[oai(example = "example_name", validator(max_length = 150))]
        search: Query<Option<String>>,
        /// Only rooms of two people, or only groups.
        #[oai(example = "example_flag")]
        is_direct: Query<Option<bool>>,
        /// Only rooms that take messages so.
        #[oai(example = "example_status")]
        status: Query<Option<StaffRoomStatus>>,
        /// Only rooms of this organization.
        #[oai(example = "example_organization")]
        organization_id: Query<Option<i64>>,
        /// Only rooms this account belongs to.
        #[oai(example = "example_user")]
        user_id: Query<Option<i64>>,
        /// Only rooms that were deleted, or that were not.
        #[oai(example = "example_flag")]
        is_deleted: Query<Option<bool>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_order")]
        sort: Query<Option<RoomOrder>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffRoomPage>, StaffListProblem> {
        let read = |text: &str| match text.parse() {
            Ok(id) => Some((&by::ID, Value::Integer(id))),
            Err(_) => Some((&by::NAME_PREFIX, text_value(text))),
        };
        let asked = Asked::new(state.0, "admin/chat/rooms/", (sort.0, cursor.0, limit.0))
            .search(search.0, read)
            .with(&by::IS_DIRECT, is_direct.0)
            .with(&by::STATUS, status.0)
            .with(&by::ORGANIZATION_ID, organization_id.0)
            .with(&by::USER_ID, user_id.0)
            .with(&by::IS_DELETED, is_deleted.0);
        Ok(Json(asked.page::<Found, StaffRoomPage>(&staff).await?))
    }

    /// Look at anybody's room
    ///
    /// With those who are in it and those who may not come back, not with what is said there. For
    /// support and admins. Written down in the audit log.
    #[oai(path = "/admin/chat/rooms/:id", method = "get", operation_id = "getStaffRoom")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ModerateChat>,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<StaffRoomStory>, StaffLookProblem> {
        let found = state.admin.room(&staff.caller.source(), id.0).await;
        let found = found.map_err(Problem::from)?.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Json(StaffRoomStory::seen_by(staff.caller.user_id, found, state.chat.now())))
    }

    /// Read what is said in a room
    ///
    /// For support and admins. Written down in the audit log as `room.read`, with the numbers of the
    /// messages.
    #[oai(
        path = "/admin/chat/rooms/:id/messages",
        method = "get",
        operation_id = "listStaffRoomMessages"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn messages(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ModerateChat>,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
        /// Only messages of this account.
        #[oai(example = "example_user")]
        user_id: Query<Option<i64>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffRoomMessagePage>, StaffLookProblem> {
        let id = id.0;
        if !state.admin.has_room(id).await.map_err(Problem::from)? {
            return Err(Problem::new(Code::NotFound).into());
        }
        let path = format!("admin/chat/rooms/{id}/messages/");
        let asked = Asked::new(state.0, path, (sort.0, cursor.0, limit.0))
            .about(Subject::room(id), &room_messages::ROOM, id)
            .with(&room_messages::USER_ID, user_id.0);
        let viewer = staff.caller.user_id;
        let answer = |said| StaffRoomMessage::seen_by(viewer, said);
        Ok(Json(asked.page_of::<Said, StaffRoomMessagePage>(&staff, answer).await?))
    }
}

fn example_room() -> i64 {
    5
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_name() -> Option<String> {
    Some("sara".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_status() -> Option<StaffRoomStatus> {
    Some(StaffRoomStatus::Closed)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_organization() -> Option<i64> {
    Some(3)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_user() -> Option<i64> {
    Some(17)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_order() -> Option<RoomOrder> {
    Some(RoomOrder::Newest)
}
