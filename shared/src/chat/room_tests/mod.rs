//! Rooms and who is in them, in a real database.

mod departures;
mod erasure;
mod moderation;

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tokio::task::JoinSet;

use super::{
    announce::{Announcer, Notice, Topic},
    change::Changes,
    create::{About, RoomError},
    log::{Kind, Place},
    members::Who,
    moderation::{Outcome, Reason},
    permissions::{Level, Levels, Refusal, Role, Status},
    rooms::{Before, Room},
    *,
};
use crate::{
    audit::{Actor, Source},
    clock::ManualClock,
    config::Webhooks,
    organizations::{Caller, OrganizationError, Organizations},
    redis::Redis,
    sms::messages::Messages,
};

struct World {
    pool: PgPool,
    clock: Arc<ManualClock>,
    chat: Chat,
    organizations: Organizations,
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn by(user_id: i64) -> Caller {
    let source = Source { actor: Actor::User(user_id), ip: None, request_id: None };
    Caller { user_id, source }
}

fn levels(of: &[Level]) -> Levels {
    of.iter().copied().collect()
}

impl World {
    fn new(pool: PgPool) -> Self {
        Self::with(pool, |_| ())
    }

    fn with(pool: PgPool, set: impl FnOnce(&mut Config)) -> Self {
        let clock = Arc::new(ManualClock::new(start()));
        let mut config = Config::default();
        set(&mut config);
        let outbox = Outbox::new(&Webhooks::default(), clock.clone());
        let announcer = Announcer::start(Redis::start(&config.redis).unwrap());
        let files = Files::for_tests();
        let chat = Chat::new(pool.clone(), clock.clone(), outbox, announcer, files, &config);
        let messages = Messages::new(pool.clone(), clock.clone(), &config);
        let organizations = Organizations::new(pool.clone(), clock.clone(), messages, &config);
        Self { pool, clock, chat, organizations }
    }

    async fn user(&self, name: &str) -> i64 {
        sqlx::query_scalar("INSERT INTO users (username, created_at) VALUES ($1, $2) RETURNING id")
            .bind(name)
            .bind(start())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    async fn users<const N: usize>(&self) -> [i64; N] {
        let mut ids = [0; N];
        for (place, id) in ids.iter_mut().enumerate() {
            *id = self.user(&format!("user{place}")).await;
        }
        ids
    }

    /// A group of these; the first is its owner.
    async fn group(&self, people: &[i64]) -> RoomId {
        let made = self.chat.open_group(&by(people[0]), &people[1..], &About::default()).await;
        made.unwrap().room.brief.id
    }

    async fn organization(&self, people: &[i64]) -> i64 {
        let made = "WITH made AS (
                INSERT INTO organizations (name, uname, owner_id, created_at)
                VALUES ('o', 'org', $1[1], $2) RETURNING id)
            INSERT INTO organization_members (organization_id, user_id, role, joined_at)
            SELECT made.id, p, CASE WHEN p = $1[1] THEN 'owner' ELSE 'member' END, $2
            FROM made, unnest($1) AS p RETURNING organization_id";
        sqlx::query_scalar(made).bind(people).bind(start()).fetch_one(&self.pool).await.unwrap()
    }

    async fn message(&self, room: RoomId, sender: i64, text: &str) -> i64 {
        let write = "WITH next AS (
                UPDATE rooms SET head = head + 1 WHERE id = $1 RETURNING head)
            INSERT INTO chat_messages (room_id, seq, sender_id, type, text, folded, created_at)
            SELECT $1, head, $2, 'text', $3, $3, $4 FROM next RETURNING id";
        sqlx::query_scalar(write)
            .bind(room.0)
            .bind(sender)
            .bind(text)
            .bind(start())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    async fn log(&self, room: RoomId) -> Vec<(Kind, Option<i64>, Option<i64>)> {
        let found = self.chat.read_log(&[Place { room, after: 0 }], 1_000).await.unwrap();
        let short = found.into_iter().enumerate().map(|(place, entry)| {
            assert_eq!(entry.seq, i64::try_from(place).unwrap() + 1, "no gap");
            let id = |person: Option<Person>| person.map(|person| person.id);
            (entry.kind, id(entry.actor), id(entry.subject))
        });
        short.collect()
    }

    async fn audited(&self, room: RoomId) -> Vec<String> {
        let events = "SELECT action FROM audit_events WHERE subject = 'room' AND subject_id = $1
            ORDER BY id";
        sqlx::query_scalar(events).bind(room.0).fetch_all(&self.pool).await.unwrap()
    }

