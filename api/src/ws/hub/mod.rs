//! The sockets of this process and the rooms they listen to.
//!
//! One lock over everything, held for moments and never over an `await`; slots have locks of their
//! own, which are taken after it and never before.

mod check;
mod deliver;
mod pass;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use shared::{
    chat::{
        RoomId,
        announce::{Announcer, Notice, Passing, Topic},
        sockets::Membership,
    },
    config::Sockets as Settings,
    redis::Subscriptions,
    telemetry::SOCKETS_OPEN,
};
use tokio::{sync::Notify, time::Instant};

use super::{
    out::{self, Style},
    slot::{Close, Profile, Scope, Slot},
};

pub(super) use self::deliver::measure;

/// The sockets of this process.
pub(crate) struct Hub {
    inner: Mutex<Inner>,
    /// Rings when a room has something to read or somebody's rooms are to be looked at.
    pub(super) rings: Notify,
    pub(super) settings: Settings,
    style: Style,
    announcer: Announcer,
    subscriptions: Subscriptions,
    prefix: String,
    started: Instant,
}

#[derive(Default)]
struct Inner {
    /// Numbers sockets, and the moments at which they enter rooms.
    counter: u64,
    sockets: HashMap<u64, Open>,
    /// By person, in order, so that all are looked at in turn.
    people: BTreeMap<i64, Vec<u64>>,
    rooms: HashMap<RoomId, Room>,
    /// Rooms with something to read, each once.
    dirty: VecDeque<RoomId>,
    /// People whose rooms may have changed.
    stale: HashSet<i64>,
    /// Who was looked at last.
    looked_at: i64,
    draining: bool,
}

/// An open socket.
struct Open {
    slot: Arc<Slot>,
    rooms: Vec<RoomId>,
    /// Rooms it does not want to hear of.
    unwanted: Vec<RoomId>,
}

/// A room that at least one socket listens to.
struct Room {
    /// Everything up to this number has been given to the sockets that are live.
    delivered: i64,
    /// How far the log went when it was last looked at.
    floor: i64,
    /// Whether it is in the list of rooms to read.
    is_dirty: bool,
    subs: HashMap<u64, Sub>,
    typing: HashMap<i64, pass::Typed>,
    /// When those who ask who is there were last answered.
    answered: Option<Instant>,
}

/// A socket in a room.
struct Sub {
    slot: Arc<Slot>,
    /// Everything up to this number was given to it, or is not for it.
    at: i64,
    /// Whether it gets what comes. Otherwise it is still reading what it missed.
    is_live: bool,
    /// Up to this number the log says nothing of whether its person belongs here.
    member_at: i64,
    /// When it came in, by the hub's counter.
    entered: u64,
    shows_presence: bool,
    /// Its person did not belong here at the last look.
    is_strange: bool,
}

/// Where a socket begins to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With what happens next.
    Now,
    /// With what happened after this number.
    After(i64),
}

/// What became of an attempt to enter a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// It gets everything from now on.
    Live,
    /// It has to read on from this number first.
    Behind(i64),
    /// It was there before.
    Already,
    /// It listens to as many rooms as it may.
    TooMany,
    /// It is closed.
    Gone,
}

/// Why no socket can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenError {
    /// The person has as many as they may.
    TooMany,
    /// The process is about to stop.
    Draining,
}

/// Keeps a socket in the hub until it is dropped.
pub(super) struct Registered {
    hub: Arc<Hub>,
    pub(super) slot: Arc<Slot>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.hub.close(&self.slot);
    }
}

