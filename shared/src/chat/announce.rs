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
use crate::{events::room_channel, redis::Redis};

/// Notices that wait to be published at most; beyond that they are dropped, and readers find out by
/// themselves.
const WAITING: usize = 10_000;

/// Something that is told about a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The log goes up to this number.
    Head(i64),
    /// Something that passes.
    Passing(Passing),
}

/// What is told and never stored. Ids and numbers; of a signal, the frame that its sender made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
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
    /// A frame for the other people in the room, such as WebRTC needs.
    Signal {
        /// Who sends it; none of their sockets gets it.
        user_id: i64,
        /// As it came.
        frame: Arc<RawValue>,
    },
}

type Hears = Box<dyn Fn(RoomId, &Notice) + Send + Sync>;

/// Tells this process at once and the others through Redis, in the background.
#[derive(Clone)]
pub struct Announcer {
    publish: mpsc::Sender<(RoomId, Notice)>,
    here: Arc<OnceLock<Hears>>,
}

impl Announcer {
    /// Starts the background task; it ends when the last clone is dropped.
    pub fn start(redis: Redis) -> Self {
        let (publish, notices) = mpsc::channel(WAITING);
        tokio::spawn(publish_all(redis, notices));
        Self { publish, here: Arc::default() }
    }

    /// Whom to tell in this process; once.
    pub fn tell(&self, hears: impl Fn(RoomId, &Notice) + Send + Sync + 'static) {
        // An error says that somebody was named before.
        let _ = self.here.set(Box::new(hears));
    }

    /// The room's log goes up to `seq`, committed.
    pub fn head(&self, room: RoomId, seq: i64) {
        self.announce(room, Notice::Head(seq));
    }

    /// Something passes in the room.
    pub fn passing(&self, room: RoomId, what: Passing) {
        self.announce(room, Notice::Passing(what));
    }

    fn announce(&self, room: RoomId, notice: Notice) {
        if let Some(here) = self.here.get() {
            here(room, &notice);
        }
        if self.publish.try_send((room, notice)).is_err() {
            tracing::debug!("notice dropped: too many wait");
        }
    }
}

async fn publish_all(redis: Redis, mut notices: mpsc::Receiver<(RoomId, Notice)>) {
    let mut batch = Vec::new();
    // While one publication is on its way the next batch gathers: of a room's heads the last counts.
    while notices.recv_many(&mut batch, 500).await > 0 {
        let mut heads: HashMap<RoomId, i64> = HashMap::new();
        let mut told = Vec::new();
        for (room, notice) in batch.drain(..) {
            match notice {
                Notice::Head(seq) => {
                    let head = heads.entry(room).or_insert(seq);
                    *head = seq.max(*head);
                }
                passing @ Notice::Passing(_) => told.push((room, passing)),
            }
        }
        told.extend(heads.into_iter().map(|(room, seq)| (room, Notice::Head(seq))));
        let told = told.iter().filter_map(|(room, notice)| {
            let channel = room_channel(redis.prefix(), *room);
            Some((channel, serde_json::to_string(notice).ok()?))
        });
        redis.publish_some(told.collect()).await;
    }
}
