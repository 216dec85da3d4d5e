//! `chat/…`: rooms, their members and what is said in them.

mod asked;
pub(crate) mod files;
mod log;
mod members;
mod messages;
mod moderation;
pub(crate) mod people;
mod ranks;
mod rooms;
mod root;
mod seats;
mod sockets;
pub(crate) mod types;
mod wanted;

use poem_openapi::{Object, payload::Json, types::Example};
use shared::{
    chat::{ChatError, create::RoomError, files::AvatarError, permissions::Refusal},
    organizations::Caller,
};

pub(crate) use self::{
    files::FileApi,
    log::ChatLogApi,
    members::RoomMemberApi,
    messages::ChatMessageApi,
    moderation::{BlockApi, ChatReportApi, ChatStaffApi},
    ranks::RoomRankApi,
    rooms::RoomApi,
    root::ChatRootApi,
    seats::RoomSeatApi,
    sockets::SocketApi,
};
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    limits,
    state::State,
};

problems!(
    /// What can go wrong with a list of one's own.
    pub(crate) RoomListProblem: 400, 401, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a look at a room.
    pub(crate) RoomLookProblem: 400, 401, 403, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a change of a room.
    pub(crate) RoomChangeProblem: 400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503
);

/// What the old system says of a room that is not there for the caller.
pub(crate) const NO_ROOM: &str = "No ChatRoom matches the given query.";
/// What the old system says where nobody is named to make a room with.
const NO_USER_ID: &str = "user_id ارسال نشده است.";
/// What the old system says of somebody who is not there.
const NO_PERSON: &str = "کاربر مورد نظر یافت نشد.";

/// Something was done.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ChatDone {
    /// In words.
    details: String,
}

impl Example for ChatDone {
    fn example() -> Self {
        Self { details: "The member was removed.".to_owned() }
    }
}

fn done(details: &str) -> Json<ChatDone> {
    Json(ChatDone { details: details.to_owned() })
}

fn by(caller: &SignedIn) -> Caller {
    Caller { user_id: caller.user_id, source: caller.source() }
}

/// Counts a change against `chat.rate`.
async fn spend(state: &State, caller: &SignedIn) -> Result<(), Problem> {
    let ask = limits::chat_changes(&state.config, caller.user_id);
    Ok(caller.measured.ask(state, &[ask]).await?)
}

fn example_room() -> i64 {
    5
}

fn example_person() -> i64 {
    18
}

impl From<RoomError> for Problem {
    fn from(error: RoomError) -> Self {
        match error {
            RoomError::Chat(error) => error.into(),
            RoomError::Avatar(error) => {
                let (code, message) = match error {
                    AvatarError::NoPicture => ("invalid_image", "Upload a valid image."),
                    _ => ("does_not_exist", "There is no such thing, or not for this room."),
                };
                Self::new(Code::Validation).with_field("avatar_id", code, message)
            }
            RoomError::NoSuchPerson => Self::new(Code::NotFound).sentence(NO_PERSON),
            RoomError::NothingThere | RoomError::NoSuchOrganization => Self::new(Code::NotFound),
            RoomError::Inactive => Self::new(Code::UserInactive),
            RoomError::PersonBanned => Self::new(Code::PersonBanned),
            RoomError::Oneself => Self::new(Code::Oneself),
            RoomError::OwnerStays => Self::new(Code::RoomOwnerStays),
            RoomError::NotAMember => Self::new(Code::Validation).with_field(
                "user_id",
                "not_a_member",
                "Only another member can become the owner.",
            ),
            RoomError::Limit(limit) => {
                Self::new(Code::LimitReached).with_argument(limit.to_string())
            }
            RoomError::EnoughToday(seconds) => {
                Self::new(Code::DailyRoomLimit).with_retry_after(seconds)
            }
        }
    }
}

impl From<ChatError> for Problem {
    fn from(error: ChatError) -> Self {
        match error {
            ChatError::NotFound => Self::new(Code::NotFound).sentence(NO_ROOM),
            ChatError::Banned => Self::new(Code::Banned),
            ChatError::Refused(refusal) => refusal.into(),
            ChatError::Database(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(match refusal {
            Refusal::Rank => Code::PermissionDenied,
            Refusal::Closed => Code::RoomClosed,
            Refusal::Held => Code::RoomHeld,
            Refusal::Muted => Code::Muted,
            Refusal::Blocked => Code::Blocked,
            Refusal::Direct => Code::RoomOfTwo,
            Refusal::ClosedByStaff => Code::RoomClosedByStaff,
        })
    }
}