    async fn owners(&self, room: RoomId) -> Vec<i64> {
        let owners = "SELECT user_id FROM room_members WHERE room_id = $1 AND role = 'owner'
            ORDER BY user_id";
        sqlx::query_scalar(owners).bind(room.0).fetch_all(&self.pool).await.unwrap()
    }

    async fn members(&self, room: RoomId) -> Vec<i64> {
        let members = "SELECT user_id FROM room_members WHERE room_id = $1 ORDER BY user_id";
        sqlx::query_scalar(members).bind(room.0).fetch_all(&self.pool).await.unwrap()
    }

    async fn see(&self, user: i64, room: RoomId) -> Result<Room, ChatError> {
        self.chat.room(user, room).await
    }

    async fn erase(&self, user: i64) {
        let mut tx = self.pool.begin().await.unwrap();
        forget(&mut tx, user, self.chat.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// A word for how something ended.
fn ended<T>(result: Result<T, RoomError>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(RoomError::Chat(ChatError::Refused(refusal))) => format!("{refusal:?}"),
        Err(RoomError::Chat(ChatError::Database(error))) => panic!("{error:?}"),
        Err(RoomError::Chat(other)) => format!("{other:?}"),
        Err(other) => format!("{other:?}"),
    }
}

fn is_gone(seen: &Result<Room, ChatError>) -> bool {
    matches!(seen, Err(ChatError::NotFound))
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn both_sides_asking_at_once_for_their_room_get_one(pool: PgPool) {
    let world = World::new(pool);
    let [one, other] = world.users().await;
    let mut tasks = JoinSet::new();
    for place in 0..12 {
        let (from, to) = if place % 2 == 0 { (one, other) } else { (other, one) };
        let chat = world.chat.clone();
        tasks.spawn(async move { chat.open_direct(&by(from), to, &About::default()).await });
    }
    let opened: Vec<_> = tasks.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(opened.iter().filter(|opened| opened.is_new).count(), 1);
    let first = opened[0].room.brief.id;
    assert!(opened.iter().all(|opened| opened.room.brief.id == first));
    assert_eq!(world.owners(first).await, [one, other]);
    assert_eq!(world.log(first).await.len(), 2, "each joined once");

    world.chat.delete(&by(other), first).await.unwrap();
    assert!(is_gone(&world.see(one, first).await));
    let again = world.chat.open_direct(&by(one), other, &About::default()).await.unwrap();
    assert!(again.is_new && again.room.brief.id != first, "a deleted room does not come back");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_room_with_oneself_and_rooms_of_organizations_are_rooms_of_their_own(pool: PgPool) {
    let world = World::new(pool);
    let [one, other, stranger] = world.users().await;
    let organization = world.organization(&[one, other]).await;
    let about = About { organization_id: Some(organization), ..About::default() };
    let mut ids = Vec::new();
    for (with, about) in [(one, &About::default()), (other, &About::default()), (other, &about)] {
        let opened = world.chat.open_direct(&by(one), with, about).await.unwrap();
        assert!(opened.is_new);
        ids.push(opened.room.brief.id);
        let again = world.chat.open_direct(&by(one), with, about).await.unwrap();
        assert_eq!((again.is_new, again.room.brief.id), (false, *ids.last().unwrap()));
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(world.members(ids[0]).await, [one]);
    for (from, to, expected) in [
        (one, stranger, "NoSuchPerson"),
        (stranger, one, "NoSuchOrganization"),
        (one, 999_999, "NoSuchPerson"),
    ] {
        let refused = world.chat.open_direct(&by(from), to, &about).await;
        assert_eq!(ended(refused), expected);
        let refused = world.chat.open_group(&by(from), &[to], &about).await;
        assert_eq!(ended(refused), expected);
    }
    let group = world.chat.open_group(&by(one), &[], &about).await.unwrap().room.brief.id;
    assert_eq!(ended(world.chat.add(&by(one), group, &[other, stranger]).await), "NoSuchPerson");
    assert_eq!(world.members(group).await, [one], "all are let in, or nobody");
    world.chat.add(&by(one), group, &[other]).await.unwrap();
    assert_eq!(world.members(group).await, [one, other]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn nobody_has_more_rooms_or_members_than_there_may_be_whatever_comes_at_once(pool: PgPool) {
    let world = World::with(pool, |config| {
        config.chat.rooms_per_user = 3;
        config.chat.members = 2;
    });
    let [popular, a, b, c, d, e] = world.users().await;
    let mut tasks = JoinSet::new();
    for from in [a, b, c, d, e] {
        let chat = world.chat.clone();
        tasks.spawn(
            async move { ended(chat.open_direct(&by(from), popular, &About::default()).await) },
        );
    }
    let mut all = tasks.join_all().await;
    all.sort_unstable();
    assert_eq!(all, ["Limit(3)", "Limit(3)", "done", "done", "done"]);
    let too_many = world.chat.open_group(&by(a), &[b, c], &About::default()).await;
    assert_eq!(ended(too_many), "Limit(2)");
    let room = world.group(&[a, b]).await;
    assert_eq!(ended(world.chat.add(&by(a), room, &[c]).await), "Limit(2)");
    assert_eq!(ended(world.chat.add(&by(a), room, &[b]).await), "done", "who is in counts once");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn only_so_many_rooms_are_made_in_a_day_and_finding_one_is_not_making_it(pool: PgPool) {
    let world = World::with(pool, |config| config.chat.daily_rooms = 2);
    let [one, other] = world.users().await;
    let about = About::default();
    world.chat.open_direct(&by(one), other, &about).await.unwrap();
    world.chat.open_group(&by(one), &[], &about).await.unwrap();
    for _ in 0..3 {
        world.chat.open_direct(&by(one), other, &about).await.unwrap();
    }
    let refused = ended(world.chat.open_group(&by(one), &[], &about).await);
    assert!(refused.starts_with("EnoughToday("), "{refused}");
    world.chat.open_group(&by(other), &[], &about).await.unwrap();
    world.clock.advance(TimeDelta::days(1));
    world.chat.open_group(&by(one), &[], &about).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_list_is_in_the_order_of_activity_and_counts_what_is_unread(pool: PgPool) {
    let world = World::new(pool);
    let [one, other, stranger] = world.users().await;
    let mut rooms = Vec::new();
    for _ in 0..5 {
        world.clock.advance(TimeDelta::seconds(1));
        rooms.push(world.group(&[one, other]).await);
    }
    for text in ["a", "b"] {
        world.message(rooms[0], other, text).await;
    }
    world.message(rooms[0], one, "mine").await;
    world.clock.advance(TimeDelta::seconds(1));
    let named = Changes { name: Some(Some("x".to_owned())), ..Changes::default() };
    world.chat.change(&by(one), rooms[0], &named).await.unwrap();

    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = world.chat.rooms(one, before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Before::parse(&Before::of(last).to_text());
        seen.extend(page.into_iter().map(|room| room.brief.id));
    }
    assert_eq!(seen, [rooms[0], rooms[4], rooms[3], rooms[2], rooms[1]]);
    let first = world.see(one, rooms[0]).await.unwrap();
    assert_eq!((first.unread, first.member_count), (2, 2), "others' messages alone");
    assert_eq!(first.last.unwrap().text, "mine");
    assert_eq!(world.see(other, rooms[0]).await.unwrap().unread, 1);
    let who: Vec<_> = first.members.iter().map(|one| one.person.id).collect();
    assert_eq!(who, [one, other]);
    // What messages say of it: the members by their numbers.
    let briefs = world.chat.briefs(one, &[rooms[0], rooms[3], RoomId(999_999)]).await.unwrap();
    assert_eq!(briefs.len(), 2);
    let seats = briefs.iter().find(|brief| brief.id == rooms[0]).unwrap().seats.clone();
    let owner = seats.iter().map(|(id, rank)| (*id, rank.is_special())).collect::<Vec<_>>();
    assert_eq!(owner, [(one, true), (other, false)]);
    assert!(world.chat.briefs(stranger, &rooms).await.unwrap().is_empty());
    assert!(world.chat.rooms(stranger, None, 10).await.unwrap().is_empty());

    // Whoever comes later has read what was said before.
    world.chat.add(&by(one), rooms[0], &[stranger]).await.unwrap();
    assert_eq!(world.see(stranger, rooms[0]).await.unwrap().unread, 0);
    world.message(rooms[0], other, "c").await;
    assert_eq!(world.see(stranger, rooms[0]).await.unwrap().unread, 1);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn processes_are_told_at_once_who_shows_that_they_are_there(pool: PgPool) {
    let world = World::new(pool);
    let [one, other] = world.users().await;
    let room = world.group(&[one]).await;
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = told.clone();
    let announcer = world.chat.announcer();
    announcer
        .tell(move |topic, notice| hears.lock().unwrap().push(format!("{topic:?} {notice:?}")));
    world.chat.show_presence(one, room, true).await.unwrap();
    world.chat.show_presence(one, room, false).await.unwrap();
    assert_eq!(ended(world.chat.show_presence(other, room, true).await), "NotFound");
    let seat = format!("{:?} {:?}", Topic::Room(room), Notice::Seat(one));
    assert_eq!(*told.lock().unwrap(), [seat.clone(), seat]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_happens_to_members_is_in_the_log_and_strangers_see_nothing(pool: PgPool) {
    let world = World::new(pool);
    let [owner, member, other, stranger] = world.users().await;
    let room = world.group(&[owner, member, other]).await;
    let chat = &world.chat;
    for (who, expected) in [(stranger, "NotFound"), (member, "Rank")] {
        let caller = by(who);
        assert_eq!(ended(chat.add(&caller, room, &[stranger]).await), expected);
        assert_eq!(ended(chat.kick(&caller, room, other).await), expected);
        assert_eq!(ended(chat.ban(&caller, room, other, None).await), expected);
        assert_eq!(ended(chat.unban(&caller, room, other).await), expected);
        assert_eq!(ended(chat.mute(&caller, room, other, Some(60)).await), expected);
        assert_eq!(ended(chat.grant(&caller, room, other, Levels::MEMBER).await), expected);
        assert_eq!(ended(chat.revoke(&caller, room, other, Levels::MEMBER).await), expected);
        assert_eq!(ended(chat.transfer(&caller, room, other).await), expected);
        assert_eq!(ended(chat.delete(&caller, room).await), expected);
        assert_eq!(ended(chat.set_status(&caller, room, Status::Closed).await), expected);
        assert_eq!(ended(chat.bans(who, room, None, 10).await), expected);
    }
    assert_eq!(ended(chat.leave(&by(stranger), room).await), "NotFound");
    assert_eq!(ended(chat.pin(stranger, room, true).await), "NotFound");
    assert_eq!(ended(chat.members(stranger, (room, Who::Everybody), None, 10).await), "NotFound");

    chat.mute(&by(owner), room, member, Some(60)).await.unwrap();
    chat.mute(&by(owner), room, member, None).await.unwrap();
    chat.kick(&by(owner), room, member).await.unwrap();
    assert_eq!(ended(chat.kick(&by(owner), room, member).await), "NothingThere");
    assert!(is_gone(&world.see(member, room).await));
    chat.add(&by(owner), room, &[member]).await.unwrap();
    chat.ban(&by(owner), room, member, Some("why")).await.unwrap();
    chat.ban(&by(owner), room, member, None).await.unwrap();
    assert!(matches!(world.see(member, room).await, Err(ChatError::Banned)));
    assert_eq!(ended(chat.add(&by(owner), room, &[member]).await), "PersonBanned");
    assert_eq!(chat.bans(owner, room, None, 10).await.unwrap()[0].reason.as_deref(), Some("why"));
    chat.unban(&by(owner), room, member).await.unwrap();
    assert!(is_gone(&world.see(member, room).await), "forgiven is not let in");
    assert_eq!(ended(chat.unban(&by(owner), room, member).await), "NothingThere");
    chat.transfer(&by(owner), room, other).await.unwrap();
    chat.leave(&by(owner), room).await.unwrap();
    assert_eq!(ended(chat.ban(&by(other), room, other, None).await), "Rank");

    let joined = |who| (Kind::MemberJoined, Some(owner), Some(who));
    let done = |kind, who| (kind, Some(owner), Some(who));
    let expected = [
        joined(owner),
        joined(member),
        joined(other),
        done(Kind::MemberMuted, member),
        done(Kind::MemberMuted, member),
        done(Kind::MemberRemoved, member),
        joined(member),
        done(Kind::MemberBanned, member),
        done(Kind::MemberUnbanned, member),
        done(Kind::RoomOwner, other),
        done(Kind::MemberLeft, owner),
    ];
    assert_eq!(world.log(room).await, expected);
    let audited = ["member_removed", "member_banned", "member_unbanned", "transferred"];
    assert_eq!(world.audited(room).await, audited.map(|action| format!("room.{action}")));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_group_always_has_one_owner_whatever_comes_at_once(pool: PgPool) {
    let world = World::new(pool);
    let [owner, a, b] = world.users().await;
    let room = world.group(&[owner, a, b]).await;
    assert_eq!(ended(world.chat.leave(&by(owner), room).await), "OwnerStays");
    assert_eq!(ended(world.chat.kick(&by(owner), room, owner).await), "OwnerStays");
    for to in [owner, 999_999] {
        assert_eq!(ended(world.chat.transfer(&by(owner), room, to).await), "NotAMember");
    }
    for _ in 0..5 {
        let from = world.owners(room).await[0];
        let mut others = [owner, a, b].into_iter().filter(|id| *id != from);
        let (one, other) = (others.next().unwrap(), others.next().unwrap());
        let mut tasks = JoinSet::new();
        for to in [one, other] {
            let chat = world.chat.clone();
            tasks.spawn(async move { ended(chat.transfer(&by(from), room, to).await) });
        }
        let chat = world.chat.clone();
        tasks.spawn(async move { ended(chat.leave(&by(from), room).await) });
        let all = tasks.join_all().await;
        // Who hands it over may leave then, and comes back for the next round.
        assert!(all.iter().filter(|word| *word == "done").count() >= 1, "{all:?}");
        assert_eq!(world.owners(room).await.len(), 1, "{all:?}");
        let keeper = world.owners(room).await[0];
        world.chat.add(&by(keeper), room, &[owner, a, b]).await.unwrap();
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_last_to_leave_a_group_deletes_it(pool: PgPool) {
    let world = World::new(pool);
    let [owner, member] = world.users().await;
    let room = world.group(&[owner, member]).await;
    world.chat.leave(&by(member), room).await.unwrap();
    world.chat.leave(&by(owner), room).await.unwrap();
    assert!(is_gone(&world.see(owner, room).await));
    assert_eq!(world.log(room).await.last().unwrap().0, Kind::RoomDeleted);
    assert_eq!(world.audited(room).await, ["room.deleted"]);
    let two = world.chat.open_direct(&by(owner), member, &About::default()).await.unwrap();
    assert_eq!(ended(world.chat.leave(&by(owner), two.room.brief.id).await), "Direct");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn nobody_gives_themselves_or_others_more_than_they_hold(pool: PgPool) {
    let world = World::new(pool);
    let [owner, admin, member] = world.users().await;
    let room = world.group(&[owner, admin, member]).await;
    let chat = &world.chat;
    let own = levels(&[Level::AddAccess, Level::RemoveAccess, Level::Rename]);
    let rank = chat.grant(&by(owner), room, admin, own).await.unwrap();
    assert_eq!(rank.levels, own.and(Levels::MEMBER));
    // What is not held is not given, to nobody; the owner is not touched.
    for level in Level::ALL {
        let one = levels(&[level]);
        let given = ended(chat.grant(&by(admin), room, member, one).await);
        let may = own.and(Levels::MEMBER).contains(level) || level == Level::ReadOnly;
        // Once the member holds more than taking part, the admin needs level 7 as well.
        let expected = if may { "done" } else { "Rank" };
        assert_eq!(given, expected, "{level:?}");
        if may && level != Level::Member {
            chat.revoke(&by(owner), room, member, one).await.unwrap();
        }
        assert_eq!(ended(chat.grant(&by(admin), room, admin, one).await), "Rank", "{level:?}");
        assert_eq!(ended(chat.grant(&by(admin), room, owner, one).await), "Rank", "{level:?}");
        assert_eq!(ended(chat.revoke(&by(admin), room, owner, one).await), "Rank", "{level:?}");
    }
    let all: Levels = Level::ALL.into_iter().collect();
    assert_eq!(ended(chat.grant(&by(member), room, member, all).await), "Rank");
    let read_only = levels(&[Level::ReadOnly]);
    chat.grant(&by(owner), room, admin, read_only).await.unwrap();
    assert_eq!(ended(chat.grant(&by(admin), room, member, Levels::MEMBER).await), "Rank");
    assert_eq!(ended(chat.revoke(&by(admin), room, admin, read_only).await), "Rank");
    assert_eq!(world.owners(room).await, [owner]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_change_is_all_or_nothing(pool: PgPool) {
    let world = World::new(pool);
    let [owner, admin] = world.users().await;
    let room = world.group(&[owner, admin]).await;
    world.chat.grant(&by(owner), room, admin, levels(&[Level::Rename])).await.unwrap();
    let both = Changes {
        name: Some(Some("new".to_owned())),
        status: Some(Status::Held),
        ..Changes::default()
    };
    assert_eq!(ended(world.chat.change(&by(admin), room, &both).await), "Rank");
    let seen = world.see(owner, room).await.unwrap().brief;
    assert_eq!((seen.name, seen.status), (None, Status::Open));
    let seen = world.chat.change(&by(owner), room, &both).await.unwrap().brief;
    assert_eq!((seen.name.as_deref(), seen.status), (Some("new"), Status::Held));
    let head = seen.head;
    // Naming it as it is named needs nothing and is no event.
    let same = world.chat.change(&by(admin), room, &both).await.unwrap().brief;
    assert_eq!(same.head, head);
    assert_eq!(same.mine.rank.role, Role::Member);
}
