//! `chat/messages/{id}/report/`, `chat/blocks/…` and `admin/chat/…`.

use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use shared::{
    admin::lists::reports,
    chat::{ChatError, RoomId, create::RoomError, moderation},
};

use super::{
    super::{
        Tag,
        admin::{
            StaffChangeProblem, StaffListProblem,
            listing::{Asked, ByAge, example_cursor, example_sort},
        },
        paging::{Link, Paging, example_before, example_limit},
    },
    ChatDone, RoomChangeProblem, RoomListProblem, by, done, example_person, example_room,
    messages::NO_MESSAGE,
    people::{Block, ChatBlockPage, ChatReportPage, Report},
    spend,
    wanted::{Complaint, ReportMessage, ReportReason, SettleReport, Settlement, Somebody},
};
use crate::{
    caller::{SignedIn, Staff, task},
    error::{Code, Problem, problems},
    input::Input,
    state::SharedState,
};

problems!(
    /// What can go wrong with settling a report.
    pub(crate) SettleReportProblem: 400, 401, 403, 404, 408, 413, 415, 500, 503
);

/// A report was made, or was made before.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ChatReported {
    /// Its number.
    id: i64,
    /// In words.
    details: String,
}

impl Example for ChatReported {
    fn example() -> Self {
        Self { id: 9, details: "The message was reported.".to_owned() }
    }
}

/// Reporting messages.
pub(crate) struct ChatReportApi;

#[OpenApi(tag = "Tag::Chat")]
impl ChatReportApi {
    /// Report a message
    ///
    /// Somebody else's, in a room of yours, to the staff; after you left or were put out of it, one that
    /// was written before. Reporting it again changes nothing.
    #[oai(path = "/chat/messages/:id/report", method = "post", operation_id = "reportChatMessage")]
    async fn report(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
        input: Input<Complaint, ReportMessage>,
    ) -> Result<Json<ChatReported>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let Complaint { reason, note } = input.0;
        let made = state.chat.report(caller.user_id, id.0, reason, note.as_deref()).await;
        let id = made.map_err(|error| match error {
            RoomError::Chat(ChatError::NotFound) => {
                Problem::new(Code::NotFound).sentence(NO_MESSAGE)
            }
            other => other.into(),
        })?;
        Ok(Json(ChatReported { id, details: "The message was reported.".to_owned() }))
    }
}

/// The operations on whom one blocks.
pub(crate) struct BlockApi;

#[OpenApi(tag = "Tag::Chat")]
impl BlockApi {
    /// Whom you block
    ///
    /// The newest accounts first.
    #[oai(path = "/chat/blocks", method = "get", operation_id = "listChatBlocks")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// Only accounts before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<ChatBlockPage>, RoomListProblem> {
        let paging = Paging::new(before.0, limit.0);
        let user = caller.user_id;
        let found = state.chat.blocks(user, paging.before, paging.rows()).await;
        let mut found = found.map_err(Problem::from)?;
        let link = Link { state: state.0, path: "chat/blocks/", query: &[] };
        let next = paging.cut(&mut found, |block| block.person.id, &link);
        let results = found.iter().map(|block| Block::seen_by(user, block)).collect();
        Ok(Json(ChatBlockPage { next, previous: None, results }))
    }

    /// Block somebody
    ///
    /// No new room of you two is made, nobody writes in the one there is, and they put you into no
    /// group. They are not told.
    #[oai(path = "/chat/blocks", method = "post", operation_id = "blockChatUser")]
    async fn block(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        input: Input<Somebody>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let blocked = state.chat.block(caller.user_id, input.0.user_id).await;
        blocked.map_err(Problem::from)?;
        Ok(done("The person was blocked."))
    }

    /// Block somebody no longer
    #[oai(path = "/chat/blocks/:user_id", method = "delete", operation_id = "unblockChatUser")]
    async fn unblock(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The person's account.
        #[oai(example = "example_person")]
        user_id: Path<i64>,
    ) -> Result<Json<ChatDone>, RoomChangeProblem> {
        spend(state.0, &caller).await?;
        let unblocked = state.chat.unblock(caller.user_id, user_id.0).await;
        unblocked.map_err(Problem::from)?;
        Ok(done("The person is blocked no longer."))
    }
}

