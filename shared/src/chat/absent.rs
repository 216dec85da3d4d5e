//! Members who are not there: who has not read what was written a while ago is told once, until they
//! have read it.
//!
//! Nothing of it is on the way of a message. A look goes over the messages that have become old enough since the
//! last one, in the order of their ids, and finds the members of their rooms who have not read
//! that far and were not told since they last had. Its place is a row that it locks: two looks never
//! tell of the same.

use std::time::Duration;

use chrono::TimeDelta;
use rand::Rng;
use serde_json::json;
use sqlx::PgConnection;

use super::{Chat, RoomId, store};
use crate::{
    jobs::RowId,
    phone::PhoneNumber,
    sms::{
        MessageKind,
        messages::{Messages, NewMessage, Repeat},
        templates::Wording,
    },
    webhooks::events::{Kind, NewEvent},
};

/// Messages one look goes over.
const MESSAGES: i64 = 1_000;
/// Members one look tells, at most; the others come next.
const MEMBERS: i64 = 500;

/// A member who is not there.
#[derive(Debug, Clone)]
pub struct Absent {
    /// Where.
    pub room: RoomId,
    /// The room's name, if it has one.
    pub name: Option<String>,
    /// Who.
    pub user_id: i64,
    /// How many messages wait.
    pub unread: i64,
    /// Their number, if the room tells by text message and they have one.
    pub phone: Option<PhoneNumber>,
}

/// What a look did.
#[derive(Debug, Default)]
pub struct Looked {
    /// Members who were told.
    pub told: i64,
    /// Texts to push.
    pub texts: Vec<RowId>,
    /// Events to push.
    pub events: Vec<RowId>,
    /// Whether there is more to look at now.
    pub has_more: bool,
}

impl Chat {
    /// Goes over the next messages that are old enough and tells the members of their rooms who are not
    /// there: by the event `chat.unread`, and by a text in rooms that ask for it. A text that is
    /// refused (the number wants none, the caps of the day are used up) is not sent.
    ///
    /// # Errors
    /// When the database is away; nobody is told then.
    pub async fn tell_absent(
        &self,
        messages: &Messages,
        rng: &mut (impl Rng + Send),
    ) -> Result<Looked, sqlx::Error> {
        let Some(cutoff) = self.absence_begins() else { return Ok(Looked::default()) };
        let mut tx = self.pool.begin().await?;
        let from = store::lock_absence_look(&mut tx).await?;
        let old = store::messages_before(&mut tx, from, cutoff, MESSAGES).await?;
        let Some(last) = old.last else { return Ok(Looked::default()) };
        let absent = store::mark_told(&mut tx, &old.rooms, &old.heads, MEMBERS).await?;
        let all_told = i64::try_from(absent.len()).is_ok_and(|count| count < MEMBERS);
        if all_told {
            store::move_absence_look(&mut tx, last).await?;
        }
        let mut looked = Looked {
            told: i64::try_from(absent.len()).unwrap_or(i64::MAX),
            has_more: !all_told || old.count == MESSAGES,
            ..Looked::default()
        };
        let events: Vec<_> = absent.iter().map(event).collect();
        looked.events = self.outbox.emit(&mut tx, &events).await?;
        for member in &absent {
            looked.texts.extend(self.text(&mut tx, messages, member, rng).await?);
        }
        tx.commit().await?;
        Ok(looked)
    }

    /// Members who would be told by the next looks.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_absent(&self) -> Result<i64, sqlx::Error> {
        match self.absence_begins() {
            Some(cutoff) => store::count_absent(&self.pool, cutoff).await,
            None => Ok(0),
        }
    }

    fn absence_begins(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        let seconds = self.rules.absent_after_seconds;
        let after = TimeDelta::from_std(Duration::from_secs(seconds.into())).ok()?;
        (seconds > 0).then(|| self.clock.now() - after)
    }

    async fn text(
        &self,
        connection: &mut PgConnection,
        messages: &Messages,
        member: &Absent,
        rng: &mut (impl Rng + Send),
    ) -> Result<Option<RowId>, sqlx::Error> {
        let Some(phone) = member.phone.clone().filter(|_| !self.rules.absent_text.is_empty())
        else {
            return Ok(None);
        };
        let name = member.name.as_deref().unwrap_or_default();
        let new = NewMessage {
            phone,
            wording: Wording {
                text: Some(self.rules.absent_text.replace("{room}", name)),
                template: None,
            },
            kind: MessageKind::Text,
            send_at: None,
            sender: None,
            bulk_id: None,
            reply_to: None,
            repeat: Repeat::Unknown,
        };
        let accepted = messages.accept_within(connection, new, rng).await?;
        Ok(accepted.ok().map(|accepted| accepted.id))
    }
}