impl Hub {
    /// Without any socket.
    pub(super) fn new(
        settings: Settings,
        style: Style,
        announcer: Announcer,
        subscriptions: Subscriptions,
        prefix: String,
    ) -> Self {
        Self {
            inner: Mutex::default(),
            rings: Notify::new(),
            settings,
            style,
            announcer,
            subscriptions,
            prefix,
            started: Instant::now(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a channel is about.
    pub(super) fn topic(&self, channel: &str) -> Option<Topic> {
        Topic::of_channel(&self.prefix, channel)
    }

    /// What another process published.
    pub(super) fn read(&self, text: &str) -> Option<Notice> {
        self.announcer.read(text)
    }

    /// Seconds since the hub began.
    pub(super) fn seconds(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// Makes room for a socket, before it is promised to its client.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(super) fn open(self: &Arc<Self>, profile: Profile) -> Result<Registered, OpenError> {
        let mut inner = self.inner();
        if inner.draining {
            return Err(OpenError::Draining);
        }
        let most = usize::try_from(self.settings.per_user).unwrap_or(usize::MAX);
        if inner.people.get(&profile.user_id).is_some_and(|sockets| sockets.len() >= most) {
            return Err(OpenError::TooMany);
        }
        inner.counter += 1;
        let number = inner.counter;
        let queue = usize::try_from(self.settings.queue).unwrap_or(usize::MAX);
        let slot = Arc::new(Slot::new(number, profile, queue, self.seconds()));
        inner.people.entry(profile.user_id).or_default().push(number);
        let open = Open { slot: slot.clone(), rooms: Vec::new(), unwanted: Vec::new() };
        inner.sockets.insert(number, open);
        drop(inner);
        if profile.scope == Scope::All {
            self.subscriptions.want(Topic::Person(profile.user_id).channel(&self.prefix));
        }
        SOCKETS_OPEN.with_label_values(&[scope_label(profile.scope)]).inc();
        Ok(Registered { hub: self.clone(), slot })
    }

    /// Forgets a socket.
    fn close(&self, slot: &Slot) {
        let mut inner = self.inner();
        let Some(open) = inner.sockets.remove(&slot.number) else { return };
        let user_id = slot.profile.user_id;
        if let Some(sockets) = inner.people.get_mut(&user_id) {
            sockets.retain(|number| *number != slot.number);
            if sockets.is_empty() {
                inner.people.remove(&user_id);
                inner.stale.remove(&user_id);
            }
        }
        let gone: Vec<_> = open
            .rooms
            .iter()
            .filter(|room| self.take_sub(&mut inner, **room, slot.number))
            .copied()
            .collect();
        drop(inner);
        if slot.profile.scope == Scope::All {
            self.subscriptions.unwant(&Topic::Person(user_id).channel(&self.prefix));
        }
        self.say_gone(user_id, &gone);
        SOCKETS_OPEN.with_label_values(&[scope_label(slot.profile.scope)]).dec();
    }

    /// Lets a socket into a room its person belongs to. It gets everything after its place: from here
    /// on that is delivered, or, if delivery or the log are further, it reads until it is where
    /// delivery is.
    pub(super) fn enter(&self, slot: &Arc<Slot>, seated: &Membership, start: Start) -> Entered {
        let mut inner = self.inner();
        let most = usize::try_from(self.settings.rooms).unwrap_or(usize::MAX);
        let Some(open) = inner.sockets.get_mut(&slot.number) else { return Entered::Gone };
        if open.rooms.contains(&seated.room) {
            return Entered::Already;
        }
        if open.rooms.len() >= most {
            return Entered::TooMany;
        }
        open.rooms.push(seated.room);
        open.unwanted.retain(|room| *room != seated.room);
        inner.counter += 1;
        let entered = inner.counter;
        let room = inner.rooms.entry(seated.room).or_insert_with(|| {
            self.subscriptions.want(Topic::Room(seated.room).channel(&self.prefix));
            Room::at(seated.head)
        });
        let is_near = |seq| seated.head - seq <= i64::from(self.settings.resume);
        let (place, word) = match start {
            Start::Now => (seated.head, None),
            Start::After(seq) if (0..=seated.head).contains(&seq) && is_near(seq) => {
                (seq, Some("resumed"))
            }
            Start::After(_) => (seated.head, Some("resync")),
        };
        // Delivery may be further than the membership is known for.
        let is_behind = place < seated.head.max(room.delivered);
        let is_first = !room.has(slot.profile.user_id);
        let sub = Sub {
            slot: slot.clone(),
            at: place,
            is_live: !is_behind,
            member_at: seated.head,
            entered,
            shows_presence: seated.shows_presence,
            is_strange: false,
        };
        room.subs.insert(slot.number, sub);
        let is_ahead = seated.head > room.delivered;
        // Within the lock, so that it comes before whatever is delivered next.
        if let Some(word) = word.filter(|word| *word == "resync" || !is_behind) {
            slot.push(out::resume(word, seated.room, place));
        }
        drop(inner);
        if is_ahead {
            self.mark(seated.room, seated.head);
        }
        self.say_here(slot, seated, is_first);
        if is_behind { Entered::Behind(place) } else { Entered::Live }
    }

    /// Lets a socket out of a room; `false` if it was not there.
    pub(super) fn leave(&self, slot: &Slot, room: RoomId) -> bool {
        let mut inner = self.inner();
        let Some(open) = inner.sockets.get_mut(&slot.number) else { return false };
        if !open.rooms.contains(&room) {
            return false;
        }
        open.rooms.retain(|listened| *listened != room);
        open.unwanted.push(room);
        let gone = self.take_sub(&mut inner, room, slot.number);
        drop(inner);
        if gone {
            self.say_gone(slot.profile.user_id, &[room]);
        }
        true
    }

    /// Takes a socket out of a room, and the room away if it was the last one. Whether the others are
    /// to hear that its person is not there any more.
    fn take_sub(&self, inner: &mut Inner, id: RoomId, number: u64) -> bool {
        let Some(room) = inner.rooms.get_mut(&id) else { return false };
        let Some(sub) = room.subs.remove(&number) else { return false };
        let gone = sub.shows_presence && !room.has(sub.slot.profile.user_id);
        if room.subs.is_empty() {
            inner.rooms.remove(&id);
            self.subscriptions.unwant(&Topic::Room(id).channel(&self.prefix));
        }
        gone
    }

    /// Whether a socket listens to a room.
    pub(super) fn listens(&self, slot: &Slot, room: RoomId) -> bool {
        let inner = self.inner();
        inner.rooms.get(&room).is_some_and(|room| room.subs.contains_key(&slot.number))
    }

    /// All sockets there are.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        self.inner().sockets.values().map(|open| open.slot.clone()).collect()
    }

    /// Opens no socket any more, and gives those that are open.
    pub(super) fn begin_drain(&self) -> Vec<Arc<Slot>> {
        self.inner().draining = true;
        self.slots()
    }

    /// Tells a socket how far it has been given the logs of its rooms.
    pub(super) fn beat(&self, slot: &Slot, only: Option<RoomId>) {
        let inner = self.inner();
        let Some(open) = inner.sockets.get(&slot.number) else { return };
        let rooms = open.rooms.iter().filter(|id| only.is_none_or(|only| only == **id));
        let live = rooms.filter_map(|id| {
            let sub = inner.rooms.get(id)?.subs.get(&slot.number)?;
            sub.is_live.then_some((*id, sub.at))
        });
        let heads: Vec<_> = live.collect();
        // Within the lock: what is delivered next comes after it.
        for some in heads.chunks(HEADS_PER_FRAME) {
            slot.push(out::heartbeat(some.iter().copied()));
        }
    }

    /// Puts a socket out of a room, within the lock.
    fn put_out(&self, inner: &mut Inner, id: RoomId, number: u64, why: Close) -> Option<i64> {
        let open = inner.sockets.get_mut(&number)?;
        open.rooms.retain(|room| *room != id);
        let slot = open.slot.clone();
        let gone = self.take_sub(inner, id, number);
        if slot.profile.scope == Scope::One(id) {
            slot.close(why);
        }
        gone.then_some(slot.profile.user_id)
    }

    fn say_gone(&self, user_id: i64, rooms: &[RoomId]) {
        for room in rooms {
            self.announcer.passing(*room, Passing::Presence { user_id, on: false });
        }
    }
}

/// Rooms in one heartbeat.
const HEADS_PER_FRAME: usize = 100;

impl Room {
    fn at(head: i64) -> Self {
        Self {
            delivered: head,
            floor: 0,
            is_dirty: false,
            subs: HashMap::new(),
            typing: HashMap::new(),
            answered: None,
        }
    }

    /// Whether a socket of this person is here.
    fn has(&self, user_id: i64) -> bool {
        self.subs.values().any(|sub| sub.slot.profile.user_id == user_id)
    }
}

pub(super) fn scope_label(scope: Scope) -> &'static str {
    match scope {
        Scope::One(_) => "room",
        Scope::All => "all",
    }
}
