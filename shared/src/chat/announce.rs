//! Telling the processes that something happened in a room.
//!
//! A notice of the log is a number: so far it goes now. Whoever has sockets in the room reads what is new
//! from the database, so a lost, late or doubled notice changes nothing, and no message is ever in
//! Redis. What passes and is never stored (typing, presence, signals) goes along as it is, if
//! Redis is there.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::RoomId;
use crate::{
    events::{person_channel, room_channel},
    redis::Redis,
};

/// Notices that wait to be published at most; beyond that they are dropped, and readers find out by
/// themselves.
const WAITING: usize = 10_000;

/// What something is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A room.
    Room(RoomId),
    /// Somebody's account.
    Person(i64),
}

impl Topic {
    /// Where it is told.
    pub fn channel(self, prefix: &str) -> String {
        match self {
            Self::Room(room) => room_channel(prefix, room),
            Self::Person(user_id) => person_channel(prefix, user_id),
        }
    }

    /// The topic that has this channel.
    pub fn of_channel(prefix: &str, channel: &str) -> Option<Self> {
        let (_, id) = channel.rsplit_once(':')?;
        let id = id.parse().ok()?;
        [Self::Room(RoomId(id)), Self::Person(id)]
            .into_iter()
            .find(|topic| topic.channel(prefix) == channel)
    }
}

/// Something that is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The room's log goes up to this number.
    Head(i64),
    /// Something that passes in the room.
    Passing(Passing),
    /// The person belongs to other rooms than before.
    Seats,
    /// This person's seat in the room is another than before.
    Seat(i64),
}

/// A notice on its way.
#[derive(Serialize, Deserialize)]
struct Told {
    /// The process that tells it.
    from: u64,
    notice: Notice,
}

/// What is told and never stored. Ids and numbers; of a signal, the frame that its sender made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passing {
    /// Somebody types, or stopped.
    Typing {
        /// Who.
        user_id: i64,
        /// Whether they do.
        on: bool,
    },
    /// Somebody read up to this number.
    Read {
        /// Who.
        user_id: i64,
        /// How far.
        seq: i64,
    },
    /// Somebody who shows it is there, or is not any more.
    Presence {
        /// Who.
        user_id: i64,
        /// Whether they are.
        on: bool,
    },
    /// Somebody came who wants to know who is there.
    Asks,
    /// A frame for the other people in the room, such as WebRTC needs.
    Signal {
        /// Who sends it; none of their sockets gets it.
        user_id: i64,
        /// As it came.
        frame: Arc<RawValue>,
    },
}

type Hears = Box<dyn Fn(Topic, &Notice) + Send + Sync>;

/// Tells this process at once and the others through Redis, in the background.
#[derive(Clone)]
pub struct Announcer {
    publish: mpsc::Sender<(Topic, Notice)>,
    here: Arc<OnceLock<Hears>>,
    /// Names the process, so that it does not hear itself.
    number: u64,
}

impl Announcer {
    /// Starts the background task; it ends when the last clone is dropped.
    pub fn start(redis: Redis) -> Self {
        let (publish, notices) = mpsc::channel(WAITING);
        let number = rand::random();
        tokio::spawn(publish_all(redis, number, notices));
        Self { publish, here: Arc::default(), number }
    }

    /// Whom to tell in this process; once.
    pub fn tell(&self, hears: impl Fn(Topic, &Notice) + Send + Sync + 'static) {
        // An error says that somebody was named before.
        let _ = self.here.set(Box::new(hears));
    }

    /// The room's log goes up to `seq`, committed.
    pub fn head(&self, room: RoomId, seq: i64) {
        self.announce(Topic::Room(room), Notice::Head(seq));
    }

    /// Something passes in the room.
    pub fn passing(&self, room: RoomId, what: Passing) {
        self.announce(Topic::Room(room), Notice::Passing(what));
    }

    /// These people belong to other rooms than before, committed: their sockets that listen to all of
    /// them look.
    pub fn seats(&self, people: &[i64]) {
        for user_id in people {
            self.announce(Topic::Person(*user_id), Notice::Seats);
        }
    }

    /// What somebody is in a room changed, committed, and the log does not say so: whoever has sockets
    /// in the room looks.
    pub fn seat(&self, room: RoomId, user_id: i64) {
        self.announce(Topic::Room(room), Notice::Seat(user_id));
    }

    /// Reads what was published; `None` for what this process published itself, which was told here
    /// already, and for what cannot be read.
    pub fn read(&self, text: &str) -> Option<Notice> {
        let told: Told = serde_json::from_str(text).ok()?;
        (told.from != self.number).then_some(told.notice)
    }

    fn announce(&self, topic: Topic, notice: Notice) {
        if let Some(here) = self.here.get() {
            here(topic, &notice);
        }
        if self.publish.try_send((topic, notice)).is_err() {
            tracing::debug!("notice dropped: too many wait");
        }
    }
}

async fn publish_all(redis: Redis, from: u64, mut notices: mpsc::Receiver<(Topic, Notice)>) {
    let mut batch = Vec::new();
    // While one publication is on its way the next batch gathers: of a room's heads the last counts.
    while notices.recv_many(&mut batch, 500).await > 0 {
        let mut heads: HashMap<Topic, i64> = HashMap::new();
        let mut told = Vec::new();
        for (topic, notice) in batch.drain(..) {
            match notice {
                Notice::Head(seq) => {
                    let head = heads.entry(topic).or_insert(seq);
                    *head = seq.max(*head);
                }
                other => told.push((topic, other)),
            }
        }
        told.extend(heads.into_iter().map(|(topic, seq)| (topic, Notice::Head(seq))));
        let told = told.into_iter().filter_map(|(topic, notice)| {
            let text = serde_json::to_string(&Told { from, notice }).ok()?;
            Some((topic.channel(redis.prefix()), text))
        });
        redis.publish_some(told.collect()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_others_publish_is_read_as_it_was_told_and_ones_own_is_not() {
        let redis = Redis::start(&crate::config::Redis::default()).unwrap();
        let announcer = Announcer::start(redis);
        let frame = r#"{"message_type": "webrtc_signal",  "sdp": [1, null]}"#;
        let raw: Box<RawValue> = serde_json::from_str(frame).unwrap();
        let signal = Notice::Passing(Passing::Signal { user_id: 7, frame: raw.into() });
        let asks = Notice::Passing(Passing::Asks);
        for notice in [Notice::Head(9), Notice::Seats, Notice::Seat(7), asks, signal] {
            let from = announcer.number.wrapping_add(1);
            let text = serde_json::to_string(&Told { from, notice: notice.clone() }).unwrap();
            let read = announcer.read(&text).expect("it is from another process");
            assert_eq!(format!("{read:?}"), format!("{notice:?}"));
            let own = Told { from: announcer.number, notice };
            assert!(announcer.read(&serde_json::to_string(&own).unwrap()).is_none());
        }
        assert!(announcer.read("{}").is_none());
    }
}
