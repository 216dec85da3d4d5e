//! `chat/chatrooms/…`.

use poem::web::Data;
use poem_openapi::{ApiResponse, OpenApi, param::Query, payload::Json};
use shared::chat::rooms::Before;

use super::{super::Tag, RoomListProblem, types::Room};
use crate::{
    caller::SignedIn,
    error::{Code, Problem},
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
