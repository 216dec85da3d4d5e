//! The hub without sockets and without a database: what is in the mailboxes.

use std::{collections::BTreeMap, sync::Arc};

use chrono::DateTime;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value};
use shared::{
    chat::{
        Person, RoomId,
        announce::{Announcer, Notice, Topic},
        log::{Entry, Kind, Message, MessageType, Place},
        sockets::Membership,
    },
    config,
    redis::{Redis, Subscriptions},
};

use super::{
    hub::{Entered, Hub, Registered, Start},
    out::Style,
    slot::{Close, Dialect, Next, Profile, Scope, Slot},
};
use crate::language::Language;

const ROOM: RoomId = RoomId(5);
const TYPED: Dialect = Dialect { is_typed: true, names_senders: false };
const OLD: Dialect = Dialect { is_typed: false, names_senders: false };
const OLDER: Dialect = Dialect { is_typed: false, names_senders: true };

fn hub() -> Arc<Hub> {
    let redis = Redis::start(&config::Redis::default()).unwrap();
    let settings = config::Sockets { queue: 64, resume: 1_000, ..config::Sockets::default() };
    let announcer = Announcer::start(redis);
    let style = Style { most: 4_096, file_url: Arc::new(|file| file.handle.clone()) };
    Arc::new(Hub::new(settings, style, announcer, Subscriptions::default(), "t".to_owned()))
}

fn open(hub: &Arc<Hub>, user_id: i64, dialect: Dialect) -> Registered {
    hub.open(Profile {
        user_id,
        session_id: user_id,
        until: DateTime::from_timestamp(4_000_000_000, 0).unwrap(),
        scope: Scope::One(ROOM),
        dialect,
        language: Language::English,
    })
    .ok()
    .unwrap()
}

fn seat(user_id: i64, head: i64) -> Membership {
    Membership { user_id, room: ROOM, head, shows_presence: false, others_show: false }
}

fn person(id: i64) -> Person {
    let name = String::new;
    Person { id, username: format!("u{id}"), first_name: name(), last_name: name() }
}

fn message(seq: i64) -> Entry {
    let at = DateTime::from_timestamp(1_763_740_800, 0).unwrap();
    let message = Message {
        id: 100 + seq,
        room: ROOM,
        seq,
        sender: person(1),
        client_id: None,
        kind: MessageType::Text,
        text: format!("m{seq}"),
        lat: None,
        lng: None,
        file: None,
        reply_to: None,
        created_at: at,
        edited_at: None,
        deleted_at: None,
    };
    Entry {
        room: ROOM,
        seq,
        kind: Kind::Message,
        at,
        actor: Some(person(1)),
        subject: None,
        message: Some(message),
        data: Map::new(),
    }
}

fn removed(seq: i64, user_id: i64) -> Entry {
    let subject = Some(person(user_id));
    Entry { kind: Kind::MemberRemoved, subject, message: None, ..message(seq) }
}

fn messages(from: i64, to: i64) -> Vec<Entry> {
    (from..=to).map(message).collect()
}

/// Everything in a mailbox; a close as its code.
fn take(slot: &Slot) -> Vec<Value> {
    let mut taken = Vec::new();
    loop {
        match slot.next() {
            Next::Frame(frame) => taken.push(serde_json::from_str(&frame).unwrap()),
            Next::Close(why) => {
                taken.push(why.code().0.into());
                return taken;
            }
            Next::Nothing => return taken,
        }
    }
}

/// The numbers of what came from the log.
fn numbers(slot: &Slot) -> Vec<i64> {
    take(slot).iter().filter_map(|frame| frame["seq"].as_i64()).collect()
}

fn deliver(hub: &Hub, after: i64, entries: &[Entry]) {
    hub.deliver(Place { room: ROOM, after }, entries, true);
}

#[tokio::test]
async fn what_was_read_twice_or_from_elsewhere_is_not_given_out() {
    let hub = hub();
    let ann = open(&hub, 1, TYPED);
    assert_eq!(hub.enter(&ann.slot, &seat(1, 0), Start::Now), Entered::Live);
    deliver(&hub, 0, &messages(1, 2));
    deliver(&hub, 0, &messages(1, 3));
    deliver(&hub, 1, &messages(2, 3));
    deliver(&hub, 4, &messages(5, 6));
    assert_eq!(numbers(&ann.slot), [1, 2]);
    let again = hub.take_dirty(9);
    assert_eq!(again, [Place { room: ROOM, after: 2 }], "it is read from where delivery is");
    deliver(&hub, 2, &messages(3, 6));
    assert_eq!(numbers(&ann.slot), [3, 4, 5, 6]);
}