fn event(member: &Absent) -> NewEvent {
    let data = json!({
        "room_id": member.room, "user_id": member.user_id, "unread": member.unread,
    });
    NewEvent { kind: Kind::ChatUnread, subject: format!("room:{}", member.room), data }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{DateTime, Utc};
    use sqlx::PgPool;

    use super::*;
    use crate::{
        chat::{announce::Announcer, files::Files},
        clock::{Clock, ManualClock},
        config::{Config, WebhookEndpoint},
        redis::Redis,
        webhooks::Outbox,
    };

    struct World {
        pool: PgPool,
        clock: Arc<ManualClock>,
        chat: Chat,
        messages: Messages,
    }

    impl World {
        fn new(pool: PgPool) -> Self {
            let clock =
                Arc::new(ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap()));
            let mut config = Config::default();
            config.chat.absent_text = "new in {room}".to_owned();
            let endpoint = WebhookEndpoint {
                events: vec!["chat.unread".to_owned()],
                ..WebhookEndpoint::default()
            };
            config.webhooks.endpoints.insert("app".to_owned(), endpoint);
            let outbox = Outbox::new(&config.webhooks, clock.clone());
            let announcer = Announcer::start(Redis::start(&config.redis).unwrap());
            let chat = Chat::new(
                pool.clone(),
                clock.clone(),
                outbox,
                announcer,
                Files::for_tests(),
                &config,
            );
            let messages = Messages::new(pool.clone(), clock.clone(), &config);
            Self { pool, clock, chat, messages }
        }

        async fn user(&self, name: &str, phone: Option<&str>) -> i64 {
            let insert = "INSERT INTO users (username, phone, created_at) VALUES ($1, $2, $3)
                          RETURNING id";
            let insert = sqlx::query_scalar(insert).bind(name).bind(phone).bind(self.clock.now());
            insert.fetch_one(&self.pool).await.unwrap()
        }

        async fn room(&self, people: &[i64], by_sms: bool) -> i64 {
            let insert = "WITH r AS (
                    INSERT INTO rooms (name, tells_by_sms, head_at, created_at)
                    VALUES ('team', $3, $2, $2) RETURNING id)
                INSERT INTO room_members (room_id, user_id, role, levels, joined_at)
                SELECT r.id, p, 'owner', 2, $2 FROM r, unnest($1) AS p RETURNING room_id";
            let insert =
                sqlx::query_scalar(insert).bind(people).bind(self.clock.now()).bind(by_sms);
            insert.fetch_one(&self.pool).await.unwrap()
        }

        async fn say(&self, room: i64, sender: i64) -> i64 {
            let insert = "WITH r AS (UPDATE rooms SET head = head + 1 WHERE id = $1 RETURNING head)
                INSERT INTO chat_messages (room_id, seq, sender_id, type, text, folded, created_at)
                SELECT $1, head, $2, 'text', 'hello', 'hello', $3 FROM r RETURNING seq";
            let insert = sqlx::query_scalar(insert).bind(room).bind(sender).bind(self.clock.now());
            insert.fetch_one(&self.pool).await.unwrap()
        }

        async fn read(&self, room: i64, user: i64, seq: i64) {
            let update =
                "UPDATE room_members SET read_seq = $3 WHERE room_id = $1 AND user_id = $2";
            let update = sqlx::query(update).bind(room).bind(user).bind(seq);
            update.execute(&self.pool).await.unwrap();
        }

        fn wait(&self, seconds: i64) {
            self.clock.advance(TimeDelta::seconds(seconds));
        }

        async fn look(&self) -> Looked {
            let mut rng = rand::make_rng::<rand::rngs::StdRng>();
            self.chat.tell_absent(&self.messages, &mut rng).await.unwrap()
        }

        /// Who was told of how many.
        async fn told(&self) -> Vec<(i64, i64)> {
            let select = "SELECT (data->>'user_id')::bigint, (data->>'unread')::bigint
                          FROM webhook_events WHERE kind = 'chat.unread' ORDER BY 1, 2";
            sqlx::query_as(select).fetch_all(&self.pool).await.unwrap()
        }
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn whoever_has_not_read_is_told_once_until_they_have(pool: PgPool) {
        let world = World::new(pool);
        let (a, b) = (world.user("a", None).await, world.user("b", None).await);
        let room = world.room(&[a, b], false).await;
        world.say(room, a).await;
        world.wait(59);
        assert_eq!(world.look().await.told, 0, "it is too young");
        world.wait(2);
        assert_eq!(world.chat.count_absent().await.unwrap(), 1);
        assert_eq!(world.look().await.told, 1);
        assert_eq!(world.look().await.told, 0);
        let last = world.say(room, a).await;
        world.wait(61);
        assert_eq!(world.look().await.told, 0, "they know that something is there");
        world.read(room, b, last).await;
        world.say(room, a).await;
        world.say(room, a).await;
        world.wait(61);
        assert_eq!(world.look().await.told, 1);
        assert_eq!(world.told().await, [(b, 1), (b, 2)]);
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn nobody_is_told_of_what_they_wrote_or_read_or_what_is_deleted(pool: PgPool) {
        let world = World::new(pool);
        let (a, b) = (world.user("a", None).await, world.user("b", None).await);
        let room = world.room(&[a, b], false).await;
        let seq = world.say(room, a).await;
        world.read(room, b, seq).await;
        let deleted = world.say(room, a).await;
        let bury = "UPDATE chat_messages SET deleted_at = created_at, text = '', folded = ''
                    WHERE room_id = $1 AND seq = $2";
        sqlx::query(bury).bind(room).bind(deleted).execute(&world.pool).await.unwrap();
        world.wait(61);
        assert_eq!(world.look().await.told, 0);
        assert!(world.told().await.is_empty());
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn rooms_that_ask_for_it_tell_by_text(pool: PgPool) {
        let world = World::new(pool);
        let a = world.user("a", Some("+989120000001")).await;
        let (b, c) = (world.user("b", Some("+989120000002")).await, world.user("c", None).await);
        let loud = world.room(&[a, b, c], true).await;
        let silent = world.room(&[a, b], false).await;
        world.say(loud, a).await;
        world.say(silent, a).await;
        world.wait(61);
        let looked = world.look().await;
        assert_eq!((looked.told, looked.texts.len()), (3, 1));
        let texts: Vec<(String, String)> = sqlx::query_as("SELECT phone, body FROM sms_messages")
            .fetch_all(&world.pool)
            .await
            .unwrap();
        assert_eq!(texts, [("+989120000002".to_owned(), "new in team".to_owned())]);
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn two_looks_at_once_tell_nobody_twice(pool: PgPool) {
        let world = World::new(pool);
        let a = world.user("a", None).await;
        let mut people = vec![a];
        for n in 0..20 {
            people.push(world.user(&format!("u{n}"), None).await);
        }
        for _ in 0..10 {
            let room = world.room(&people, false).await;
            world.say(room, a).await;
        }
        world.wait(61);
        let looks = futures_util::future::join_all((0..4).map(|_| world.look())).await;
        assert_eq!(looks.iter().map(|looked| looked.told).sum::<i64>(), 200);
        assert_eq!(world.told().await.len(), 200);
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn what_comes_late_with_a_lower_id_is_not_forgotten(pool: PgPool) {
        let world = World::new(pool);
        let (a, b) = (world.user("a", None).await, world.user("b", None).await);
        let (old, young) = (world.room(&[a, b], false).await, world.room(&[a, b], false).await);
        world.say(old, a).await;
        world.wait(30);
        world.say(young, a).await;
        world.wait(31);
        assert_eq!(world.look().await.told, 1, "one of them is old enough");
        world.wait(30);
        assert_eq!(world.look().await.told, 1);
    }

    /// Rooms of one time after another, and then all at once.
    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn rooms_that_are_gone_are_taken_away_with_what_was_in_them(pool: PgPool) {
        let world = World::new(pool);
        let a = world.user("a", None).await;
        let (gone, kept) = (world.room(&[a], false).await, world.room(&[a], false).await);
        for room in [gone, gone, kept] {
            world.say(room, a).await;
        }
        let delete = "UPDATE rooms SET deleted_at = $2 WHERE id = $1";
        let now: DateTime<Utc> = world.clock.now();
        sqlx::query(delete).bind(gone).bind(now).execute(&world.pool).await.unwrap();
        assert_eq!(world.chat.purge_deleted_room().await.unwrap(), 0, "it is kept for some days");
        world.clock.advance(TimeDelta::days(8));
        assert_eq!(world.chat.count_deleted_rooms().await.unwrap(), 1);
        while world.chat.purge_deleted_room().await.unwrap() > 0 {}
        let rooms: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM rooms").fetch_all(&world.pool).await.unwrap();
        let messages: Vec<i64> = sqlx::query_scalar("SELECT room_id FROM chat_messages")
            .fetch_all(&world.pool)
            .await
            .unwrap();
        assert_eq!((rooms, messages), (vec![kept], vec![kept]));
    }
}
