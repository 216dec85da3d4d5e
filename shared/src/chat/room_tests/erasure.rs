//! Accounts are locked before rooms, and never so that whoever holds a room waits for an account.

use std::time::Duration;

use super::*;
use crate::{admin::Admin, sessions::revocations::Revocations};

impl World {
    fn admin(&self) -> Admin {
        let config = Config::default();
        let redis = Redis::start(&config.redis).unwrap();
        let revocations = Revocations::new(redis, self.clock.clone(), &config);
        let outbox = Outbox::new(&Webhooks::default(), self.clock.clone());
        Admin::new(self.pool.clone(), self.clock.clone(), revocations, outbox, &config.auth)
    }
}

/// What a room holds up refers to people: erasing one of them waits for the room, and the room does not
/// wait for them.
#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_holds_a_room_goes_on_while_a_member_is_being_erased(pool: PgPool) {
    let world = World::new(pool);
    let [owner, member] = world.users().await;
    let room = world.group(&[owner, member]).await;
    let mut tx = world.pool.begin().await.unwrap();
    seat::lock(&mut tx, room, owner, world.chat.now()).await.unwrap();
    let admin = world.admin();
    let erased = tokio::spawn(async move { admin.erase(&by(owner).source, member).await });
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting = async {
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&world.pool).await.unwrap() == 0 {
            assert!(!erased.is_finished(), "it has to wait for the room");
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.unwrap();
    sqlx::query("SET LOCAL lock_timeout = '5s'").execute(&mut *tx).await.unwrap();
    let entry = log::NewEntry::by(owner, Kind::MemberMuted).to(member);
    log::append(&mut tx, room, &entry, world.chat.now()).await.unwrap();
    tx.commit().await.unwrap();
    erased.await.unwrap().unwrap();
    assert_eq!(world.members(room).await, [owner]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn people_are_erased_while_others_put_them_out_and_they_write(pool: PgPool) {
    let world = World::new(pool);
    let owner = world.user("owner").await;
    let admin = world.admin();
    for round in 0..25 {
        let member = world.user(&format!("member{round}")).await;
        let mut rooms = Vec::new();
        for _ in 0..3 {
            rooms.push(world.group(&[owner, member]).await);
        }
        let mut tasks = JoinSet::new();
        for (place, room) in rooms.iter().copied().enumerate() {
            let chat = world.chat.clone();
            tasks.spawn(async move {
                let caller = by(owner);
                let done = match place {
                    0 => chat.kick(&caller, room, member).await,
                    1 => chat.ban(&caller, room, member, None).await,
                    _ => chat.mute(&caller, room, member, Some(60)).await.map(drop),
                };
                // They may be gone already.
                assert!(matches!(ended(done).as_str(), "done" | "NothingThere" | "NoSuchPerson"));
            });
            let chat = world.chat.clone();
            tasks.spawn(async move {
                let text = Some("words".into());
                let draft = content::Draft { text, ..content::Draft::default() };
                let new = draft.read(room, 100).unwrap();
                if let Err(post::PostError::Write(error)) = chat.post(member, new).await {
                    panic!("{error:?}");
                }
            });
        }
        let (admin, caller) = (admin.clone(), by(owner));
        tasks.spawn(async move {
            let erased = admin.erase(&caller.source, member).await;
            assert!(erased.is_ok(), "round {round}: {erased:?}");
        });
        tasks.join_all().await;
        for room in rooms {
            assert_eq!(world.members(room).await, [owner], "round {round}");
        }
    }
}
