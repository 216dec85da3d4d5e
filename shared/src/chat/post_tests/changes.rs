//! Messages that are edited, deleted and reacted to.

use super::*;

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_deleted_message_keeps_its_place_and_nothing_else(pool: PgPool) {
    let world = World::new(pool);
    let (a, b, admin) = (world.user("a").await, world.user("b").await, world.user("c").await);
    let room = world.group(&[admin, a, b]).await;
    let file = world.file(room, a).await;
    let draft = Draft {
        attachment: Some(json!(file)),
        lat: Some(json!(1)),
        lng: Some(json!(2)),
        ..draft("secret words")
    };
    let new = draft.read(room, 4_000).unwrap_or_else(|errors| panic!("{errors:?}"));
    let id = world.post(a, new).await.message.id;
    world.chat().react(b, (None, id), ("👍", true)).await.unwrap();
    let refused = world.chat().delete_message(b, (None, id)).await;
    assert!(matches!(refused, Err(ChatError::Refused(Refusal::Rank))));
    assert!(matches!(
        world.chat().delete_message(a, (Some(RoomId(room.0 + 1)), id)).await,
        Err(ChatError::NotFound)
    ));
    world.chat().delete_message(admin, (Some(room), id)).await.unwrap();
    let whole = "SELECT jsonb_build_object('m', to_jsonb(m), 'e',
            (SELECT jsonb_agg(to_jsonb(e)) FROM room_events e WHERE e.room_id = m.room_id))::text
        FROM chat_messages m WHERE id = $1";
    let left: String = sqlx::query_scalar(whole).bind(id).fetch_one(&world.pool).await.unwrap();
    assert!(!left.contains("secret") && left.contains("message.deleted"), "{left}");
    let gone = "SELECT count(*) FROM attachments WHERE id = $1 AND deleted_at IS NOT NULL";
    assert_eq!(world.number(gone, file).await, 1);
    let reactions = "SELECT count(*) FROM message_reactions WHERE message_id = $1";
    assert_eq!(world.number(reactions, id).await, 0);
    assert!(world.find(a, "secret").await.is_empty());
    assert!(world.chat().messages(a, room, None, 30).await.unwrap().is_empty());
    let entries = world.chat().events(b, Place { room, after: 0 }, 30).await.unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Message, Kind::MessageReaction, Kind::MessageDeleted]);
    let first = entries[0].message.as_ref().unwrap();
    assert_eq!((&*first.text, first.lat, &first.file), ("", None, &None));
    for again in [
        world.chat().delete_message(a, (None, id)).await.err(),
        world.chat().message(a, None, id).await.err(),
    ] {
        assert!(matches!(again, Some(ChatError::NotFound)));
    }
    let edited = world.chat().edit(a, (None, id), "back").await;
    assert!(matches!(edited, Err(EditError::Chat(ChatError::NotFound))));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn only_its_author_edits_a_message(pool: PgPool) {
    let world = World::new(pool);
    let (a, b, stranger) = (world.user("a").await, world.user("b").await, world.user("c").await);
    let room = world.group(&[a, b]).await;
    let id = world.say(b, room, "first").await;
    let refused = world.chat().edit(a, (None, id), "forged").await;
    assert!(matches!(refused, Err(EditError::Chat(ChatError::Refused(Refusal::Rank)))));
    let hidden = world.chat().edit(stranger, (None, id), "forged").await;
    assert!(matches!(hidden, Err(EditError::Chat(ChatError::NotFound))));
    assert!(matches!(world.chat().edit(b, (None, id), "").await, Err(EditError::Blank)));
    let same = world.chat().edit(b, (None, id), "first").await.unwrap();
    assert_eq!(same.edited_at, None);
    let edited = world.chat().edit(b, (Some(room), id), "second").await.unwrap();
    assert_eq!((&*edited.text, edited.edited_at), ("second", Some(start())));
    assert_eq!(world.find(a, "second").await, [id]);
    assert!(world.find(a, "first").await.is_empty());
    let kinds: Vec<_> = world
        .chat()
        .events(a, Place { room, after: 0 }, 30)
        .await
        .unwrap()
        .iter()
        .map(|entry| (entry.seq, entry.kind))
        .collect();
    assert_eq!(kinds, [(1, Kind::Message), (2, Kind::MessageEdited)]);
    world.set("UPDATE rooms SET status = 2 WHERE id = $1", room.0).await;
    let closed = world.chat().edit(b, (None, id), "third").await;
    assert!(matches!(closed, Err(EditError::Chat(ChatError::Refused(Refusal::Closed)))));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn reactions_are_counted_once_and_bounded(pool: PgPool) {
    let world = World::new(pool);
    let (a, b) = (world.user("a").await, world.user("b").await);
    let room = world.group(&[a, b]).await;
    let id = world.say(a, room, "x").await;
    for user in [a, b, b] {
        world.chat().react(user, (None, id), ("👍", true)).await.unwrap();
    }
    world.clock.advance(TimeDelta::seconds(1));
    let found = world.chat().react(b, (None, id), ("❤️", true)).await.unwrap();
    let seen: Vec<_> = found.iter().map(|one| (&*one.emoji, one.count, one.mine)).collect();
    assert_eq!(seen, [("👍", 2, true), ("❤️", 1, true)]);
    let left = world.chat().react(b, (None, id), ("👍", false)).await.unwrap();
    assert_eq!((left[0].count, left[0].mine), (1, false));
    world.chat().react(b, (None, id), ("👍", false)).await.unwrap();
    // The message, three reactions and one taken back: what changes nothing is no event.
    assert_eq!(world.number("SELECT head FROM rooms WHERE id = $1", room.0).await, 5);
    for n in 2..MOST {
        world.chat().react(a, (None, id), (&format!("e{n}"), true)).await.unwrap();
    }
    let more = world.chat().react(b, (None, id), ("new", true)).await;
    assert!(matches!(more, Err(ReactError::TooMany)));
    // One that is there already is not one more.
    world.chat().react(b, (None, id), ("e2", true)).await.unwrap();
    world.set("UPDATE rooms SET status = 2 WHERE id = $1", room.0).await;
    let closed = world.chat().react(b, (None, id), ("e3", true)).await;
    assert!(matches!(closed, Err(ReactError::Chat(ChatError::Refused(Refusal::Closed)))));
    world.chat().react(b, (None, id), ("e2", false)).await.unwrap();
}
