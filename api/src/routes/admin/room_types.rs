//! Rooms and messages as staff see them.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use shared::{
    admin::{
        lists::{room_messages::StaffRoomMessage as Said, rooms::StaffRoom as Found},
        rooms::RoomStory,
    },
    chat,
};

use super::{listing::staff_page, words::word};
use crate::{
    routes::chat::{
        people::{Ban, Member},
        types::{MessageType, Person},
    },
    timestamp::Timestamp,
};

/// Whether a room takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum StaffRoomStatus {
    /// Everybody who takes part writes.
    Open,
    /// Nobody writes.
    Closed,
    /// Only those who look after the room write.
    Held,
}

/// Anybody's room, also one that was deleted and not yet purged.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffRoom {
    /// Its number.
    id: i64,
    /// What it is called; absent if it has no name.
    #[oai(skip_serializing_if_is_none)]
    name: Option<String>,
    /// What it is about; absent if nobody said.
    #[oai(skip_serializing_if_is_none)]
    descriptions: Option<String>,
    /// Whether it is one of two people.
    is_direct: bool,
    /// The organization it is in; absent if it is in none.
    #[oai(skip_serializing_if_is_none)]
    organization_id: Option<i64>,
    /// Whether it takes messages.
    status: StaffRoomStatus,
    /// Seconds between two messages of a member; 0: as fast as they like.
    slow_seconds: i32,
    /// The number of its last event.
    last_seq: i64,
    /// When that was.
    last_activity_at: Timestamp,
    /// When it was made.
    created_at: Timestamp,
    /// When it was deleted; absent if it was not.
    #[oai(skip_serializing_if_is_none)]
    deleted_at: Option<Timestamp>,
}

impl From<Found> for StaffRoom {
    fn from(found: Found) -> Self {
        Self {
            id: found.id,
            name: found.name,
            descriptions: found.descriptions,
            is_direct: found.is_direct,
            organization_id: found.organization_id,
            status: word(&found.status),
            slow_seconds: found.slow_seconds,
            last_seq: found.last_seq,
            last_activity_at: Timestamp(found.last_activity_at),
            created_at: Timestamp(found.created_at),
            deleted_at: found.deleted_at.map(Timestamp),
        }
    }
}

impl Example for StaffRoom {
    fn example() -> Self {
        let at = Timestamp(DateTime::UNIX_EPOCH);
        Self {
            id: 5,
            name: Some("سفارش‌ها".to_owned()),
            descriptions: Some("برای همکاران".to_owned()),
            is_direct: false,
            organization_id: Some(3),
            status: StaffRoomStatus::Open,
            slow_seconds: 0,
            last_seq: 941,
            last_activity_at: at,
            created_at: at,
            deleted_at: Some(at),
        }
    }
}

staff_page!(
    /// A page of anybody's rooms.
    StaffRoomPage of StaffRoom, "admin/chat/rooms/"
);

/// Anybody's room with those in it.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffRoomStory {
    /// The room.
    #[oai(flatten)]
    room: StaffRoom,
    /// How many are in it.
    member_count: i64,
    /// The first hundred of them, those who look after it first.
    members: Vec<Member>,
    /// Who may not come back, the newest accounts first, a hundred at most.
    bans: Vec<Ban>,
}

impl StaffRoomStory {
    /// As somebody on the staff sees it at this moment.
    pub(super) fn seen_by(viewer: i64, story: RoomStory, now: DateTime<Utc>) -> Self {
        let members = story.members.iter().map(|one| Member::seen_by(viewer, one, now));
        Self {
            room: story.room.into(),
            member_count: story.member_count,
            members: members.collect(),
            bans: story.bans.into_iter().map(|ban| Ban::seen_by(viewer, ban)).collect(),
        }
    }
}

impl Example for StaffRoomStory {
    fn example() -> Self {
        Self {
            room: StaffRoom::example(),
            member_count: 4,
            members: vec![Member::example()],
            bans: vec![Ban::example()],
        }
    }
}

/// A message of anybody's room, also one that was deleted.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffRoomMessage {
    /// Its number.
    id: i64,
    /// Its place in the room's log.
    seq: i64,
    /// Who wrote it; numbers in user names are masked.
    sender: Person,
    /// What it is.
    #[oai(rename = "type")]
    kind: MessageType,
    /// What it says; empty once it is deleted.
    text: String,
    /// Of a place on earth: its latitude.
    #[oai(skip_serializing_if_is_none)]
    lat: Option<f64>,
    /// Of a place on earth: its longitude.
    #[oai(skip_serializing_if_is_none)]
    lng: Option<f64>,
    /// What the file is called that goes with it.
    #[oai(skip_serializing_if_is_none)]
    file_name: Option<String>,
    /// What kind of file that is.
    #[oai(skip_serializing_if_is_none)]
    file_mime: Option<String>,
    /// The number of the message it answers.
    #[oai(skip_serializing_if_is_none)]
    reply_to: Option<i64>,
    /// When it was written.
    created_at: Timestamp,
    /// When it was changed last; absent if it was not.
    #[oai(skip_serializing_if_is_none)]
    edited_at: Option<Timestamp>,
    /// When it was deleted; absent if it was not.
    #[oai(skip_serializing_if_is_none)]
    deleted_at: Option<Timestamp>,
    /// The account of whoever deleted it.
    #[oai(skip_serializing_if_is_none)]
    deleted_by: Option<i64>,
}

impl StaffRoomMessage {
    /// As somebody on the staff sees it.
    pub(super) fn seen_by(viewer: i64, said: Said) -> Self {
        let sender = chat::Person {
            id: said.sender_id,
            username: said.username,
            first_name: said.first_name,
            last_name: said.last_name,
        };
        Self {
            id: said.id,
            seq: said.seq,
            sender: Person::seen_by(viewer, &sender),
            kind: word(&said.kind),
            text: said.text,
            lat: said.lat,
            lng: said.lng,
            file_name: said.file_name,
            file_mime: said.file_mime,
            reply_to: said.reply_to,
            created_at: Timestamp(said.created_at),
            edited_at: said.edited_at.map(Timestamp),
            deleted_at: said.deleted_at.map(Timestamp),
            deleted_by: said.deleted_by,
        }
    }
}

impl Example for StaffRoomMessage {
    fn example() -> Self {
        let at = Timestamp(DateTime::UNIX_EPOCH);
        Self {
            id: 941,
            seq: 12,
            sender: Person::example(),
            kind: MessageType::Text,
            text: "سلام".to_owned(),
            lat: Some(35.6892),
            lng: Some(51.389),
            file_name: Some("photo.jpg".to_owned()),
            file_mime: Some("image/jpeg".to_owned()),
            reply_to: Some(940),
            created_at: at,
            edited_at: Some(at),
            deleted_at: Some(at),
            deleted_by: Some(3),
        }
    }
}

staff_page!(
    /// A page of what is said in a room.
    StaffRoomMessagePage of StaffRoomMessage, "admin/chat/rooms/5/messages/"
);