#[tokio::test]
async fn notices_only_say_that_there_is_something_to_read() {
    let hub = hub();
    let ann = open(&hub, 1, TYPED);
    hub.enter(&ann.slot, &seat(1, 3), Start::Now);
    assert_eq!(hub.take_dirty(9), []);
    for head in [9, 4, 9, 5] {
        hub.mark(ROOM, head);
    }
    hub.mark(ROOM, 3);
    hub.mark(RoomId(6), 3);
    hub.note_heads(&[Place { room: ROOM, after: 9 }]);
    assert_eq!(hub.take_dirty(9), [Place { room: ROOM, after: 3 }], "once");
    assert_eq!(hub.take_dirty(9), []);
    assert_eq!(numbers(&ann.slot), [0; 0]);
}

#[tokio::test]
async fn a_log_whose_end_was_purged_is_not_read_for_ever() {
    let hub = hub();
    let ann = open(&hub, 1, TYPED);
    hub.enter(&ann.slot, &seat(1, 0), Start::Now);
    hub.note_heads(&[Place { room: ROOM, after: 4 }]);
    assert_eq!(hub.take_dirty(9).len(), 1);
    deliver(&hub, 0, &messages(1, 2));
    hub.note_heads(&[Place { room: ROOM, after: 4 }]);
    assert_eq!(hub.take_dirty(9), []);
    deliver(&hub, 4, &messages(5, 5));
    assert_eq!(numbers(&ann.slot), [1, 2, 5]);
}

