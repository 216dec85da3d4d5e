//! Whether people still belong where their sockets listen: what the log does not say, such as
//! leaving an organization, and rooms that are new.

use std::{collections::HashMap, sync::Arc};

use shared::chat::sockets::Membership;

use super::{Entered, Hub, Inner, Start};
use crate::ws::slot::{Close, Scope, Slot};

/// People to look at, and when that was decided, by the hub's counter.
pub(in crate::ws) struct Look {
    pub(in crate::ws) people: Vec<i64>,
    since: u64,
}

impl Hub {
    /// Somebody belongs to other rooms than before.
    pub(in crate::ws) fn note_seats(&self, user_id: i64) {
        let mut inner = self.inner();
        if inner.note_stale(user_id) {
            drop(inner);
            self.rings.notify_one();
        }
    }

    /// Whom to look at: those whose rooms may have changed, and the next ones in turn.
    pub(in crate::ws) fn next_look(&self, in_turn: usize) -> Look {
        let mut inner = self.inner();
        let mut people: Vec<_> = std::mem::take(&mut inner.stale).into_iter().collect();
        if in_turn > 0 {
            let after = inner.looked_at.saturating_add(1);
            let next = inner.people.range(after..).map(|(id, _)| *id).take(in_turn);
            let next: Vec<_> = next.collect();
            // At the end it begins anew.
            let last = next.last().copied().filter(|_| next.len() == in_turn);
            inner.looked_at = last.unwrap_or_default();
            people.extend(next);
        }
        Look { people, since: inner.counter }
    }

    /// Those could not be looked at.
    pub(in crate::ws) fn look_again(&self, look: Look) {
        let mut inner = self.inner();
        for user_id in look.people {
            inner.note_stale(user_id);
        }
    }

    /// Puts sockets out of rooms that their people do not belong to any more, and lets those that
    /// listen to all rooms into new ones.
    pub(in crate::ws) fn apply(&self, look: &Look, seated: &[Membership]) {
        let mut by_person: HashMap<i64, Vec<&Membership>> = HashMap::new();
        for seat in seated {
            by_person.entry(seat.user_id).or_default().push(seat);
        }
        for user_id in &look.people {
            let seats = by_person.remove(user_id).unwrap_or_default();
            for slot in self.drop_strange(*user_id, &seats, look.since) {
                self.enter_new(&slot, &seats);
            }
        }
    }

    /// Gives the person's sockets that listen to all rooms.
    fn drop_strange(&self, user_id: i64, seats: &[&Membership], since: u64) -> Vec<Arc<Slot>> {
        let mut inner = self.inner();
        let numbers = inner.people.get(&user_id).cloned().unwrap_or_default();
        let mut gone = Vec::new();
        let mut suspects = false;
        for number in &numbers {
            let rooms = inner.sockets.get(number).map(|open| open.rooms.clone());
            for id in rooms.unwrap_or_default() {
                let belongs = seats.iter().any(|seat| seat.room == id);
                let sub = inner.rooms.get_mut(&id).and_then(|room| room.subs.get_mut(number));
                // Who came in after the look began was not looked at there.
                let Some(sub) = sub.filter(|sub| sub.entered <= since) else { continue };
                let was_strange = std::mem::replace(&mut sub.is_strange, !belongs);
                if !belongs && was_strange {
                    let left = self.put_out(&mut inner, id, *number, Close::PutOut);
                    gone.extend(left.map(|_| id));
                } else if !belongs {
                    // The log may say why: it is read before the next look.
                    inner.mark(id);
                    suspects = true;
                }
            }
        }
        if suspects {
            inner.note_stale(user_id);
        }
        let slots = numbers.iter().filter_map(|number| inner.sockets.get(number));
        let all = slots.filter(|open| open.slot.profile.scope == Scope::All);
        let all = all.map(|open| open.slot.clone()).collect();
        drop(inner);
        self.say_gone(user_id, &gone);
        all
    }

    fn enter_new(&self, slot: &Arc<Slot>, seats: &[&Membership]) {
        let (known, unwanted) = match self.inner().sockets.get(&slot.number) {
            Some(open) => (open.rooms.clone(), open.unwanted.clone()),
            None => return,
        };
        let is_new =
            |seat: &&&Membership| !known.contains(&seat.room) && !unwanted.contains(&seat.room);
        let mut entered = false;
        for seat in seats.iter().filter(is_new) {
            match self.enter(slot, seat, Start::Now) {
                Entered::Live => entered = true,
                Entered::TooMany | Entered::Gone => break,
                Entered::Behind(_) | Entered::Already => {}
            }
        }
        if entered {
            self.beat(slot, None);
        }
    }
}

impl Inner {
    /// Whether somebody with open sockets was noted.
    pub(super) fn note_stale(&mut self, user_id: i64) -> bool {
        self.people.contains_key(&user_id) && self.stale.insert(user_id)
    }
}
