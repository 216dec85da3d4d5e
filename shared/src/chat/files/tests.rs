//! Files in a real database and a real folder.

use std::{path::PathBuf, sync::Arc};

use chrono::{DateTime, TimeDelta};
use sqlx::PgPool;

use super::{storage::Storage, *};
use crate::{
    chat::{RoomId, announce::Announcer},
    clock::{Clock, ManualClock},
    config,
    purge::Slice,
    redis::Redis,
    webhooks::Outbox,
};

struct World {
    pool: PgPool,
    clock: Arc<ManualClock>,
    chat: Chat,
    user: i64,
    room: RoomId,
}

impl World {
    async fn new(pool: PgPool) -> Self {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let mut config = Config::default();
        config.chat.files = config::Files { max_mb: 1, daily_mb: 2, ..config.chat.files };
        let outbox = Outbox::new(&config.webhooks, clock.clone());
        let announcer = Announcer::start(Redis::start(&config.redis).unwrap());
        let files = Files::for_tests();
        let chat = Chat::new(pool.clone(), clock.clone(), outbox, announcer, files, &config);
        let id = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).bind(start).fetch_one(&pool);
        let user = id("INSERT INTO users (username, created_at) VALUES ('u', $1) RETURNING id");
        let user = user.await.unwrap();
        let room = id("INSERT INTO rooms (head_at, created_at) VALUES ($1, $1) RETURNING id");
        let room = RoomId(room.await.unwrap());
        sqlx::query(
            "INSERT INTO room_members (room_id, user_id, role, levels, joined_at)
             VALUES ($1, $2, 'owner', 2, $3)",
        )
        .bind(room.0)
        .bind(user)
        .bind(start)
        .execute(&pool)
        .await
        .unwrap();
        Self { pool, clock, chat, user, room }
    }

    fn new_file<'a>(&self, head: &'a [u8]) -> NewFile<'a> {
        NewFile { room: self.room, user_id: self.user, name: "a", head, expected: None }
    }

    async fn upload(&self, content: &[u8]) -> Result<FileRef, UploadError> {
        let mut upload = self.chat.begin_upload(self.new_file(content)).await?;
        upload.write(content).await?;
        Ok(upload.finish(None).await?.file)
    }

    async fn change(&self, sql: &'static str, id: i64) {
        let changed = sqlx::query(sql).bind(id).bind(self.clock.now()).execute(&self.pool).await;
        assert_eq!(changed.unwrap().rows_affected(), 1);
    }

    fn stored(&self, file: &FileRef) -> PathBuf {
        let Storage::Folder(folder) = self.chat.files.storage() else { panic!("a folder") };
        folder.path_to_filesystem(&stored_name(&file.handle).into()).unwrap()
    }

    async fn open(&self, path: &str) -> Result<OpenFile, OpenError> {
        let rest = path.strip_prefix(FOLDER).unwrap().trim_start_matches('/');
        let (day, name) = rest.rsplit_once('/').unwrap();
        self.chat.open_file(day, name).await
    }

    /// Removes what is due in all three ways, in slices of one row; how many rows.
    async fn purge(&self, age: TimeDelta) -> i64 {
        let (files, now) = (&self.chat.files, self.clock.now());
        let mut rows = 0;
        for way in 0..3 {
            let mut slice = Some(Slice::first(now - age, 1));
            while let Some(at) = slice {
                let purged = match way {
                    0 => files.purge_unused(&self.pool, at, now).await,
                    1 => files.purge_deleted(&self.pool, at).await,
                    _ => files.purge_of_rooms(&self.pool, at).await,
                };
                let purged = purged.unwrap();
                rows += purged.rows;
                slice = at.next(&purged);
            }
        }
        rows
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0csum\
    \0\0\0\0IENDcsum";

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_address_opens_a_file_until_it_expires_or_the_file_is_deleted(pool: PgPool) {
    let world = World::new(pool).await;
    let file = world.upload(PNG).await.unwrap();
    let path = world.chat.file_path(&file);
    let opened = world.open(&path).await.unwrap();
    assert_eq!((opened.file.id, opened.file.mime.as_str()), (file.id, "image/png"));
    world.clock.advance(TimeDelta::hours(25));
    assert!(matches!(world.open(&path).await, Err(OpenError::Expired)));
    let path = world.chat.file_path(&file);
    assert!(world.open(&path).await.is_ok());
    world.change("UPDATE rooms SET deleted_at = $2 WHERE id = $1", world.room.0).await;
    assert!(matches!(world.open(&path).await, Err(OpenError::NotFound)));
    let again = "UPDATE rooms SET deleted_at = NULL, head_at = $2 WHERE id = $1";
    world.change(again, world.room.0).await;
    world.change("UPDATE attachments SET deleted_at = $2 WHERE id = $1", file.id).await;
    assert!(matches!(world.open(&path).await, Err(OpenError::NotFound)));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_share_counts_what_is_under_way_as_what_it_may_become(pool: PgPool) {
    let world = World::new(pool).await;
    let first = world.chat.begin_upload(world.new_file(b"a")).await.unwrap();
    let _second = world.chat.begin_upload(world.new_file(b"a")).await.unwrap();
    let third = world.chat.begin_upload(world.new_file(b"a")).await;
    assert!(matches!(third, Err(UploadError::Share)));
    // It became a byte.
    let mut first = first;
    first.write(b"a").await.unwrap();
    first.finish(None).await.unwrap();
    let small = NewFile { expected: Some(100), ..world.new_file(b"a") };
    let _fourth = world.chat.begin_upload(small).await.unwrap();
    let large = world.chat.begin_upload(world.new_file(b"a")).await;
    assert!(matches!(large, Err(UploadError::Share)));
    world.clock.advance(TimeDelta::hours(24));
    assert!(world.chat.begin_upload(world.new_file(b"a")).await.is_ok());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn one_person_uploads_so_many_at_once(pool: PgPool) {
    let world = World::new(pool).await;
    let small = || NewFile { expected: Some(1), ..world.new_file(b"a") };
    let mut under_way = Vec::new();
    for _ in 0..8 {
        under_way.push(world.chat.begin_upload(small()).await.unwrap());
    }
    assert!(matches!(world.chat.begin_upload(small()).await, Err(UploadError::TooMany)));
    under_way.pop().unwrap().finish(None).await.unwrap();
    assert!(world.chat.begin_upload(small()).await.is_ok());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_purge_takes_what_nobody_needs_with_its_bytes_and_nothing_else(pool: PgPool) {
    let world = World::new(pool).await;
    let small = |name: &'static [u8]| world.upload(name);
    let in_message = small(b"1").await.unwrap();
    let message = "UPDATE attachments SET message_id = id, created_at = $2 WHERE id = $1";
    world.change(message, in_message.id).await;
    let avatar = world.upload(PNG).await.unwrap();
    let mut connection = world.pool.acquire().await.unwrap();
    let now = world.clock.now();
    Chat::take_avatar(&mut connection, world.room, world.user, Some(avatar.id), now).await.unwrap();
    let unused = small(b"2").await.unwrap();
    let deleted = small(b"3").await.unwrap();
    world
        .change("UPDATE attachments SET message_id = id, deleted_at = $2 WHERE id = $1", deleted.id)
        .await;
    let kept = [&in_message, &avatar];
    assert!(
        [&in_message, &avatar, &unused, &deleted].iter().all(|file| world.stored(file).exists())
    );
    assert_eq!(world.purge(TimeDelta::hours(1)).await, 0);
    world.clock.advance(TimeDelta::hours(2));
    let young = small(b"4").await.unwrap();
    let count = Files::count_unused(&world.pool, world.clock.now() - TimeDelta::hours(1)).await;
    assert_eq!(count.unwrap(), 1);
    // Two workers at once.
    let both = tokio::join!(world.purge(TimeDelta::hours(1)), world.purge(TimeDelta::hours(1)));
    assert_eq!(both.0 + both.1, 2);
    assert!(!world.stored(&unused).exists() && !world.stored(&deleted).exists());
    assert!(kept.iter().all(|file| world.stored(file).exists()) && world.stored(&young).exists());
    // With its room all goes.
    world.change("UPDATE rooms SET deleted_at = $2 WHERE id = $1", world.room.0).await;
    world.clock.advance(TimeDelta::minutes(30));
    assert_eq!(world.purge(TimeDelta::hours(1)).await, 0);
    world.clock.advance(TimeDelta::hours(1));
    let before = world.clock.now() - TimeDelta::hours(1);
    let unused = Files::count_unused(&world.pool, before).await.unwrap();
    let deleted = Files::count_deleted(&world.pool, before).await.unwrap();
    assert_eq!((unused, deleted), (1, 3));
    assert_eq!(world.purge(TimeDelta::hours(1)).await, 3);
    assert!(!kept.iter().any(|file| world.stored(file).exists()));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_file_whose_row_the_purge_took_is_not_finished(pool: PgPool) {
    let world = World::new(pool).await;
    let mut upload = world.chat.begin_upload(world.new_file(b"a")).await.unwrap();
    upload.write(b"a").await.unwrap();
    world.clock.advance(TimeDelta::hours(2));
    assert_eq!(world.purge(TimeDelta::hours(1)).await, 1);
    // Either its bytes or its row are missed first.
    let finished = upload.finish(None).await;
    assert!(matches!(finished, Err(UploadError::TooLate | UploadError::Storage(_))));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_room_takes_a_picture_that_its_uploader_put_there(pool: PgPool) {
    let world = World::new(pool).await;
    let (one, other) = (world.upload(PNG).await.unwrap(), world.upload(PNG).await.unwrap());
    let text = world.upload(b"words").await.unwrap();
    let mut connection = world.pool.acquire().await.unwrap();
    let now = world.clock.now();
    let mut take =
        async |room, user, file| Chat::take_avatar(&mut connection, room, user, file, now).await;
    let (room, user) = (world.room, world.user);
    assert!(matches!(take(room, user, Some(text.id)).await, Err(AvatarError::NoPicture)));
    assert!(matches!(take(room, user + 1, Some(one.id)).await, Err(AvatarError::NotFound)));
    assert!(matches!(
        take(RoomId(room.0 + 1), user, Some(one.id)).await,
        Err(AvatarError::NotFound)
    ));
    take(room, user, Some(one.id)).await.unwrap();
    take(room, user, Some(one.id)).await.unwrap();
    take(room, user, Some(other.id)).await.unwrap();
    // The one before is gone, and is no picture again.
    assert!(matches!(take(room, user, Some(one.id)).await, Err(AvatarError::NotFound)));
    take(room, user, None).await.unwrap();
    let left = "SELECT count(*) FROM attachments WHERE deleted_at IS NULL";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 1);
}
