//! Rooms and messages as people in them see them.

use chrono::DateTime;
use poem_openapi::{Enum, Object, types::Example};
use shared::chat::{
    self,
    log::{self, FileRef},
    permissions::{Levels, Rank, Role},
    rooms::{Brief, LastMessage, Seated},
};

use crate::{state::State, timestamp::Timestamp};

/// Somebody as others in a room see them.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ChatPerson", example)]
pub(crate) struct Person {
    /// The number of their account.
    pub(crate) id: i64,
    /// Their user name; numbers in the names of others are masked.
    pub(crate) username: String,
    /// Empty unless given.
    pub(crate) first_name: String,
    /// Empty unless given.
    pub(crate) last_name: String,
}

impl Person {
    /// As somebody sees them.
    pub(crate) fn seen_by(viewer_id: i64, person: &chat::Person) -> Self {
        Self {
            id: person.id,
            username: person.shown_name(viewer_id),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
        }
    }
}

impl Example for Person {
    fn example() -> Self {
        Self {
            id: 17,
            username: "sara".to_owned(),
            first_name: "سارا".to_owned(),
            last_name: String::new(),
        }
    }
}

/// What somebody is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ChatRole", rename_all = "snake_case")]
pub(crate) enum RoomRole {
    /// Answers for it. A room of two has two.
    Owner,
    /// Belongs to it.
    Member,
}

impl From<Role> for RoomRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Member => Self::Member,
        }
    }
}

/// The numbers of these levels. 0 reads only, 1 takes part, 2 adds members, 3 kicks them, 4 bans,
/// 5 gives levels, 6 takes them, 7 kicks admins, 8 closes, 9 reopens, 10 renames, 11 changes the
/// picture, 12 deletes the room.
pub(crate) fn numbers(levels: Levels) -> Vec<i32> {
    levels.iter().map(|level| i32::from(level.number())).collect()
}

/// What somebody may do in a room.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ChatPermission", example)]
pub(crate) struct Permission {
    /// The number of their account.
    user: i64,
    /// What they are there.
    role: RoomRole,
    /// The levels they hold, 0 to 12; an owner may everything, whatever is here.
    access: Vec<i32>,
}

impl Permission {
    /// Of this one.
    pub(crate) fn of(user: i64, rank: Rank) -> Self {
        Self { user, role: rank.role.into(), access: numbers(rank.levels) }
    }
}

impl Example for Permission {
    fn example() -> Self {
        Self { user: 17, role: RoomRole::Member, access: vec![1, 2, 3] }
    }
}

/// A room of two has no ranks to speak of.
fn permissions(brief: &Brief, seats: impl Iterator<Item = (i64, Rank)>) -> Vec<Permission> {
    let special = seats.filter(|(_, rank)| !brief.is_direct && rank.is_special());
    special.map(|(user, rank)| Permission::of(user, rank)).collect()
}

/// Kept at the top by whoever asks, or not: that of others is nobody's business.
fn pinned_for(viewer_id: i64, brief: &Brief) -> Vec<i64> {
    brief.mine.pinned_at.map(|_| viewer_id).into_iter().collect()
}

/// What is or goes with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ChatMessageType", rename_all = "snake_case")]
pub(crate) enum MessageType {
    /// Words.
    Text,
    /// A picture.
    Image,
    /// A file.
    File,
    /// A place on earth.
    Location,
}

impl From<log::MessageType> for MessageType {
    fn from(kind: log::MessageType) -> Self {
        match kind {
            log::MessageType::Text => Self::Text,
            log::MessageType::Image => Self::Image,
            log::MessageType::File => Self::File,
            log::MessageType::Location => Self::Location,
        }
    }
}

/// The beginning of what was said last in a room.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LastChatMessage", example)]
pub(crate) struct Last {
    /// The message's number.
    id: i64,
    /// Its place in the room.
    seq: i64,
    /// Who wrote it.
    sender: Person,
    /// What it is.
    message_type: MessageType,
    /// The first 200 characters; empty if it was deleted.
    text: String,
    /// When it was written.
    created_at: Timestamp,
    /// Whether it was deleted.
    is_deleted: bool,
}

impl Last {
    fn seen_by(viewer_id: i64, last: LastMessage) -> Self {
        Self {
            id: last.id,
            seq: last.seq,
            sender: Person::seen_by(viewer_id, &last.sender),
            message_type: last.kind.into(),
            text: last.text,
            created_at: Timestamp(last.created_at),
            is_deleted: last.is_deleted,
        }
    }
}

impl Example for Last {
    fn example() -> Self {
        Self {
            id: 941,
            seq: 12,
            sender: Person::example(),
            message_type: MessageType::Text,
            text: "سلام".to_owned(),
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            is_deleted: false,
        }
    }
}

