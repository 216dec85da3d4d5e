//! Blocks, reports and what staff do.

use super::*;
use crate::{
    admin::{Shown, lists},
    chat::moderation::Report,
};

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn who_is_blocked_makes_no_room_with_them_and_puts_them_in_none(pool: PgPool) {
    let world = World::new(pool);
    let [one, other, third] = world.users().await;
    let old = world.chat.open_direct(&by(one), third, &About::default()).await.unwrap();
    world.chat.block(other, one).await.unwrap();
    world.chat.block(third, one).await.unwrap();
    world.chat.block(third, one).await.unwrap();
    let about = About::default();
    for (from, to) in [(one, other), (other, one)] {
        assert_eq!(ended(world.chat.open_direct(&by(from), to, &about).await), "NoSuchPerson");
    }
    assert_eq!(ended(world.chat.open_group(&by(one), &[other], &about).await), "NoSuchPerson");
    let group = world.group(&[one]).await;
    assert_eq!(ended(world.chat.add(&by(one), group, &[other]).await), "NoSuchPerson");
    // The room there was is found, and nobody writes in it.
    let found = world.chat.open_direct(&by(one), third, &about).await.unwrap();
    assert_eq!((found.is_new, found.room.brief.id), (false, old.room.brief.id));
    for person in [one, third] {
        let refused = world.chat.check(found.room.brief.id, person, permissions::Action::Post);
        assert!(matches!(refused.await, Err(ChatError::Refused(Refusal::Blocked))));
    }
    assert_eq!(world.chat.blocks(third, None, 10).await.unwrap().len(), 1);
    world.chat.unblock(other, one).await.unwrap();
    assert_eq!(ended(world.chat.unblock(other, one).await), "NothingThere");
    assert!(world.chat.open_direct(&by(one), other, &about).await.unwrap().is_new);
    assert_eq!(ended(world.chat.block(one, one).await), "Oneself");
    assert_eq!(ended(world.chat.block(one, 999_999).await), "NoSuchPerson");
}

/// As staff see them; the look is written down.
async fn reports(world: &World, staff: i64, open: bool) -> Vec<Report> {
    let filters = vec![(&lists::reports::OPEN, lists::Value::Flag(open))];
    let wanted = lists::Wanted { filters, ..lists::Wanted::default() };
    let (source, now) = (by(staff).source, world.chat.now());
    lists::list(&world.pool, &source, &wanted, Shown::Whole, now).await.unwrap().rows
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_report_is_settled_once_with_all_others_of_its_message(pool: PgPool) {
    let world = World::new(pool);
    let [author, one, other, stranger, staff] = world.users().await;
    let room = world.group(&[author, one, other]).await;
    let message = world.message(room, author, "bad words").await;
    let chat = &world.chat;
    assert_eq!(ended(chat.report(stranger, message, Reason::Spam, None).await), "NotFound");
    assert_eq!(ended(chat.report(author, message, Reason::Spam, None).await), "Oneself");
    let first = chat.report(one, message, Reason::Spam, None).await.unwrap();
    assert_eq!(chat.report(one, message, Reason::Abuse, None).await.unwrap(), first, "once");
    chat.report(other, message, Reason::Abuse, Some("hurts")).await.unwrap();
    let open = reports(&world, staff, true).await;
    assert_eq!(open.len(), 2);
    assert_eq!(open[0].message.as_ref().unwrap().text, "bad words");

    let settled = chat.settle_report(&by(staff), first, Outcome::Removed).await.unwrap();
    assert_eq!(settled.outcome, Some(Outcome::Removed));
    assert_eq!(settled.message.unwrap().text, "");
    assert_eq!(world.log(room).await.last(), Some(&(Kind::MessageDeleted, Some(staff), None)));
    assert!(reports(&world, staff, true).await.is_empty());
    assert_eq!(reports(&world, staff, false).await.len(), 2);
    let again = chat.settle_report(&by(staff), first, Outcome::Dismissed).await;
    assert_eq!(ended(again), "NothingThere");
    assert_eq!(ended(chat.report(one, message, Reason::Spam, None).await), "NotFound", "deleted");
    assert_eq!(world.audited(room).await, ["chat.report_settled"]);
    let looks = "SELECT count(*) FROM audit_events WHERE action = 'report.searched'";
    let looks: i64 = sqlx::query_scalar(looks).fetch_one(&world.pool).await.unwrap();
    assert_eq!(looks, 3);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_is_out_reports_what_they_saw_and_nothing_that_came_later(pool: PgPool) {
    let world = World::new(pool);
    let [author, left, removed, banned, unseen, stranger] = world.users().await;
    let room = world.group(&[author, left, removed, banned]).await;
    let seen = world.message(room, author, "seen").await;
    world.chat.leave(&by(left), room).await.unwrap();
    world.chat.kick(&by(author), room, removed).await.unwrap();
    world.chat.ban(&by(author), room, banned, None).await.unwrap();
    world.chat.ban(&by(author), room, unseen, None).await.unwrap();
    let later = world.message(room, author, "later").await;
    let report = async |person, message| {
        ended(world.chat.report(person, message, Reason::Abuse, None).await)
    };
    for person in [left, removed, banned] {
        assert_eq!(report(person, seen).await, "done");
    }
    assert_eq!(report(left, later).await, "NotFound");
    assert_eq!(report(removed, later).await, "NotFound");
    assert_eq!(report(banned, later).await, "Banned");
    assert_eq!(report(unseen, seen).await, "Banned", "they never saw it");
    assert_eq!(report(stranger, seen).await, "NotFound");
    // Who comes back and leaves again has seen that, too.
    world.chat.add(&by(author), room, &[left]).await.unwrap();
    world.chat.leave(&by(left), room).await.unwrap();
    assert_eq!(report(left, later).await, "done");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn staff_close_rooms_and_are_no_members(pool: PgPool) {
    let world = World::new(pool);
    let [owner, staff] = world.users().await;
    let room = world.group(&[owner]).await;
    world.chat.close_as_staff(&by(staff), room).await.unwrap();
    world.chat.close_as_staff(&by(staff), room).await.unwrap();
    assert_eq!(world.see(owner, room).await.unwrap().brief.status, Status::Closed);
    assert!(is_gone(&world.see(staff, room).await));
    let log = world.log(room).await;
    assert_eq!(log.iter().filter(|entry| entry.0 == Kind::RoomStatus).count(), 1);
    assert_eq!(world.audited(room).await.len(), 2);
    for status in [Status::Open, Status::Held] {
        let refused = world.chat.set_status(&by(owner), room, status).await;
        assert_eq!(ended(refused), "ClosedByStaff");
    }
    world.chat.reopen_as_staff(&by(staff), room).await.unwrap();
    let again = world.chat.reopen_as_staff(&by(staff), room).await;
    assert!(matches!(again, Err(ChatError::NotFound)));
    assert_eq!(world.see(owner, room).await.unwrap().brief.status, Status::Open);
    assert_eq!(world.audited(room).await.last().unwrap(), "room.reopened_by_staff");
    world.chat.set_status(&by(owner), room, Status::Closed).await.unwrap();
    world.chat.set_status(&by(owner), room, Status::Open).await.unwrap();
    let nothing = world.chat.close_as_staff(&by(staff), RoomId(999_999)).await;
    assert!(matches!(nothing, Err(ChatError::NotFound)));
}
