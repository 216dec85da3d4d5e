//! `chat/…`: rooms, their members and what is said in them.

mod asked;
pub(crate) mod files;
mod log;
mod messages;
mod rooms;
pub(crate) mod types;

use shared::chat::{ChatError, permissions::Refusal};

pub(crate) use self::{files::FileApi, log::ChatLogApi, messages::ChatMessageApi, rooms::RoomApi};
use crate::error::{Code, Problem, problems};

problems!(
    /// What can go wrong with a list of one's own.
    pub(crate) RoomListProblem: 400, 401, 408, 413, 500, 503
);

/// What the old system says of a room that is not there for the caller.
pub(crate) const NO_ROOM: &str = "No ChatRoom matches the given query.";

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
        })
    }
}
