//! What passes and is never stored: typing, reading, who is there, signals.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use shared::chat::{RoomId, announce::Passing, sockets::Membership};
use tokio::time::Instant;

use super::{Hub, Room, Sub};
use crate::ws::{
    out::{self, Passes},
    slot::Slot,
};

/// For how long somebody types who has said so.
const TYPING_LASTS: Duration = Duration::from_secs(6);
/// How often somebody may say so in a room.
const TYPING_EVERY: Duration = Duration::from_secs(2);
/// How often those who ask who is there are answered, all together.
const ANSWER_EVERY: Duration = Duration::from_secs(2);
/// How many people are told of.
const PEOPLE_TOLD: usize = 50;
/// Beyond so many, those who have stopped typing are forgotten.
const TYPING_KEPT: usize = 64;

/// When somebody said that they type, and whether they have said that they stopped.
pub(super) struct Typed {
    at: Instant,
    stopped: bool,
}

impl Hub {
    /// Whether it is to be told that somebody types, or stopped.
    pub(in crate::ws) fn may_type(&self, id: RoomId, user_id: i64, on: bool) -> bool {
        let mut inner = self.inner();
        let Some(room) = inner.rooms.get_mut(&id) else { return false };
        let now = Instant::now();
        if room.typing.len() >= TYPING_KEPT {
            room.typing.retain(|_, typed| now - typed.at < TYPING_LASTS);
        }
        match room.typing.get_mut(&user_id) {
            Some(typed) if !on => {
                !std::mem::replace(&mut typed.stopped, true) && now - typed.at < TYPING_LASTS
            }
            Some(typed) if now - typed.at < TYPING_EVERY => false,
            None if !on => false,
            _ => {
                room.typing.insert(user_id, Typed { at: now, stopped: false });
                true
            }
        }
    }

    /// Hands on what passes in a room. `is_remote`: another process says so.
    pub(in crate::ws) fn pass(&self, id: RoomId, what: &Passing, is_remote: bool) {
        let mut inner = self.inner();
        let Some(room) = inner.rooms.get_mut(&id) else { return };
        let replies = match what {
            Passing::Asks if is_remote => room.answers(),
            Passing::Presence { user_id, on: false } if is_remote && room.shows(*user_id) => {
                // They went elsewhere, and are here.
                vec![*user_id]
            }
            _ => {
                room.hand_on(id, what);
                Vec::new()
            }
        };
        drop(inner);
        for user_id in replies {
            self.announcer.passing(id, Passing::Presence { user_id, on: true });
        }
    }

    /// Tells the others who came, and whoever came who is there.
    pub(super) fn say_here(&self, slot: &Arc<Slot>, seated: &Membership, is_first: bool) {
        let user_id = slot.profile.user_id;
        if slot.profile.dialect.is_typed && seated.others_show {
            let here = self.inner().rooms.get(&seated.room).map(Room::present).unwrap_or_default();
            for other in here.into_iter().filter(|other| *other != user_id) {
                slot.push(out::text(&presence(seated.room, other, true)));
            }
            self.announcer.passing(seated.room, Passing::Asks);
        }
        if is_first && seated.shows_presence {
            self.announcer.passing(seated.room, Passing::Presence { user_id, on: true });
        }
    }
}

impl Room {
    fn hand_on(&mut self, id: RoomId, what: &Passing) {
        let (frame, from, is_for_all) = match what {
            Passing::Typing { user_id, on } => {
                (out::text(&typing(id, *user_id, *on)), *user_id, false)
            }
            Passing::Presence { user_id, on } => {
                (out::text(&presence(id, *user_id, *on)), *user_id, false)
            }
            // One's other devices want to know.
            Passing::Read { user_id, seq } => (out::text(&read(id, *user_id, *seq)), 0, false),
            Passing::Signal { user_id, frame } => (Arc::from(frame.get()), *user_id, true),
            Passing::Asks => return,
        };
        let hears = |sub: &&Sub| {
            let profile = &sub.slot.profile;
            sub.is_live && profile.user_id != from && (is_for_all || profile.dialect.is_typed)
        };
        self.subs.values().filter(hears).for_each(|sub| sub.slot.push(frame.clone()));
    }

    /// Who shows that they are here.
    fn present(&self) -> BTreeSet<i64> {
        let shown = self.subs.values().filter(|sub| sub.shows_presence);
        shown.map(|sub| sub.slot.profile.user_id).take(PEOPLE_TOLD).collect()
    }

    fn shows(&self, user_id: i64) -> bool {
        let is_theirs = |sub: &Sub| sub.shows_presence && sub.slot.profile.user_id == user_id;
        self.subs.values().any(is_theirs)
    }

    /// Who is here, for another process that asks; not more often than is needed.
    fn answers(&mut self) -> Vec<i64> {
        let now = Instant::now();
        if self.answered.is_some_and(|answered| now - answered < ANSWER_EVERY) {
            return Vec::new();
        }
        self.answered = Some(now);
        self.present().into_iter().collect()
    }
}

fn presence(room: RoomId, user_id: i64, on: bool) -> Passes {
    passes("presence", room, user_id, Some(on))
}

fn typing(room: RoomId, user_id: i64, on: bool) -> Passes {
    let expires_in = on.then(|| u32::try_from(TYPING_LASTS.as_secs()).unwrap_or(u32::MAX));
    Passes { expires_in, ..passes("typing", room, user_id, Some(on)) }
}

fn read(room: RoomId, user_id: i64, seq: i64) -> Passes {
    Passes { seq: Some(seq), ..passes("read", room, user_id, None) }
}

fn passes(frame: &str, room: RoomId, user_id: i64, on: Option<bool>) -> Passes {
    Passes { frame: frame.to_owned(), room: room.0, user_id, on, seq: None, expires_in: None }
}
