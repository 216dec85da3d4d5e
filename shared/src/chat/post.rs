//! Posting: one action for HTTP and WebSockets. Messages of the same moment share a commit, also
//! those of one room; each is judged by itself.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use super::{
    Chat, ChatError, Person, RoomId,
    content::NewMessage,
    log::{FileRef, Message},
    permissions::{Action, Rank, Refusal, Standing, Status},
    seat::Seat,
    store,
};
use crate::{
    batch::{BatchWrite, Batcher, WriteError},
    clock::SharedClock,
    webhooks::{
        Outbox,
        events::{Kind, NewEvent},
    },
};

/// A message that is in the room.
#[derive(Clone)]
pub struct Posted {
    /// As it is now.
    pub message: Message,
    /// Whether it was not there before: nobody had posted it under the same client id.
    pub is_new: bool,
}

/// Why a message is not posted. It leaves nothing then.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// There is no such room for the sender.
    #[error("no such room")]
    NotFound,
    /// The sender is banned from the room.
    #[error("banned")]
    Banned,
    /// The sender belongs to the room and may not write there now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The room is slow.
    #[error("too early")]
    Slow {
        /// Whole seconds until the sender may write again.
        seconds: u32,
    },
    /// There is no such file, or not for this message: it is somebody else's, of another room, used or
    /// not there yet.
    #[error("no such file")]
    NoSuchAttachment,
    /// The room has no message that is answered.
    #[error("no such message to answer")]
    NoSuchReply,
    /// Another message was posted under the client id.
    #[error("the client id was used for something else")]
    Conflict,
    /// The database is away, and nobody knows whether it was posted: the same message under the same
    /// client id says.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<ChatError> for PostError {
    fn from(error: ChatError) -> Self {
        match error {
            ChatError::NotFound => Self::NotFound,
            ChatError::Banned => Self::Banned,
            ChatError::Refused(refusal) => Self::Refused(refusal),
            ChatError::Database(error) => Self::Write(error.into()),
        }
    }
}

/// The entrance to the batcher of posts.
#[derive(Clone)]
pub(super) struct Desk {
    batcher: Batcher<Posts>,
    arrivals: Arc<AtomicU64>,
}

impl Desk {
    /// Starts the batcher.
    pub(super) fn open(pool: &PgPool, clock: SharedClock, outbox: Outbox) -> Self {
        // One: two would wait for each other over every busy room.
        let batcher = Batcher::start(Posts { clock, outbox }, pool, 1);
        Self { batcher, arrivals: Arc::default() }
    }

    async fn hand_in(&self, sender_id: i64, new: NewMessage) -> Result<Outcome, WriteError> {
        let arrival = self.arrivals.fetch_add(1, Ordering::Relaxed);
        self.batcher.write(Post { arrival, sender_id, new }).await
    }
}

impl Chat {
    /// Posts a message, and announces it once it is committed. The same message under the same
    /// client id is posted once, however often and wherever it is sent.
    ///
    /// # Errors
    /// [`PostError`].
    pub async fn post(&self, sender_id: i64, new: NewMessage) -> Result<Posted, PostError> {
        let room = new.room;
        match self.desk.hand_in(sender_id, new).await? {
            Outcome::New(message) => {
                self.announcer.head(room, message.seq);
                Ok(Posted { message: *message, is_new: true })
            }
            Outcome::Old(id) => {
                let found = store::find_message(&self.pool, id).await.map_err(WriteError::from)?;
                let message = found.ok_or(PostError::NotFound)?;
                Ok(Posted { message, is_new: false })
            }
            Outcome::Refused(error) => Err(error),
        }
    }
}

/// One sender's part of a batch.
pub(super) struct Post {
    /// The order in which this process was asked.
    arrival: u64,
    pub(super) sender_id: i64,
    pub(super) new: NewMessage,
}

/// What became of it.
pub(super) enum Outcome {
    New(Box<Message>),
    /// This message is the same.
    Old(i64),
    Refused(PostError),
}

/// Posts that share a commit.
pub(super) struct Posts {
    clock: SharedClock,
    outbox: Outbox,
}

impl BatchWrite for Posts {
    const NAME: &'static str = "post_message";

    type Item = Post;
    type Answer = Outcome;
    type Key = (RoomId, u64);

    /// Never equal: messages of one room share commits too, in the order in which they came.
    fn key(&self, item: &Post) -> Self::Key {
        (item.new.room, item.arrival)
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        posts: &[Post],
    ) -> Result<Vec<Outcome>, sqlx::Error> {
        let now = self.clock.now();
        let mut judge = Judge::read(connection, now, posts).await?;
        let verdicts: Vec<_> = (0..posts.len()).map(|place| judge.decide(posts, place)).collect();
        let written = judge.write(connection, posts).await?;
        if self.outbox.wants(&[Kind::ChatMessage]) {
            let mut told: Vec<_> = written.values().collect();
            told.sort_unstable_by_key(|message| (message.room, message.seq));
            let events: Vec<_> = told.into_iter().map(event).collect();
            self.outbox.emit(connection, &events).await?;
        }
        Ok(verdicts.into_iter().map(|verdict| outcome(verdict, &written)).collect())
    }
}