/// A room.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ChatRoom", example)]
pub(crate) struct Room {
    /// Its number.
    pub(crate) id: i64,
    /// A column of imported rooms.
    user_1: Option<i64>,
    /// A column of imported rooms.
    user_2: Option<i64>,
    /// Its members, a hundred at most, those who look after it first; `members/` lists all.
    users: Vec<Person>,
    /// Messages of others that you have not read.
    unread_count: i64,
    /// 1: open, 2: closed, 3: held, so that only those who look after it write.
    status: i32,
    /// What it is called.
    name: Option<String>,
    /// What it is about.
    descriptions: Option<String>,
    /// When something last happened in it.
    updated_at: Timestamp,
    /// When it was made.
    created_at: Timestamp,
    /// The organization it belongs to.
    organization: Option<i64>,
    /// Your own number if you keep it at the top.
    pinned_for: Vec<i64>,
    /// Who of `users` is more, or less, than a member, and what they may do; of a room of two nobody.
    permissions: Vec<Permission>,
    /// Who may not come back, a hundred at most; `bans/` lists all.
    banneds: Vec<i64>,
    /// Whether it is a room of two, or of one with themselves.
    is_direct: bool,
    /// What you are in it.
    role: RoomRole,
    /// The levels you hold, 0 to 12.
    levels: Vec<i32>,
    /// The number of the last thing that happened in it.
    head: i64,
    /// You read everything up to this number.
    read_seq: i64,
    /// What was said last.
    last_message: Option<Last>,
    /// Seconds between two messages of a member; 0: as fast as they like.
    slow_seconds: i32,
    /// Whether members who are not there are texted.
    tells_by_sms: bool,
    /// Where its picture is.
    avatar_url: Option<String>,
    /// How many members it has.
    member_count: i64,
    /// Until when you are silenced.
    muted_until: Option<Timestamp>,
    /// Whether the others see when you are there.
    shows_presence: bool,
}

impl Room {
    /// As whoever asked sees it.
    pub(crate) fn seen_by(viewer_id: i64, room: chat::rooms::Room, state: &State) -> Self {
        let chat::rooms::Room { brief, members, member_count, unread, last } = room;
        let seen = |one: &Seated| Person::seen_by(viewer_id, &one.person);
        let seats = members.iter().map(|one| (one.person.id, one.rank));
        Self {
            id: brief.id.0,
            user_1: brief.user_1,
            user_2: brief.user_2,
            users: members.iter().map(seen).collect(),
            unread_count: unread,
            status: brief.status.number().into(),
            updated_at: Timestamp(brief.head_at),
            created_at: Timestamp(brief.created_at),
            organization: brief.organization_id,
            pinned_for: pinned_for(viewer_id, &brief),
            permissions: permissions(&brief, seats),
            is_direct: brief.is_direct,
            role: brief.mine.rank.role.into(),
            levels: numbers(brief.mine.rank.levels),
            head: brief.head,
            read_seq: brief.mine.read_seq,
            last_message: last.map(|last| Last::seen_by(viewer_id, last)),
            slow_seconds: brief.slow_seconds,
            tells_by_sms: brief.tells_by_sms,
            avatar_url: brief.avatar.as_ref().map(|file| file_url(state, file)),
            member_count,
            muted_until: brief.mine.muted_until.filter(|at| *at > state.chat.now()).map(Timestamp),
            shows_presence: brief.mine.shows_presence,
            name: brief.name,
            descriptions: brief.descriptions,
            banneds: brief.banned,
        }
    }
}

impl Example for Room {
    fn example() -> Self {
        Self {
            id: 5,
            user_1: None,
            user_2: None,
            users: vec![Person::example()],
            unread_count: 2,
            status: 1,
            name: Some("پشتیبانی".to_owned()),
            descriptions: None,
            updated_at: Timestamp(DateTime::UNIX_EPOCH),
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            organization: None,
            pinned_for: vec![],
            permissions: vec![Permission::example()],
            banneds: vec![],
            is_direct: false,
            role: RoomRole::Owner,
            levels: vec![1],
            head: 12,
            read_seq: 8,
            last_message: Some(Last::example()),
            slow_seconds: 0,
            tells_by_sms: false,
            avatar_url: None,
            member_count: 1,
            muted_until: None,
            shows_presence: false,
        }
    }
}

/// The room of a message.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RoomOfMessage", example)]
pub(crate) struct RoomOfMessage {
    /// Its number.
    id: i64,
    /// 1: open, 2: closed, 3: held.
    status: i32,
    /// What it is called.
    name: Option<String>,
    /// What it is about.
    descriptions: Option<String>,
    /// When something last happened in it.
    updated_at: Timestamp,
    /// When it was made.
    created_at: Timestamp,
    /// A column of imported rooms.
    user_1: Option<i64>,
    /// A column of imported rooms.
    user_2: Option<i64>,
    /// The organization it belongs to.
    organization: Option<i64>,
    /// The numbers of its members' accounts, a hundred at most.
    users: Vec<i64>,
    /// Your own number if you keep it at the top.
    pinned_for: Vec<i64>,
    /// Who of `users` is more, or less, than a member.
    permissions: Vec<Permission>,
    /// Who may not come back, a hundred at most.
    banneds: Vec<i64>,
}