#[tokio::test]
async fn who_is_behind_takes_over_where_delivery_is() {
    let hub = hub();
    let (ann, bob) = (open(&hub, 1, TYPED), open(&hub, 2, TYPED));
    hub.enter(&ann.slot, &seat(1, 5), Start::Now);
    assert_eq!(hub.enter(&bob.slot, &seat(2, 5), Start::After(2)), Entered::Behind(2));
    deliver(&hub, 5, &messages(6, 7));
    for entry in messages(3, 5) {
        hub.replay(&bob.slot, &entry);
    }
    assert!(!hub.go_live(&bob.slot, ROOM, 5), "delivery is further");
    for entry in messages(6, 8) {
        hub.replay(&bob.slot, &entry);
    }
    assert!(hub.go_live(&bob.slot, ROOM, 8));
    deliver(&hub, 7, &messages(8, 9));
    assert_eq!(numbers(&bob.slot), [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(numbers(&ann.slot), [6, 7, 8, 9]);
}

#[tokio::test]
async fn a_membership_that_was_read_too_early_does_not_outlive_its_end() {
    let hub = hub();
    let (ann, bob) = (open(&hub, 1, OLD), open(&hub, 2, OLD));
    hub.enter(&ann.slot, &seat(1, 5), Start::Now);
    // Read at 5; then they are put out, and that is delivered; then they come in.
    deliver(&hub, 5, &[removed(6, 2), message(7)]);
    assert_eq!(hub.enter(&bob.slot, &seat(2, 5), Start::Now), Entered::Behind(5));
    hub.replay(&bob.slot, &removed(6, 2));
    assert_eq!(take(&bob.slot), [4403]);
    assert!(!hub.listens(&bob.slot, ROOM) && hub.listens(&ann.slot, ROOM));
    // Having been put out once is not being put out.
    let again = open(&hub, 2, TYPED);
    assert_eq!(hub.enter(&again.slot, &seat(2, 8), Start::After(5)), Entered::Behind(5));
    hub.replay(&again.slot, &removed(6, 2));
    assert!(hub.listens(&again.slot, ROOM));
    assert_eq!(numbers(&again.slot), [6]);
}

#[tokio::test]
async fn whoever_is_put_out_gets_the_word_and_nothing_after_it() {
    let hub = hub();
    let (typed, old) = (open(&hub, 2, TYPED), open(&hub, 2, OLD));
    let other = open(&hub, 1, OLDER);
    for slot in [&typed.slot, &old.slot, &other.slot] {
        hub.enter(slot, &seat(slot.profile.user_id, 0), Start::Now);
    }
    deliver(&hub, 0, &[message(1), removed(2, 2), message(3)]);
    let got = take(&typed.slot);
    assert_eq!(got.len(), 3, "{got:?}");
    assert_eq!(
        (&got[1]["type"], &got[1]["event"], &got[2]),
        (&"member".into(), &"removed".into(), &4403.into())
    );
    assert_eq!(take(&old.slot)[1], 4403);
    let others = take(&other.slot);
    assert_eq!(others.len(), 2);
    assert_eq!((&others[1]["seq"], &others[1]["sender"]), (&3.into(), &"u1".into()));
}

#[tokio::test]
async fn a_full_mailbox_ends_its_socket_and_no_other() {
    let hub = hub();
    let (slow, fast) = (open(&hub, 1, OLD), open(&hub, 2, OLD));
    hub.enter(&slow.slot, &seat(1, 0), Start::Now);
    hub.enter(&fast.slot, &seat(2, 0), Start::Now);
    for seq in 1..=65 {
        deliver(&hub, seq - 1, &messages(seq, seq));
        assert_eq!(numbers(&fast.slot), [seq]);
    }
    assert_eq!(slow.slot.closing(), Some(Close::Slow));
    assert_eq!(take(&slow.slot), [4408], "what is after a gap is not sent");
}

#[tokio::test]
async fn the_frames_of_one_entry_are_written_once() {
    let hub = hub();
    let sockets: Vec<_> = (1..=3).map(|user_id| open(&hub, user_id, TYPED)).collect();
    for socket in &sockets {
        hub.enter(&socket.slot, &seat(socket.slot.profile.user_id, 0), Start::Now);
    }
    deliver(&hub, 0, &messages(1, 1));
    let frames = sockets.iter().map(|socket| match socket.slot.next() {
        Next::Frame(frame) => frame,
        _ => panic!("nothing came"),
    });
    let frames: Vec<_> = frames.collect();
    assert!(Arc::ptr_eq(&frames[0], &frames[1]) && Arc::ptr_eq(&frames[1], &frames[2]));
}

#[tokio::test]
async fn the_last_one_who_leaves_takes_the_room_away() {
    let hub = hub();
    let (ann, bob) = (open(&hub, 1, TYPED), open(&hub, 2, TYPED));
    hub.enter(&ann.slot, &seat(1, 0), Start::Now);
    hub.enter(&bob.slot, &seat(2, 0), Start::Now);
    drop(ann);
    assert_eq!(hub.rooms(), [ROOM]);
    drop(bob);
    assert_eq!((hub.rooms(), hub.slots().len()), (Vec::new(), 0));
    // What was being read for them meanwhile is for nobody, also if somebody has come in.
    let eve = open(&hub, 3, TYPED);
    hub.enter(&eve.slot, &seat(3, 2), Start::Now);
    deliver(&hub, 0, &messages(1, 4));
    assert_eq!(numbers(&eve.slot), [0; 0]);
    deliver(&hub, 2, &messages(3, 4));
    assert_eq!(numbers(&eve.slot), [3, 4]);
}

#[tokio::test]
async fn everybody_is_looked_at_in_turn_and_those_of_whom_it_is_said_at_once() {
    let hub = hub();
    let sockets: Vec<_> = (1..=5).map(|user_id| open(&hub, user_id, TYPED)).collect();
    assert_eq!(hub.next_look(2).people, [1, 2]);
    hub.note_seats(5);
    hub.note_seats(77);
    assert_eq!(hub.next_look(0).people, [5]);
    assert_eq!(hub.next_look(2).people, [3, 4]);
    assert_eq!(hub.next_look(2).people, [5]);
    assert_eq!(hub.next_look(2).people, [1, 2]);
    drop(sockets);
    assert_eq!(hub.next_look(9).people, [0; 0]);
}

#[tokio::test]
async fn whoever_does_not_belong_here_at_two_looks_is_put_out() {
    let hub = hub();
    let bob = open(&hub, 2, TYPED);
    hub.enter(&bob.slot, &seat(2, 0), Start::Now);
    let look = hub.next_look(9);
    hub.apply(&look, &[]);
    assert!(hub.listens(&bob.slot, ROOM), "the log may say why");
    assert_eq!(hub.take_dirty(9).len(), 1, "it is read first");
    let look = hub.next_look(0);
    assert_eq!(look.people, [2], "and they are looked at again");
    hub.apply(&look, &[]);
    assert_eq!(take(&bob.slot), [4403]);
    // Who came in after the look began was not looked at.
    let eve = open(&hub, 3, TYPED);
    let look = hub.next_look(9);
    hub.enter(&eve.slot, &seat(3, 0), Start::Now);
    hub.apply(&look, &[]);
    hub.apply(&look, &[]);
    assert!(hub.listens(&eve.slot, ROOM));
}

/// One reader that catches up, as [`super::feed::catch_up`] does it, a page at a time.
struct Behind {
    at: i64,
    /// What delivery was at when the page was read, and the page.
    page: Option<(i64, Vec<Entry>)>,
}

/// Any order of everything that may happen at the same time: the log grows, is read and is delivered,
/// sockets come (now, or with a place), catch up and go, memberships are read and used later.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one model and all that may happen to it")]
async fn in_any_order_of_things_every_socket_gets_every_entry_after_its_place_once() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let hub = hub();
        let mut head = rng.random_range(0..5);
        let mut read: Option<(Place, Vec<Entry>)> = None;
        let mut seats: Vec<i64> = Vec::new();
        let mut sockets: BTreeMap<i64, (Registered, Option<Behind>, i64, Vec<i64>)> =
            BTreeMap::new();
        for step in 0..400 {
            match rng.random_range(0..9) {
                0 | 1 => {
                    head += 1;
                    hub.mark(ROOM, head);
                }
                2 => {
                    // One task reads: what it has read it delivers before it reads again.
                    if let (None, Some(place)) = (&read, hub.take_dirty(1).pop()) {
                        let to = head.min(place.after + rng.random_range(1..4));
                        read = Some((place, messages(place.after + 1, to)));
                    }
                }
                3 => {
                    if let Some((place, entries)) = read.take() {
                        let is_all = entries.len() < 3;
                        hub.deliver(place, &entries, is_all);
                        hub.mark(ROOM, head);
                    }
                }
                4 => seats.push(head),
                5 => {
                    let Some(known) = seats.pop() else { continue };
                    let user_id = 1_000 + step;
                    let slot = open(&hub, user_id, TYPED);
                    let since = rng.random_range(0..=known);
                    let now = rng.random_bool(0.5);
                    let start = if now { Start::Now } else { Start::After(since) };
                    let place = if now { known } else { since };
                    let behind = match hub.enter(&slot.slot, &seat(user_id, known), start) {
                        Entered::Behind(at) => Some(Behind { at, page: None }),
                        Entered::Live => None,
                        other => panic!("{other:?}"),
                    };
                    sockets.insert(user_id, (slot, behind, place, Vec::new()));
                }
                6 | 7 => {
                    let all = sockets.values_mut().filter(|(_, behind, _, _)| behind.is_some());
                    let mut all: Vec<_> = all.collect();
                    if all.is_empty() {
                        continue;
                    }
                    let (socket, behind, _, _) = all.swap_remove(rng.random_range(0..all.len()));
                    let Some(state) = behind else { continue };
                    match state.page.take() {
                        None => {
                            let delivered = hub.behind(&socket.slot, ROOM).unwrap();
                            let to = head.min(state.at + 3);
                            state.page = Some((delivered, messages(state.at + 1, to)));
                        }
                        Some((delivered, entries)) => {
                            for entry in &entries {
                                hub.replay(&socket.slot, entry);
                                state.at = entry.seq;
                            }
                            if entries.len() < 3 {
                                state.at = state.at.max(delivered);
                                if hub.go_live(&socket.slot, ROOM, state.at) {
                                    *behind = None;
                                }
                            }
                        }
                    }
                }
                _ => {
                    if let Some(key) =
                        sockets.keys().next().copied().filter(|_| rng.random_bool(0.2))
                    {
                        sockets.remove(&key);
                    }
                }
            }
            for (socket, _, _, got) in sockets.values_mut() {
                got.extend(numbers(&socket.slot));
            }
        }
        for (user_id, (socket, _, place, mut got)) in sockets {
            got.extend(numbers(&socket.slot));
            let expected: Vec<_> = (place + 1..).take(got.len()).collect();
            assert_eq!(got, expected, "seed {seed}, socket {user_id} from {place}");
        }
    }
}

#[tokio::test]
async fn whose_seat_changes_is_looked_at_next_if_they_have_a_socket_here() {
    let hub = hub();
    let _here = open(&hub, 7, TYPED);
    for user_id in [7, 8] {
        hub.told_here(Topic::Room(ROOM), &Notice::Seat(user_id));
    }
    assert_eq!(hub.next_look(0).people, [7]);
    assert_eq!(hub.next_look(0).people, [0_i64; 0]);
}
