//! How what happens comes to the sockets of this process: every entry of a room's log once, in
//! order, to each.
//!
//! **One task reads** ([`Reader`]). Whatever says that a room's log has grown (somebody in this process, a
//! notice through Redis, the look at the heads of all rooms twice a second) only puts the room on
//! a list. The task takes rooms from the list and reads the database from where delivery is, many
//! rooms with one statement. So it does not matter how many notices come, how late, in what order,
//! or whether any does: that decides when the task reads, never what it finds.
//!
//! **What it finds is whole.** Everything that happens in a room takes its number under the lock of
//! the room's row and keeps the lock until it is committed. So numbers are committed in their
//! order, and whoever reads number n reads every number below it that there is.
//!
//! **Delivery goes on where it stopped.** `Room::delivered` is moved by this task alone. What was
//! read after a place is given out only if delivery still is at that place, and then delivery is
//! at the last entry that was read. Entries after the place, in order, without the place: nothing
//! is left out, doubled or out of turn.
//!
//! **A socket comes in under the hub's lock** with the place its client named (`since`) or the
//! head that was read together with its person's membership, and with the question: is delivery
//! further than that place? If not, the socket is live: everything after its place is still to be delivered.
//! If it is, or if there is more in the log, the socket is not live; delivery passes it over, and
//! [`catch_up`] reads the log for it alone, from its place on. When that has read to the end of
//! the log, the question is asked again under the lock, and the answer makes it live or lets it
//! read on. A live socket takes from each delivery what is after its own place.
//!
//! So at every moment a socket has been given exactly what is between the place it came in with
//! and the place it is at, and whoever takes over from there begins at that place.
//!
//! **Being put out is an entry, too**: the socket gets what was before it, the entry itself, and nothing
//! after it. `Sub::member_at` tells it from one that was before the person was let in again. What
//! takes memberships away without an entry (leaving an organization) is found by looking: at those of whom
//! somebody says so at once, at everybody in turn.

use std::{sync::Arc, time::Duration};

use shared::chat::{
    Chat,
    announce::{Notice, Topic},
    log::Place,
};
use shared::{chat::RoomId, redis::Heard};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{
    hub::{Hub, measure},
    slot::{Close, Slot},
};

/// Between two looks at the heads of all rooms: how late anything is while Redis is away.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Rooms of one statement that asks for heads.
const HEADS_AT_ONCE: usize = 2_000;
/// Rooms of one statement that reads logs.
const ROOMS_AT_ONCE: usize = 256;
/// Entries of each room it reads.
const ENTRIES: i64 = 50;
/// People looked at in turn with each look.
const PEOPLE_IN_TURN: usize = 100;
/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two pages of a room in which much happens: for its sockets to send the first one.
const TURN_PAGE: Duration = Duration::from_millis(5);
/// For how long a socket tries to read what it missed.
const CATCH_UP: Duration = Duration::from_mins(1);

/// The task that reads for all sockets.
pub(super) struct Reader {
    pub(super) hub: Arc<Hub>,
    pub(super) chat: Chat,
}

impl Reader {
    /// Reads for as long as the process lives.
    pub(super) async fn run(self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away = false;
        loop {
            let is_look = tokio::select! {
                _ = looks.tick() => true,
                () = self.hub.rings.notified() => false,
            };
            let read = self.turn(is_look).await;
            if let Err(error) = &read {
                if !away {
                    tracing::warn!(%error, "logs of rooms cannot be read");
                }
                sleep(PAUSE).await;
            }
            away = read.is_err();
        }
    }

    async fn turn(&self, is_look: bool) -> Result<(), sqlx::Error> {
        self.look_at_people(if is_look { PEOPLE_IN_TURN } else { 0 }).await?;
        if is_look {
            self.look_at_heads().await?;
        }
        while self.read_some().await? {}
        Ok(())
    }

    async fn look_at_heads(&self) -> Result<(), sqlx::Error> {
        for some in self.hub.rooms().chunks(HEADS_AT_ONCE) {
            let heads = self.chat.heads(some).await?;
            self.hub.note_heads(&heads);
        }
        Ok(())
    }