impl RoomOfMessage {
    /// As whoever asked sees it.
    pub(crate) fn seen_by(viewer_id: i64, brief: &Brief) -> Self {
        Self {
            id: brief.id.0,
            status: brief.status.number().into(),
            name: brief.name.clone(),
            descriptions: brief.descriptions.clone(),
            updated_at: Timestamp(brief.head_at),
            created_at: Timestamp(brief.created_at),
            user_1: brief.user_1,
            user_2: brief.user_2,
            organization: brief.organization_id,
            users: brief.seats.iter().map(|(user, _)| *user).collect(),
            pinned_for: pinned_for(viewer_id, brief),
            permissions: permissions(brief, brief.seats.iter().copied()),
            banneds: brief.banned.clone(),
        }
    }
}

impl Example for RoomOfMessage {
    fn example() -> Self {
        Self {
            id: 5,
            status: 1,
            name: Some("پشتیبانی".to_owned()),
            descriptions: None,
            updated_at: Timestamp(DateTime::UNIX_EPOCH),
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            user_1: None,
            user_2: None,
            organization: None,
            users: vec![17],
            pinned_for: vec![],
            permissions: vec![],
            banneds: vec![],
        }
    }
}

/// A file that goes with a message.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ChatFile", example)]
pub(crate) struct File {
    /// The name its uploader gave it.
    name: String,
    /// What it is.
    mime: String,
    /// How long it is.
    bytes: i64,
}

impl From<&FileRef> for File {
    fn from(file: &FileRef) -> Self {
        Self { name: file.name.clone(), mime: file.mime.clone(), bytes: file.bytes }
    }
}

impl Example for File {
    fn example() -> Self {
        Self { name: "photo.jpg".to_owned(), mime: "image/jpeg".to_owned(), bytes: 48_211 }
    }
}

/// How often somebody reacted to a message in one way.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ChatReaction", example)]
pub(crate) struct Reaction {
    /// In which.
    pub(crate) emoji: String,
    /// How many did.
    pub(crate) count: i64,
    /// Whether you did.
    pub(crate) mine: bool,
}

impl Example for Reaction {
    fn example() -> Self {
        Self { emoji: "👍".to_owned(), count: 2, mine: true }
    }
}

/// A message in a room.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ChatMessage", example)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
pub(crate) struct Message {
    /// Its number.
    pub(crate) id: i64,
    /// Who wrote it.
    sender: Person,
    /// Where its file is, for a while.
    file_url: Option<String>,
    /// What it is.
    message_type: MessageType,
    /// What it says; empty once it is deleted.
    text: String,
    /// When it was written.
    timestamp: Timestamp,
    /// Degrees north.
    lat: Option<f64>,
    /// Degrees east.
    lng: Option<f64>,
    /// When it was written.
    created_at: Timestamp,
    /// Where.
    chat_room: RoomOfMessage,
    /// Its place among what happened in the room.
    seq: i64,
    /// What the client that wrote it calls it.
    client_id: Option<String>,
    /// The number of the message it answers.
    reply_to: Option<i64>,
    /// When it was last changed.
    edited_at: Option<Timestamp>,
    /// Whether it was deleted.
    is_deleted: bool,
    /// How people reacted.
    reactions: Vec<Reaction>,
    /// The file that goes with it.
    file: Option<File>,
}

impl Message {
    /// As whoever asked sees it.
    pub(crate) fn seen_by(
        viewer_id: i64,
        message: log::Message,
        reactions: Vec<Reaction>,
        room: &Brief,
        state: &State,
    ) -> Self {
        Self {
            id: message.id,
            sender: Person::seen_by(viewer_id, &message.sender),
            file_url: message.file.as_ref().map(|file| file_url(state, file)),
            message_type: message.kind.into(),
            text: message.text,
            timestamp: Timestamp(message.created_at),
            lat: message.lat,
            lng: message.lng,
            created_at: Timestamp(message.created_at),
            chat_room: RoomOfMessage::seen_by(viewer_id, room),
            seq: message.seq,
            client_id: message.client_id.filter(|_| message.sender.id == viewer_id),
            reply_to: message.reply_to,
            edited_at: message.edited_at.map(Timestamp),
            is_deleted: message.deleted_at.is_some(),
            reactions,
            file: message.file.as_ref().map(File::from),
        }
    }
}

impl Example for Message {
    fn example() -> Self {
        Self {
            id: 941,
            sender: Person::example(),
            file_url: None,
            message_type: MessageType::Text,
            text: "سلام".to_owned(),
            timestamp: Timestamp(DateTime::UNIX_EPOCH),
            lat: None,
            lng: None,
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            chat_room: RoomOfMessage::example(),
            seq: 12,
            client_id: Some("c-1".to_owned()),
            reply_to: None,
            edited_at: None,
            is_deleted: false,
            reactions: vec![Reaction::example()],
            file: None,
        }
    }
}

/// Where a file is, for some time.
pub(crate) fn file_url(state: &State, file: &FileRef) -> String {
    format!("{}{}", state.config.http.public_url, state.chat.file_path(file))
}