/// What staff do in rooms.
pub(crate) struct ChatStaffApi;

#[OpenApi(tag = "Tag::Staff")]
impl ChatStaffApi {
    /// Reported messages
    ///
    /// With what they say. For support and admins. Written down in the audit log.
    #[oai(path = "/admin/chat/reports", method = "get", operation_id = "listChatReports")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ModerateChat>,
        /// Only those that wait; so unless you say `false`.
        #[oai(example = "example_open")]
        open: Query<Option<bool>>,
        /// Only reports of messages of this room.
        #[oai(example = "example_one_room")]
        room: Query<Option<i64>>,
        /// Only reports for this reason.
        #[oai(example = "example_reason")]
        reason: Query<Option<ReportReason>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<ChatReportPage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/chat/reports/", (sort.0, cursor.0, limit.0))
            .with(&reports::OPEN, Some(open.0.unwrap_or(true)))
            .with(&reports::ROOM, room.0)
            .with(&reports::REASON, reason.0);
        let viewer = staff.caller.user_id;
        let answer = |report| Report::seen_by(viewer, report);
        Ok(Json(asked.page_of::<moderation::Report, ChatReportPage>(&staff, answer).await?))
    }

    /// Settle a report
    ///
    /// And all others of the same message that wait: the message goes, or stays. For support and
    /// admins. Written down in the audit log.
    #[oai(
        path = "/admin/chat/reports/:id/settle",
        method = "post",
        operation_id = "settleChatReport"
    )]
    async fn settle(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ModerateChat>,
        /// The report.
        #[oai(example = "example_report")]
        id: Path<i64>,
        input: Input<Settlement, SettleReport>,
    ) -> Result<Json<Report>, SettleReportProblem> {
        let settled = state.chat.settle_report(&by(&staff.caller), id.0, input.0.0).await;
        let viewer = staff.caller.user_id;
        Ok(Json(Report::seen_by(viewer, settled.map_err(Problem::from)?)))
    }

    /// Close somebody's room
    ///
    /// Nobody writes in it until staff open it again; its members cannot. For support and admins. Written
    /// down in the audit log.
    #[oai(
        path = "/admin/chat/rooms/:id/close",
        method = "post",
        operation_id = "closeChatRoomAsStaff"
    )]
    async fn close(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ModerateChat>,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<ChatDone>, StaffChangeProblem> {
        let closed = state.chat.close_as_staff(&by(&staff.caller), RoomId(id.0)).await;
        closed.map_err(Problem::from)?;
        Ok(done("The room was closed."))
    }

    /// Open a room that staff closed
    ///
    /// One that its own people closed stays closed (404). For support and admins. Written down in the
    /// audit log.
    #[oai(
        path = "/admin/chat/rooms/:id/reopen",
        method = "post",
        operation_id = "reopenChatRoomAsStaff"
    )]
    async fn reopen(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ModerateChat>,
        /// The room.
        #[oai(example = "example_room")]
        id: Path<i64>,
    ) -> Result<Json<ChatDone>, StaffChangeProblem> {
        let opened = state.chat.reopen_as_staff(&by(&staff.caller), RoomId(id.0)).await;
        opened.map_err(Problem::from)?;
        Ok(done("The room was reopened."))
    }
}

fn example_message() -> i64 {
    941
}

fn example_report() -> i64 {
    9
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_one_room() -> Option<i64> {
    Some(example_room())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_reason() -> Option<ReportReason> {
    Some(ReportReason::Spam)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_open() -> Option<bool> {
    Some(true)
}
