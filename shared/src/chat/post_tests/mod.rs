//! Messages in a real database: posting here, what happens to them and reading them below.

mod changes;
mod reading;

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinSet;

use super::{
    announce::Announcer,
    content::{Draft, NewMessage},
    edit::EditError,
    log::{Kind, Place},
    permissions::Refusal,
    post::{PostError, Posted},
    reactions::{MOST, ReactError},
    reads::{ReadState, UpTo},
    search::Wanted,
    *,
};
use crate::{clock::ManualClock, config::Webhooks, redis::Redis};

/// Two processes over one database.
struct World {
    pool: PgPool,
    clock: Arc<ManualClock>,
    chats: [Chat; 2],
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn draft(text: &str) -> Draft {
    Draft { text: Some(json!(text)), ..Draft::default() }
}

fn says(room: RoomId, text: &str) -> NewMessage {
    draft(text).read(room, 4_000).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn named(room: RoomId, text: &str, name: &str) -> NewMessage {
    NewMessage { client_id: Some(name.to_owned()), ..says(room, text) }
}

impl World {
    fn new(pool: PgPool) -> Self {
        Self::with(pool, &Webhooks::default())
    }

    fn with(pool: PgPool, webhooks: &Webhooks) -> Self {
        let clock = Arc::new(ManualClock::new(start()));
        let config = Config::default();
        let chats = [(); 2].map(|()| {
            let outbox = Outbox::new(webhooks, clock.clone());
            let announcer = Announcer::start(Redis::start(&config.redis).unwrap());
            Chat::new(pool.clone(), clock.clone(), outbox, announcer, Files::for_tests(), &config)
        });
        Self { pool, clock, chats }
    }

    fn chat(&self) -> &Chat {
        &self.chats[0]
    }

    async fn user(&self, name: &str) -> i64 {
        sqlx::query_scalar("INSERT INTO users (username, created_at) VALUES ($1, $2) RETURNING id")
            .bind(name)
            .bind(start())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// A group of these; the first is its owner.
    async fn group(&self, users: &[i64]) -> RoomId {
        let made = "INSERT INTO rooms (head_at, created_at) VALUES ($1, $1) RETURNING id";
        let id = sqlx::query_scalar(made).bind(start()).fetch_one(&self.pool).await.unwrap();
        for (place, user) in users.iter().enumerate() {
            self.seat(RoomId(id), *user, if place == 0 { "owner" } else { "member" }).await;
        }
        RoomId(id)
    }

    async fn direct(&self, one: i64, other: i64) -> RoomId {
        let made = "INSERT INTO rooms (direct_low, direct_high, head_at, created_at)
            VALUES (least($1, $2), greatest($1, $2), $3, $3) RETURNING id";
        let id = sqlx::query_scalar(made)
            .bind(one)
            .bind(other)
            .bind(start())
            .fetch_one(&self.pool)
            .await
            .unwrap();
        self.seat(RoomId(id), one, "owner").await;
        self.seat(RoomId(id), other, "owner").await;
        RoomId(id)
    }

    async fn seat(&self, room: RoomId, user: i64, role: &str) {
        let seat = "INSERT INTO room_members (room_id, user_id, role, levels, joined_at)
            VALUES ($1, $2, $3, 2, $4)";
        sqlx::query(seat)
            .bind(room.0)
            .bind(user)
            .bind(role)
            .bind(start())
            .execute(&self.pool)
            .await
            .unwrap();
    }

    async fn set(&self, sql: &'static str, id: i64) {
        let done = sqlx::query(sql).bind(id).execute(&self.pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{sql}");
    }

    async fn number(&self, sql: &'static str, id: i64) -> i64 {
        sqlx::query_scalar(sql).bind(id).fetch_one(&self.pool).await.unwrap()
    }

    async fn file(&self, room: RoomId, user: i64) -> i64 {
        let file = "INSERT INTO attachments
                (handle, room_id, user_id, name, mime, bytes, created_at, stored_at)
            VALUES (gen_random_uuid()::text, $1, $2, 'a.jpg', 'image/jpeg', 3, $3, $3)
            RETURNING id";
        sqlx::query_scalar(file)
            .bind(room.0)
            .bind(user)
            .bind(start())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    async fn post(&self, user: i64, new: NewMessage) -> Posted {
        self.chat().post(user, new).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    async fn say(&self, user: i64, room: RoomId, text: &str) -> i64 {
        self.post(user, says(room, text)).await.message.id
    }

    async fn unread(&self, user: i64, room: RoomId) -> i64 {
        self.chat().read_state(user, room).await.unwrap().unread
    }

    async fn find(&self, user: i64, words: &str) -> Vec<i64> {
        let wanted = Wanted::parse(words).unwrap();
        let found = self.chat().search(user, (&wanted, None), None, 30).await.unwrap();
        found.into_iter().map(|message| message.id).collect()
    }
}

/// A word for how a post ended.
fn ended(result: Result<Posted, PostError>) -> String {
    match result {
        Ok(posted) => if posted.is_new { "new" } else { "old" }.to_owned(),
        Err(PostError::Refused(refusal)) => format!("{refusal:?}"),
        Err(PostError::Slow { seconds }) => format!("slow {seconds}"),
        Err(PostError::Write(error)) => panic!("{error:?}"),
        Err(other) => format!("{other:?}"),
    }
}

/// Everything at once; how each ended.
async fn at_once(world: &World, posts: Vec<(usize, i64, NewMessage)>) -> Vec<String> {
    let mut tasks = JoinSet::new();
    for (place, (chat, user, new)) in posts.into_iter().enumerate() {
        let chat = world.chats[chat].clone();
        tasks.spawn(async move { (place, ended(chat.post(user, new).await)) });
    }
    let mut all = tasks.join_all().await;
    all.sort_unstable();
    all.into_iter().map(|(_, word)| word).collect()
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_hundred_posts_under_one_client_id_are_one_message(pool: PgPool) {
    let world = World::new(pool);
    let (a, b) = (world.user("a").await, world.user("b").await);
    let room = world.group(&[a, b]).await;
    let posts = (0..100).map(|n| (n % 2, a, named(room, "hello", "c-1"))).collect();
    let ended = at_once(&world, posts).await;
    assert_eq!(ended.iter().filter(|word| *word == "new").count(), 1, "{ended:?}");
    assert_eq!(ended.iter().filter(|word| *word == "old").count(), 99, "{ended:?}");
    let rows = "SELECT count(*) FROM chat_messages WHERE room_id = $1";
    assert_eq!(world.number(rows, room.0).await, 1);
    assert_eq!(world.number("SELECT head FROM rooms WHERE id = $1", room.0).await, 1);
    // Somebody else's name is another one, and other words are no repetition.
    let other = world.chats[1].post(a, named(room, "bye", "c-1")).await;
    assert!(matches!(other, Err(PostError::Conflict)));
    assert!(world.post(b, named(room, "bye", "c-1")).await.is_new);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_client_id_is_kept_when_the_message_is_edited_or_deleted(pool: PgPool) {
    let world = World::new(pool);
    let a = world.user("a").await;
    let room = world.group(&[a]).await;
    let id = world.post(a, named(room, "hello", "c-1")).await.message.id;
    world.chat().edit(a, (None, id), "edited").await.unwrap();
    let again = world.post(a, named(room, "hello", "c-1")).await;
    assert_eq!((again.is_new, again.message.id, &*again.message.text), (false, id, "edited"));
    world.chat().delete_message(a, (None, id)).await.unwrap();
    let again = world.post(a, named(room, "hello", "c-1")).await;
    assert_eq!((again.is_new, again.message.id), (false, id));
    assert!(again.message.deleted_at.is_some() && again.message.text.is_empty());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_log_of_every_room_is_gapless_and_in_order(pool: PgPool) {
    let world = World::new(pool);
    let (a, b) = (world.user("a").await, world.user("b").await);
    let mut rooms = Vec::new();
    for _ in 0..20 {
        rooms.push(world.group(&[a, b]).await);
    }
    let posts = (0..200).map(|n| {
        let user = if n % 3 == 0 { a } else { b };
        (n % 2, user, says(rooms[n % rooms.len()], &format!("m{n}")))
    });
    let ended = at_once(&world, posts.collect()).await;
    assert!(ended.iter().all(|word| word == "new"), "{ended:?}");
    let places: Vec<_> = rooms.iter().map(|room| Place { room: *room, after: 0 }).collect();
    let log = world.chat().read_log(&places, 100).await.unwrap();
    for room in &rooms {
        let of_room: Vec<_> = log.iter().filter(|entry| entry.room == *room).collect();
        let seqs: Vec<_> = of_room.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (1..=10).collect::<Vec<_>>(), "{room}");
        let ids: Vec<_> = of_room.iter().map(|entry| entry.message.as_ref().unwrap().id).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(world.number("SELECT head FROM rooms WHERE id = $1", room.0).await, 10);
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn one_process_keeps_the_order_in_which_it_was_asked(pool: PgPool) {
    let world = World::new(pool);
    let a = world.user("a").await;
    let room = world.group(&[a]).await;
    // All are handed in before the first is written.
    let posts = (0..50).map(|n| world.chat().post(a, says(room, &n.to_string())));
    let posted = futures_util::future::join_all(posts).await;
    for (n, posted) in posted.into_iter().enumerate() {
        let message = posted.unwrap_or_else(|error| panic!("{error:?}")).message;
        assert_eq!((message.seq, message.text), (i64::try_from(n).unwrap() + 1, n.to_string()));
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_may_not_write_is_refused_without_harm_to_those_beside_them(pool: PgPool) {
    let world = World::new(pool);
    let mut users = Vec::new();
    for name in ["owner", "a", "b", "banned", "muted", "reader", "stranger"] {
        users.push(world.user(name).await);
    }
    let [owner, a, b, banned, muted, reader, stranger] = users[..] else { panic!("seven") };
    let room = world.group(&[owner, a, b, muted, reader]).await;
    let [closed, held, slow] = [
        world.group(&[owner, a]).await,
        world.group(&[owner, a]).await,
        world.group(&[owner, a]).await,
    ];
    let (blocked, gone) = (world.direct(a, b).await, world.group(&[owner, a]).await);
    let member =
        "UPDATE room_members SET muted_until = to_timestamp(1800000060) WHERE user_id = $1";
    world.set(member, muted).await;
    world.set("UPDATE room_members SET levels = 1 WHERE user_id = $1", reader).await;
    world.set("UPDATE rooms SET status = 2 WHERE id = $1", closed.0).await;
    world.set("UPDATE rooms SET status = 3 WHERE id = $1", held.0).await;
    world.set("UPDATE rooms SET slow_seconds = 30 WHERE id = $1", slow.0).await;
    world.set("UPDATE rooms SET deleted_at = now() WHERE id = $1", gone.0).await;
    world.seat(room, banned, "member").await;
    sqlx::query("INSERT INTO room_bans (room_id, user_id, created_at) VALUES ($1, $2, now())")
        .bind(room.0)
        .bind(banned)
        .execute(&world.pool)
        .await
        .unwrap();
    sqlx::query("INSERT INTO user_blocks (user_id, blocked_id, created_at) VALUES ($1, $2, now())")
        .bind(b)
        .bind(a)
        .execute(&world.pool)
        .await
        .unwrap();
    let (own, others) = (world.file(room, a).await, world.file(room, b).await);
    let with_file = |id: i64| {
        let draft = Draft { attachment: Some(json!(id)), ..Draft::default() };
        draft.read(room, 4_000).unwrap_or_else(|errors| panic!("{errors:?}"))
    };
    let answers = |to: i64| NewMessage { reply_to: Some(to), ..says(room, "re") };
    let cases = vec![
        (a, says(room, "good"), "new"),
        (stranger, says(room, "x"), "NotFound"),
        (banned, says(room, "x"), "Banned"),
        (muted, says(room, "x"), "Muted"),
        (reader, says(room, "x"), "Rank"),
        (a, says(closed, "x"), "Closed"),
        (owner, says(closed, "x"), "Closed"),
        (a, says(held, "x"), "Held"),
        (owner, says(held, "x"), "new"),
        (a, says(blocked, "x"), "Blocked"),
        (b, says(blocked, "x"), "Blocked"),
        (a, says(gone, "x"), "NotFound"),
        (a, says(RoomId(i64::MAX), "x"), "NotFound"),
        (a, says(slow, "first"), "new"),
        (a, says(slow, "second"), "slow 30"),
        (owner, says(slow, "1"), "new"),
        (owner, says(slow, "2"), "new"),
        (a, answers(i64::MAX), "NoSuchReply"),
        (a, with_file(others), "NoSuchAttachment"),
        (a, with_file(own), "new"),
        (a, with_file(own), "NoSuchAttachment"),
        (a, named(room, "n", "n"), "new"),
        (a, named(room, "n", "n"), "old"),
        (a, named(room, "m", "n"), "Conflict"),
        (b, says(room, "good too"), "new"),
    ];
    let posts = cases.iter().map(|(user, new, _)| world.chat().post(*user, new.clone()));
    let ended: Vec<_> =
        futures_util::future::join_all(posts).await.into_iter().map(ended).collect();
    let expected: Vec<_> = cases.iter().map(|(_, _, word)| *word).collect();
    assert_eq!(ended, expected);
    assert_eq!(world.number("SELECT head FROM rooms WHERE id = $1", room.0).await, 4);
    let taken = "SELECT count(*) FROM attachments WHERE message_id IS NOT NULL AND id = $1";
    assert_eq!((world.number(taken, own).await, world.number(taken, others).await), (1, 0));
    // The wait ends, and so does the silence.
    world.clock.advance(TimeDelta::milliseconds(29_500));
    assert_eq!(ended_of(&world, a, slow).await, "slow 1");
    world.clock.advance(TimeDelta::milliseconds(500));
    assert_eq!(ended_of(&world, a, slow).await, "new");
    world.clock.advance(TimeDelta::seconds(30));
    assert_eq!(ended_of(&world, muted, room).await, "new");
}

async fn ended_of(world: &World, user: i64, room: RoomId) -> String {
    ended(world.chat().post(user, says(room, "x")).await)
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_file_goes_with_one_message_whoever_asks_at_once(pool: PgPool) {
    let world = World::new(pool);
    let a = world.user("a").await;
    let (room, other) = (world.group(&[a]).await, world.group(&[a]).await);
    let file = world.file(room, a).await;
    let with = |room| {
        let draft = Draft { attachment: Some(json!(file)), ..draft("look") };
        draft.read(room, 4_000).unwrap_or_else(|errors| panic!("{errors:?}"))
    };
    // In another room it is not there.
    let elsewhere = world.chat().post(a, with(other)).await;
    assert!(matches!(elsewhere, Err(PostError::NoSuchAttachment)));
    let ended = at_once(&world, (0..20).map(|n| (n % 2, a, with(room))).collect()).await;
    assert_eq!(ended.iter().filter(|word| *word == "new").count(), 1, "{ended:?}");
    let message = world.chat().messages(a, room, None, 30).await.unwrap().remove(0);
    assert_eq!(message.file.map(|file| (file.id, file.name)), Some((file, "a.jpg".to_owned())));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_wants_messages_told_is_told_of_new_ones_without_their_text(pool: PgPool) {
    let endpoint = config::WebhookEndpoint {
        events: vec!["chat.*".to_owned()],
        ..config::WebhookEndpoint::default()
    };
    let mut webhooks = Webhooks::default();
    webhooks.endpoints.insert("bot".to_owned(), endpoint);
    let world = World::with(pool, &webhooks);
    let a = world.user("a").await;
    let room = world.group(&[a]).await;
    let posted = world.post(a, named(room, "hidden words", "c-1")).await;
    world.post(a, named(room, "hidden words", "c-1")).await;
    let told: Vec<(String, String)> =
        sqlx::query_as("SELECT kind, data::text FROM webhook_events ORDER BY id")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "chat.message");
    let data: serde_json::Value = serde_json::from_str(&told[0].1).unwrap();
    assert_eq!((&data["message_id"], &data["seq"]), (&json!(posted.message.id), &json!(1)));
    assert!(!told[0].1.contains("hidden"));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_room_that_somebody_holds_keeps_no_other_room_waiting(pool: PgPool) {
    let world = World::new(pool);
    let a = world.user("a").await;
    let (held, free) = (world.group(&[a]).await, world.group(&[a]).await);
    let mut tx = world.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM rooms WHERE id = $1 FOR UPDATE")
        .bind(held.0)
        .execute(&mut *tx)
        .await
        .unwrap();
    let chat = world.chat().clone();
    let waiting = tokio::spawn(async move { ended(chat.post(a, says(held, "x")).await) });
    let posts = (0..20).map(|n| (0, a, says(free, &n.to_string()))).collect();
    assert!(at_once(&world, posts).await.iter().all(|word| word == "new"));
    assert!(!waiting.is_finished());
    tx.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap(), "new");
}