fn outcome(verdict: Result<Verdict, PostError>, written: &HashMap<usize, Message>) -> Outcome {
    let message = |place| written.get(&place);
    match verdict {
        Err(error) => Outcome::Refused(error),
        Ok(Verdict::Old(id)) => Outcome::Old(id),
        Ok(Verdict::New(place)) => match message(place) {
            Some(message) => Outcome::New(Box::new(message.clone())),
            None => Outcome::Refused(PostError::Write(WriteError::Away)),
        },
        Ok(Verdict::Twin(place)) => match message(place) {
            Some(message) => Outcome::Old(message.id),
            None => Outcome::Refused(PostError::Write(WriteError::Away)),
        },
    }
}

/// Ids only: what a message says is read where it can be deleted.
fn event(message: &Message) -> NewEvent {
    let data = serde_json::json!({
        "room_id": message.room,
        "message_id": message.id,
        "seq": message.seq,
        "user_id": message.sender.id,
        "message_type": message.kind.as_str(),
        "client_id": message.client_id,
        "reply_to": message.reply_to,
        "has_file": message.file.is_some(),
        "created_at": message.created_at,
    });
    NewEvent { kind: Kind::ChatMessage, subject: format!("room:{}", message.room), data }
}

/// What one item of the batch comes to.
enum Verdict {
    /// It is written: the place of the item.
    New(usize),
    /// It is the same as the item at this place.
    Twin(usize),
    /// It is the same as this message.
    Old(i64),
}

/// Judges the items of one batch after the other, with what those before them changed.
struct Judge {
    now: DateTime<Utc>,
    rooms: HashMap<RoomId, RoomFacts>,
    senders: Vec<Option<SenderFacts>>,
    files: HashMap<i64, WaitingFile>,
    used: HashSet<i64>,
    /// When members of slow rooms wrote in this batch.
    wrote: HashSet<(RoomId, i64)>,
    named: HashMap<(RoomId, i64, String), usize>,
    /// Places of those that are written, with their numbers.
    fresh: Vec<(usize, i64)>,
}

impl Judge {
    /// Locks the rooms, in the order of their ids, and then the files; reads the rest.
    async fn read(
        connection: &mut PgConnection,
        now: DateTime<Utc>,
        posts: &[Post],
    ) -> Result<Self, sqlx::Error> {
        let rooms = store::lock_rooms(connection, posts.iter().map(|post| post.new.room)).await?;
        // Asked after the locks are held: nobody joins, leaves or is silenced any more.
        let senders = store::find_senders(connection, posts).await?;
        let files: Vec<_> =
            posts.iter().filter_map(|post| post.new.content.attachment_id).collect();
        let files = if files.is_empty() {
            HashMap::new()
        } else {
            store::lock_files(connection, &files).await?
        };
        let (used, wrote) = (HashSet::new(), HashSet::new());
        let (named, fresh) = (HashMap::new(), Vec::new());
        Ok(Self { now, rooms, senders, files, used, wrote, named, fresh })
    }

    fn decide(&mut self, posts: &[Post], place: usize) -> Result<Verdict, PostError> {
        let post = &posts[place];
        let new = &post.new;
        let sender = self.senders.get(place).and_then(Option::as_ref);
        let (Some(room), Some(sender)) = (self.rooms.get_mut(&new.room), sender) else {
            return Err(PostError::NotFound);
        };
        let standing = room.seat(sender, self.now).standing()?;
        // What was posted already stays posted, whatever has become of the sender's rights since.
        if let Some(earlier) = &sender.earlier {
            let same = earlier.fingerprint.is_none_or(|number| number == new.fingerprint());
            return if same { Ok(Verdict::Old(earlier.id)) } else { Err(PostError::Conflict) };
        }
        let name = new.client_id.clone().map(|name| (new.room, post.sender_id, name));
        if let Some(twin) = name.as_ref().and_then(|name| self.named.get(name)) {
            let same = posts[*twin].new == *new;
            return if same { Ok(Verdict::Twin(*twin)) } else { Err(PostError::Conflict) };
        }
        standing.may(Action::Post)?;
        let member = (new.room, post.sender_id);
        if room.slow_seconds > 0 && !standing.rank.looks_after_it() {
            let wrote = self.wrote.contains(&member).then_some(self.now);
            let seconds = wait(wrote.or(sender.posted_at), room.slow_seconds, self.now);
            if seconds > 0 {
                return Err(PostError::Slow { seconds });
            }
        }
        if new.reply_to.is_some() && !sender.has_reply {
            return Err(PostError::NoSuchReply);
        }
        if let Some(id) = new.content.attachment_id {
            let file = self.files.get(&id).filter(|file| file.is_for(new.room, post.sender_id));
            if file.is_none() || !self.used.insert(id) {
                return Err(PostError::NoSuchAttachment);
            }
        }
        if let Some(name) = name {
            self.named.insert(name, place);
        }
        if room.slow_seconds > 0 {
            self.wrote.insert(member);
        }
        room.head += 1;
        self.fresh.push((place, room.head));
        Ok(Verdict::New(place))
    }

