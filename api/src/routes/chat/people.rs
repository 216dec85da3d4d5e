//! People in rooms, those who were put out of them, and what was reported.

use chrono::DateTime;
use poem_openapi::{Object, types::Example};
use shared::chat::{self, moderation, rooms::Seated};

use super::{
    types::{MessageType, Person, RoomRole, numbers},
    wanted::{ReportOutcome, ReportReason},
};
use crate::{routes::admin::listing::staff_page, timestamp::Timestamp};

/// Somebody in a room.
#[derive(Debug, Object)]
#[oai(rename = "ChatRoomMember", example)]
pub(crate) struct Member {
    /// Who.
    user: Person,
    /// What they are there.
    role: RoomRole,
    /// The levels they hold, 0 to 12; an owner may everything.
    access: Vec<i32>,
    /// Since when they belong to it.
    joined_at: Timestamp,
    /// Until when they are silenced; absent if they are not.
    #[oai(skip_serializing_if_is_none)]
    muted_until: Option<Timestamp>,
}

impl Member {
    /// As somebody sees them at this moment.
    pub(crate) fn seen_by(viewer_id: i64, one: &Seated, now: DateTime<chrono::Utc>) -> Self {
        Self {
            user: Person::seen_by(viewer_id, &one.person),
            role: one.rank.role.into(),
            access: numbers(one.rank.levels),
            joined_at: Timestamp(one.joined_at),
            muted_until: one.muted_until.filter(|until| *until > now).map(Timestamp),
        }
    }
}

impl Example for Member {
    fn example() -> Self {
        Self {
            user: Person::example(),
            role: RoomRole::Member,
            access: vec![1],
            joined_at: Timestamp(DateTime::UNIX_EPOCH),
            muted_until: None,
        }
    }
}

/// Somebody who may not come back to a room.
#[derive(Debug, Object)]
#[oai(rename = "ChatRoomBan", example)]
pub(crate) struct Ban {
    /// Who.
    user: Person,
    /// The account of whoever put them out.
    #[oai(skip_serializing_if_is_none)]
    banned_by: Option<i64>,
    /// Why.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// When.
    created_at: Timestamp,
}

impl Ban {
    /// As somebody sees it.
    pub(crate) fn seen_by(viewer_id: i64, ban: chat::members::Ban) -> Self {
        Self {
            user: Person::seen_by(viewer_id, &ban.person),
            banned_by: ban.banned_by,
            reason: ban.reason,
            created_at: Timestamp(ban.created_at),
        }
    }
}

impl Example for Ban {
    fn example() -> Self {
        Self {
            user: Person::example(),
            banned_by: Some(17),
            reason: Some("تبلیغات".to_owned()),
            created_at: Timestamp(DateTime::UNIX_EPOCH),
        }
    }
}

/// Somebody you want to hear nothing of.
#[derive(Debug, Object)]
#[oai(rename = "ChatBlock", example)]
pub(crate) struct Block {
    /// Who.
    user: Person,
    /// Since when.
    created_at: Timestamp,
}

impl Block {
    /// As whoever blocks them sees it.
    pub(super) fn seen_by(viewer_id: i64, block: &moderation::Block) -> Self {
        let user = Person::seen_by(viewer_id, &block.person);
        Self { user, created_at: Timestamp(block.created_at) }
    }
}

impl Example for Block {
    fn example() -> Self {
        Self { user: Person::example(), created_at: Timestamp(DateTime::UNIX_EPOCH) }
    }
}

/// A message somebody wants looked at, as staff see it.
#[derive(Debug, Object)]
#[oai(rename = "ChatReport", example)]
pub(crate) struct Report {
    /// Its number.
    id: i64,
    /// The room of the message.
    room: i64,
    /// The message's number.
    message: i64,
    /// Who wrote it; absent once its room was purged.
    #[oai(skip_serializing_if_is_none)]
    sender: Option<Person>,
    /// What it is.
    #[oai(skip_serializing_if_is_none)]
    message_type: Option<MessageType>,
    /// What it says; empty once it is deleted.
    text: String,
    /// Whether it is deleted.
    is_deleted: bool,
    /// The account of whoever wants it looked at.
    reporter: i64,
    /// Why.
    reason: ReportReason,
    /// More about it.
    #[oai(skip_serializing_if_is_none)]
    note: Option<String>,
    /// When they said so.
    created_at: Timestamp,
    /// When it was settled; absent while it waits.
    #[oai(skip_serializing_if_is_none)]
    settled_at: Option<Timestamp>,
    /// The account of whoever settled it.
    #[oai(skip_serializing_if_is_none)]
    settled_by: Option<i64>,
    /// What became of it.
    #[oai(skip_serializing_if_is_none)]
    outcome: Option<ReportOutcome>,
}

impl Report {
    /// As somebody on the staff sees it.
    pub(super) fn seen_by(viewer_id: i64, report: moderation::Report) -> Self {
        let message = report.message;
        let sender = message.as_ref().map(|it| Person::seen_by(viewer_id, &it.sender));
        Self {
            id: report.id,
            room: report.room.0,
            message: report.message_id,
            sender,
            message_type: message.as_ref().map(|it| it.kind.into()),
            is_deleted: message.as_ref().is_none_or(|it| it.is_deleted),
            text: message.map(|it| it.text).unwrap_or_default(),
            reporter: report.reporter_id,
            reason: report.reason.into(),
            note: report.note,
            created_at: Timestamp(report.created_at),
            settled_at: report.settled_at.map(Timestamp),
            settled_by: report.settled_by,
            outcome: report.outcome.map(ReportOutcome::from),
        }
    }
}

impl Example for Report {
    fn example() -> Self {
        Self {
            id: 9,
            room: 5,
            message: 941,
            sender: Some(Person::example()),
            message_type: Some(MessageType::Text),
            text: "ارزان بخرید".to_owned(),
            is_deleted: false,
            reporter: 18,
            reason: ReportReason::Spam,
            note: None,
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            settled_at: None,
            settled_by: None,
            outcome: None,
        }
    }
}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident of $item:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Object)]
            #[oai(example)]
            pub(crate) struct $name {
                /// Where the next page is; null on the last one.
                pub(super) next: Option<String>,
                /// Pages go one way: always null.
                pub(super) previous: Option<String>,
                /// The page.
                pub(super) results: Vec<$item>,
            }

            impl Example for $name {
                fn example() -> Self {
                    let url = |before| format!("https://peyk.example/api/chat/?before={before}");
                    let results = vec![$item::example()];
                    Self { next: Some(url(3)), previous: Some(url(103)), results }
                }
            }
        )*
    };
}

pages! {
    /// Members of a room, the newest accounts first.
    ChatRoomMemberPage of Member;
    /// Who is banned from a room, the newest accounts first.
    ChatRoomBanPage of Ban;
    /// Whom you block, the newest accounts first.
    ChatBlockPage of Block;
}

staff_page!(
    /// A page of reports.
    ChatReportPage of Report, "admin/chat/reports/"
);