    async fn look_at_people(&self, in_turn: usize) -> Result<(), sqlx::Error> {
        let look = self.hub.next_look(in_turn);
        if look.people.is_empty() {
            return Ok(());
        }
        match self.chat.memberships(&look.people, None).await {
            Ok(seated) => self.hub.apply(&look, &seated),
            Err(error) => {
                self.hub.look_again(look);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reads and delivers what is new in some rooms; whether there may be more to read.
    async fn read_some(&self) -> Result<bool, sqlx::Error> {
        let places = self.hub.take_dirty(ROOMS_AT_ONCE);
        if places.is_empty() {
            return Ok(false);
        }
        let entries = match self.chat.read_log(&places, ENTRIES).await {
            Ok(entries) => entries,
            Err(error) => {
                for place in places {
                    self.hub.mark(place.room, i64::MAX);
                }
                return Err(error);
            }
        };
        let mut is_burst = false;
        for place in places {
            let begin = entries.partition_point(|entry| entry.room < place.room);
            let end = entries.partition_point(|entry| entry.room <= place.room);
            let of_room = entries.get(begin..end).unwrap_or_default();
            let is_all = i64::try_from(of_room.len()).is_ok_and(|count| count < ENTRIES);
            self.hub.deliver(place, of_room, is_all);
            is_burst |= !is_all;
        }
        measure(&entries, self.chat.now());
        if is_burst {
            sleep(TURN_PAGE).await;
        }
        Ok(true)
    }
}

/// Reads what a socket missed in a room, until it is where delivery is.
pub(super) async fn catch_up(hub: &Hub, chat: &Chat, slot: &Arc<Slot>, room: RoomId, from: i64) {
    let page = i64::from(hub.settings.queue / 4).clamp(1, 100);
    let (mut at, begun) = (from, Instant::now());
    while slot.has_room().await {
        // Before the log is read: what was delivered then is in what is read now.
        let Some(delivered) = hub.behind(slot, room) else { return };
        let entries = match chat.read_log(&[Place { room, after: at }], page).await {
            Ok(entries) => entries,
            Err(error) if begun.elapsed() < CATCH_UP => {
                tracing::debug!(%error, "a log cannot be read");
                sleep(PAUSE).await;
                continue;
            }
            Err(_) => return slot.close(Close::Slow),
        };
        for entry in &entries {
            hub.replay(slot, entry);
            at = entry.seq;
        }
        if i64::try_from(entries.len()).is_ok_and(|count| count < page) {
            at = at.max(delivered);
            if hub.go_live(slot, room, at) {
                return;
            }
        }
    }
}

impl Hub {
    /// Something that this process says itself.
    pub(super) fn told_here(&self, topic: Topic, notice: &Notice) {
        self.told(topic, notice, false);
    }

    /// Something came through Redis.
    pub(super) fn hear(&self, heard: Heard) {
        match heard {
            Heard::Message { channel, text } => {
                let (Some(topic), Some(notice)) = (self.topic(&channel), self.read(&text)) else {
                    return;
                };
                self.told(topic, &notice, true);
            }
            // What was said while nobody listened is in the log.
            Heard::Begun(channel) => match self.topic(&channel) {
                Some(Topic::Room(room)) => self.mark_unheard(room),
                Some(Topic::Person(user_id)) => self.note_seats(user_id),
                None => {}
            },
            Heard::Gap => self.rooms().into_iter().for_each(|room| self.mark_unheard(room)),
        }
    }

    fn told(&self, topic: Topic, notice: &Notice, is_remote: bool) {
        match (topic, notice) {
            (Topic::Room(room), Notice::Head(seq)) => self.mark(room, *seq),
            (Topic::Room(room), Notice::Passing(what)) => self.pass(room, what, is_remote),
            (Topic::Person(user_id), Notice::Seats) => self.note_seats(user_id),
            (Topic::Room(_), Notice::Seat(user_id)) => self.note_seats(*user_id),
            _ => {}
        }
    }
}
