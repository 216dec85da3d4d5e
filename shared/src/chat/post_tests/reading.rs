//! Reading: cursors, unread messages, lists and search.

use super::*;

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_cursor_moves_forward_and_never_beyond_what_happened(pool: PgPool) {
    let world = World::new(pool);
    let (a, b) = (world.user("a").await, world.user("b").await);
    let room = world.group(&[a, b]).await;
    let first = world.say(a, room, "1").await;
    for text in ["2", "3"] {
        world.say(a, room, text).await;
    }
    world.say(b, room, "own").await;
    assert_eq!((world.unread(a, room).await, world.unread(b, room).await), (1, 3));
    let read = |up_to| world.chat().read(b, room, up_to);
    let state = |seq, unread| ReadState { seq, unread };
    assert_eq!(read(UpTo::Message(first)).await.unwrap(), state(1, 2));
    assert_eq!(read(UpTo::Seq(3)).await.unwrap(), state(3, 0));
    assert_eq!(read(UpTo::Seq(2)).await.unwrap(), state(3, 0));
    assert_eq!(read(UpTo::Seq(i64::MAX)).await.unwrap(), state(4, 0));
    assert_eq!(read(UpTo::Seq(-1)).await.unwrap(), state(4, 0));
    assert!(matches!(read(UpTo::Message(i64::MAX)).await, Err(ChatError::NotFound)));
    let stranger = world.user("c").await;
    let hidden = world.chat().read(stranger, room, UpTo::Seq(1)).await;
    assert!(matches!(hidden, Err(ChatError::NotFound)));
    let last = world.say(a, room, "4").await;
    assert_eq!(world.unread(b, room).await, 1);
    world.chat().delete_message(a, (None, last)).await.unwrap();
    assert_eq!(world.unread(b, room).await, 0, "nobody has to read what is gone");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn unread_counts_are_exact_while_everything_happens_at_once(pool: PgPool) {
    let world = World::new(pool);
    let (a, b) = (world.user("a").await, world.user("b").await);
    let room = world.group(&[a, b]).await;
    let mut doomed = Vec::new();
    for n in 0..10 {
        doomed.push(world.say(a, room, &format!("doomed {n}")).await);
    }
    let mut tasks = JoinSet::new();
    for n in 0..40_usize {
        let (chat, user) = (world.chats[n % 2].clone(), if n % 4 == 0 { b } else { a });
        tasks.spawn(async move {
            chat.post(user, says(room, &n.to_string())).await.map(drop).map_err(drop)
        });
    }
    for (n, id) in doomed.into_iter().enumerate() {
        let chat = world.chats[n % 2].clone();
        tasks.spawn(async move { chat.delete_message(a, (None, id)).await.map_err(drop) });
    }
    for seq in (0..20).rev() {
        let chat = world.chats[0].clone();
        let up_to = UpTo::Seq(seq);
        tasks.spawn(async move { chat.read(b, room, up_to).await.map(drop).map_err(drop) });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    let seen = world.chat().read_state(b, room).await.unwrap();
    assert_eq!(seen.seq, 19);
    let log = world.chat().read_log(&[Place { room, after: 0 }], 100).await.unwrap();
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=60).collect::<Vec<_>>());
    let unread = log.iter().filter(|entry| entry.seq > 19).filter_map(|entry| {
        let message = entry.message.as_ref().filter(|_| entry.kind == Kind::Message)?;
        (message.sender.id != b && message.deleted_at.is_none()).then_some(message.id)
    });
    assert_eq!(seen.unread, i64::try_from(unread.count()).unwrap());
    world.chat().read(b, room, UpTo::Seq(60)).await.unwrap();
    assert_eq!(world.unread(b, room).await, 0);
    assert_eq!(world.unread(a, room).await, 10);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_search_finds_words_however_they_are_spelt_in_ones_own_rooms(pool: PgPool) {
    let world = World::new(pool);
    let (a, b, c) = (world.user("a").await, world.user("b").await, world.user("c").await);
    let (room, others) = (world.group(&[a, b]).await, world.group(&[b, c]).await);
    let arabic = world.say(a, room, "كتاب‌هاي من، ۱۲۳ صفحه دارند!").await;
    let persian = world.say(b, room, "کتابهای دیگر").await;
    let hidden = world.say(c, others, "کتابهای پنهان 123").await;
    for words in ["کتابهای", "كتابهاي", "کتاب\u{200c}های", "کتاب"] {
        assert_eq!(world.find(a, words).await, [persian, arabic], "{words}");
    }
    for words in ["123", "۱۲۳", "١٢٣ صفحه", "من", "صفحه کتابهای م"] {
        assert_eq!(world.find(a, words).await, [arabic], "{words}");
    }
    // Only the last word may go on.
    assert!(world.find(a, "کتاب من").await.is_empty());
    assert_eq!(world.find(b, "کتاب").await, [hidden, persian, arabic]);
    assert_eq!(world.find(c, "کتاب").await, [hidden]);
    let wanted = Wanted::parse("کتاب").unwrap();
    let chat = world.chat();
    let of_room = |user, room| chat.search(user, (&wanted, Some(room)), None, 30);
    assert_eq!(of_room(b, room).await.unwrap().len(), 2);
    assert!(of_room(a, others).await.unwrap().is_empty());
    let page = chat.search(b, (&wanted, None), Some(hidden), 1).await.unwrap();
    assert_eq!(page.iter().map(|message| message.id).collect::<Vec<_>>(), [persian]);
    // Whoever writes a room's mark finds nothing by it.
    world.say(c, others, &format!("#{} {}", room.0, room.0)).await;
    assert_eq!(world.find(a, "کتاب").await, [persian, arabic]);
    sqlx::query("DELETE FROM room_members WHERE user_id = $1")
        .bind(a)
        .execute(&world.pool)
        .await
        .unwrap();
    assert!(world.find(a, "کتاب").await.is_empty());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_list_is_newest_first_and_goes_on_where_it_ended(pool: PgPool) {
    let world = World::new(pool);
    let (a, b) = (world.user("a").await, world.user("b").await);
    let room = world.group(&[a]).await;
    let mut ids = BTreeSet::new();
    for n in 0..7 {
        ids.insert(world.say(a, room, &n.to_string()).await);
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = world.chat().messages(a, room, before, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        seen.extend(page.iter().map(|message| message.id));
    }
    assert!(seen.iter().rev().is_sorted());
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), ids);
    let hidden = world.chat().messages(b, room, None, 3).await;
    assert!(matches!(hidden, Err(ChatError::NotFound)));
}