    /// Writes what is fresh, with the heads of its rooms.
    async fn write(
        self,
        connection: &mut PgConnection,
        posts: &[Post],
    ) -> Result<HashMap<usize, Message>, sqlx::Error> {
        if self.fresh.is_empty() {
            return Ok(HashMap::new());
        }
        let fresh: Vec<_> = self.fresh.iter().map(|(place, seq)| (&posts[*place], *seq)).collect();
        let slowed: Vec<_> = self.wrote.iter().copied().collect();
        let ids = store::insert_messages(connection, self.now, &fresh, &slowed).await?;
        let mut written = HashMap::new();
        for (place, seq) in self.fresh {
            let post = &posts[place];
            let (Some(id), Some(Some(sender))) =
                (ids.get(&(post.new.room, seq)), self.senders.get(place))
            else {
                return Err(sqlx::Error::RowNotFound);
            };
            let content = &post.new.content;
            let file = content.attachment_id.and_then(|id| self.files.get(&id));
            let message = Message {
                id: *id,
                room: post.new.room,
                seq,
                sender: sender.person.clone(),
                client_id: post.new.client_id.clone(),
                kind: content.kind,
                text: content.text.clone(),
                lat: content.place.map(|(lat, _)| lat),
                lng: content.place.map(|(_, lng)| lng),
                file: file.map(|waiting| waiting.file.clone()),
                reply_to: post.new.reply_to,
                created_at: self.now,
                edited_at: None,
                deleted_at: None,
            };
            written.insert(place, message);
        }
        Ok(written)
    }
}

/// Whole seconds until a member of a slow room may write again.
fn wait(last: Option<DateTime<Utc>>, slow_seconds: i32, now: DateTime<Utc>) -> u32 {
    let Some(last) = last else { return 0 };
    let left = last + TimeDelta::seconds(slow_seconds.into()) - now;
    // Rounded up: whoever waits as told is not told again.
    let millis = u64::try_from(left.num_milliseconds()).unwrap_or_default();
    u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX)
}

/// A room as its lock found it.
pub(super) struct RoomFacts {
    pub(super) status: Status,
    pub(super) is_direct: bool,
    pub(super) slow_seconds: i32,
    pub(super) head: i64,
}

impl RoomFacts {
    fn seat(&self, sender: &SenderFacts, now: DateTime<Utc>) -> Seat {
        if sender.is_banned {
            return Seat::Banned;
        }
        let Some(rank) = sender.rank else { return Seat::None };
        Seat::Member(Standing {
            rank,
            is_muted: sender.muted_until.is_some_and(|until| until > now),
            status: self.status,
            is_direct: self.is_direct,
            is_blocked: sender.is_blocked,
        })
    }
}

/// What is known of whoever sends one item of the batch.
pub(super) struct SenderFacts {
    pub(super) person: Person,
    /// `None` for strangers.
    pub(super) rank: Option<Rank>,
    pub(super) muted_until: Option<DateTime<Utc>>,
    pub(super) posted_at: Option<DateTime<Utc>>,
    pub(super) is_banned: bool,
    pub(super) is_blocked: bool,
    /// What was posted under the same client id.
    pub(super) earlier: Option<Earlier>,
    /// Whether what is answered is in the room.
    pub(super) has_reply: bool,
}

/// A message with the same client id.
pub(super) struct Earlier {
    pub(super) id: i64,
    /// `None`: it was deleted, and nobody knows any more what it said.
    pub(super) fingerprint: Option<i64>,
}

/// A file that is asked for, locked.
pub(super) struct WaitingFile {
    pub(super) file: FileRef,
    pub(super) room: RoomId,
    pub(super) user_id: i64,
    /// It is all there, no message has it, and it was not deleted.
    pub(super) waits: bool,
}

impl WaitingFile {
    fn is_for(&self, room: RoomId, user_id: i64) -> bool {
        self.waits && self.room == room && self.user_id == user_id
    }
}
