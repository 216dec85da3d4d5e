//! Giving sockets what happens, each once and in order. [`crate::ws::feed`] says why it is so.

use std::sync::Arc;

use shared::{
    chat::{
        RoomId,
        log::{Entry, Kind, Place},
    },
    telemetry::CHAT_DELIVERY_SECONDS,
};

use super::{Hub, Inner, Room};
use crate::ws::{
    out::{self, Rendered},
    slot::{Close, Slot},
};

impl Hub {
    /// The room's log goes at least so far.
    pub(in crate::ws) fn mark(&self, id: RoomId, head: i64) {
        let mut inner = self.inner();
        if inner.rooms.get(&id).is_some_and(|room| head > room.delivered) {
            inner.mark(id);
            drop(inner);
            self.rings.notify_one();
        }
    }

    /// What is published about the room is heard from now on, and was not before.
    pub(in crate::ws) fn mark_unheard(&self, id: RoomId) {
        self.mark(id, i64::MAX);
    }

    /// Rooms that sockets listen to.
    pub(in crate::ws) fn rooms(&self) -> Vec<RoomId> {
        self.inner().rooms.keys().copied().collect()
    }

    /// The logs of these rooms went so far when they were looked at.
    pub(in crate::ws) fn note_heads(&self, heads: &[Place]) {
        let mut inner = self.inner();
        for Place { room: id, after: head } in heads {
            let Some(room) = inner.rooms.get_mut(id) else { continue };
            room.floor = *head;
            if *head < room.delivered {
                room.rewind(*id, *head);
            } else if *head > room.delivered {
                inner.mark(*id);
            }
        }
    }

    /// Up to so many rooms with something to read, and from where.
    pub(in crate::ws) fn take_dirty(&self, most: usize) -> Vec<Place> {
        let mut inner = self.inner();
        let mut places = Vec::new();
        while places.len() < most {
            let Some(id) = inner.dirty.pop_front() else { break };
            if let Some(room) = inner.rooms.get_mut(&id) {
                room.is_dirty = false;
                places.push(Place { room: id, after: room.delivered });
            }
        }
        places
    }

    /// Gives the sockets of a room what was read from a place on. `is_all`: there was no more.
    pub(in crate::ws) fn deliver(&self, place: Place, entries: &[Entry], is_all: bool) {
        let mut inner = self.inner();
        let Some(room) = inner.rooms.get_mut(&place.room) else { return };
        if room.delivered != place.after {
            // Another room of the same id: everybody left meanwhile, and somebody came.
            inner.mark(place.room);
            return;
        }
        let mut out = Vec::new();
        for entry in entries {
            let rendered = Rendered::new(entry, &self.style);
            for (number, sub) in &mut room.subs {
                if !sub.is_live || entry.seq <= sub.at {
                    continue;
                }
                sub.at = entry.seq;
                if let Some(frame) = rendered.frame(sub.slot.profile.dialect) {
                    sub.slot.push(frame);
                }
                if let Some(why) = ends(entry, sub.slot.profile.user_id) {
                    out.push((*number, why));
                    // Nothing that comes after it is for them.
                    sub.is_live = false;
                }
            }
            room.delivered = entry.seq;
        }
        if is_all {
            // Entries at the end of a log may have been purged.
            room.delivered = room.delivered.max(room.floor);
        } else {
            inner.mark(place.room);
        }
        for user_id in entries.iter().filter_map(joined) {
            inner.note_stale(user_id);
        }
        let gone: Vec<_> = out
            .into_iter()
            .filter_map(|(number, why)| self.put_out(&mut inner, place.room, number, why))
            .collect();
        drop(inner);
        for user_id in gone {
            self.say_gone(user_id, &[place.room]);
        }
    }

    /// How far delivery in a room has come, as long as this socket is in it and not live.
    pub(in crate::ws) fn behind(&self, slot: &Slot, id: RoomId) -> Option<i64> {
        let inner = self.inner();
        let room = inner.rooms.get(&id)?;
        room.subs.get(&slot.number).filter(|sub| !sub.is_live).map(|_| room.delivered)
    }

    /// Gives one socket something it missed.
    pub(in crate::ws) fn replay(&self, slot: &Arc<Slot>, entry: &Entry) {
        let mut inner = self.inner();
        let Some(room) = inner.rooms.get_mut(&entry.room) else { return };
        let Some(sub) = room.subs.get_mut(&slot.number) else { return };
        sub.at = entry.seq;
        if let Some(frame) = Rendered::new(entry, &self.style).frame(slot.profile.dialect) {
            slot.push(frame);
        }
        // Before it came in its person may have been put out and let in again.
        let is_new = entry.seq > sub.member_at;
        if let Some(why) = ends(entry, slot.profile.user_id).filter(|_| is_new) {
            let gone = self.put_out(&mut inner, entry.room, slot.number, why);
            drop(inner);
            if let Some(user_id) = gone {
                self.say_gone(user_id, &[entry.room]);
            }
        }
    }

    /// From here on the socket gets what is delivered, if delivery is not further than it is: then
    /// there is more to read first.
    pub(in crate::ws) fn go_live(&self, slot: &Slot, id: RoomId, at: i64) -> bool {
        let mut inner = self.inner();
        let Some(room) = inner.rooms.get_mut(&id) else { return true };
        let Some(sub) = room.subs.get_mut(&slot.number) else { return true };
        if room.delivered > at {
            return false;
        }
        sub.at = at;
        sub.is_live = true;
        if slot.profile.dialect.is_typed {
            slot.push(out::resume("resumed", id, at));
        }
        true
    }
}

impl Inner {
    /// Puts a room into the list of those to read.
    pub(super) fn mark(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if !std::mem::replace(&mut room.is_dirty, true) {
            self.dirty.push_back(id);
        }
    }
}

impl Room {
    /// The database is another one than before, which has not everything that this one had: its sockets have
    /// to read the room anew.
    fn rewind(&mut self, id: RoomId, head: i64) {
        tracing::warn!(room = id.0, "a room's log is shorter than it was");
        self.delivered = head;
        for sub in self.subs.values_mut().filter(|sub| sub.at > head) {
            sub.at = head;
            sub.slot.push(out::resume("resync", id, head));
        }
    }
}

/// Why somebody does not hear what comes after this.
fn ends(entry: &Entry, user_id: i64) -> Option<Close> {
    let is_subject = entry.subject.as_ref().is_some_and(|subject| subject.id == user_id);
    match entry.kind {
        Kind::RoomDeleted => Some(Close::RoomGone),
        kind if kind.puts_out() && is_subject => Some(Close::PutOut),
        _ => None,
    }
}

/// Who has another room now.
fn joined(entry: &Entry) -> Option<i64> {
    let subject = entry.subject.as_ref().filter(|_| entry.kind == Kind::MemberJoined)?;
    Some(subject.id)
}

/// From its being written to its being handed to the sockets.
pub(in crate::ws) fn measure(entries: &[Entry], now: chrono::DateTime<chrono::Utc>) {
    for entry in entries {
        let millis = (now - entry.at).num_milliseconds().max(0);
        let millis = u32::try_from(millis).unwrap_or(u32::MAX);
        CHAT_DELIVERY_SECONDS
            .observe(std::time::Duration::from_millis(millis.into()).as_secs_f64());
    }
}
