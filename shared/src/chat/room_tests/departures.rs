//! Who leaves an organization, or is erased.

use super::*;

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_leaves_an_organization_leaves_its_rooms_with_a_word_in_the_log(pool: PgPool) {
    let world = World::new(pool);
    let [boss, admin, member] = world.users().await;
    let organization = world.organization(&[boss, admin, member]).await;
    let about = About { organization_id: Some(organization), ..About::default() };
    let inside = world.chat.open_group(&by(member), &[boss, admin], &about).await.unwrap();
    let inside = inside.room.brief.id;
    let rename = levels(&[Level::Rename]);
    world.chat.grant(&by(member), inside, admin, rename).await.unwrap();
    let alone = world.chat.open_group(&by(member), &[], &about).await.unwrap().room.brief.id;
    let two = world.chat.open_direct(&by(boss), member, &about).await.unwrap().room.brief.id;
    let outside = world.group(&[member, boss]).await;

    let (chat, organizations) = (&world.chat, &world.organizations);
    let refused = chat.leave_organization(organizations, &by(admin), organization, member).await;
    assert!(matches!(refused, Err(OrganizationError::Forbidden)), "{refused:?}");
    assert_eq!(world.members(inside).await, [boss, admin, member], "nothing is done then");
    chat.leave_organization(organizations, &by(boss), organization, member).await.unwrap();

    assert_eq!(world.members(inside).await, [boss, admin]);
    assert_eq!(world.owners(inside).await, [admin], "who looks after it comes first");
    let log = world.log(inside).await;
    let last = &log[log.len() - 2..];
    let removed = (Kind::MemberRemoved, Some(boss), Some(member));
    assert_eq!(last, [removed, (Kind::RoomOwner, None, Some(admin))]);
    assert_eq!(world.log(alone).await.last(), Some(&(Kind::RoomDeleted, None, None)));
    assert_eq!(world.members(two).await, [boss]);
    assert_eq!(world.log(two).await.last(), Some(&removed));
    assert_eq!(world.members(outside).await, [boss, member], "other rooms go on");

    // Whoever comes back takes their place again.
    let back = "INSERT INTO organization_members (organization_id, user_id, role, joined_at)
        VALUES ($1, $2, 'member', now())";
    sqlx::query(back).bind(organization).bind(member).execute(&world.pool).await.unwrap();
    let again = chat.open_direct(&by(boss), member, &about).await.unwrap();
    assert_eq!((again.is_new, again.room.brief.id), (false, two));
    assert_eq!(world.owners(two).await, [boss, member]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_rooms_of_an_organization_end_with_it(pool: PgPool) {
    let world = World::new(pool);
    let [boss, member] = world.users().await;
    let organization = world.organization(&[boss, member]).await;
    let about = About { organization_id: Some(organization), ..About::default() };
    let inside = world.chat.open_group(&by(boss), &[member], &about).await.unwrap();
    let inside = inside.room.brief.id;
    let outside = world.group(&[boss, member]).await;
    let (chat, organizations) = (&world.chat, &world.organizations);
    let refused = chat.delete_organization(organizations, &by(member), organization).await;
    assert!(matches!(refused, Err(OrganizationError::Forbidden)), "{refused:?}");
    chat.delete_organization(organizations, &by(boss), organization).await.unwrap();
    assert!(is_gone(&world.see(boss, inside).await));
    assert_eq!(world.log(inside).await.last(), Some(&(Kind::RoomDeleted, Some(boss), None)));
    assert!(world.see(member, outside).await.is_ok());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn rooms_made_while_somebody_leaves_their_organization_never_keep_them(pool: PgPool) {
    let world = World::new(pool);
    let [boss, member] = world.users().await;
    let organization = world.organization(&[boss, member]).await;
    let about = About { organization_id: Some(organization), ..About::default() };
    let group = world.chat.open_group(&by(boss), &[], &about).await.unwrap().room.brief.id;
    let mut tasks = JoinSet::new();
    for place in 0..6 {
        let (chat, about) = (world.chat.clone(), about.clone());
        tasks.spawn(async move {
            match place % 3 {
                0 => drop(chat.open_direct(&by(member), boss, &about).await),
                1 => drop(chat.add(&by(boss), group, &[member]).await),
                _ => drop(chat.open_group(&by(boss), &[member], &about).await),
            }
        });
    }
    let (chat, organizations) = (world.chat.clone(), world.organizations.clone());
    tasks.spawn(async move {
        chat.leave_organization(&organizations, &by(boss), organization, member).await.unwrap();
    });
    tasks.join_all().await;
    let left = "SELECT count(*) FROM room_members WHERE user_id = $1";
    let left: i64 = sqlx::query_scalar(left).bind(member).fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0);
    // Whoever joined has left, in the log too.
    let odd = "SELECT count(*) FROM (
            SELECT room_id, count(*) FILTER (WHERE kind = 'member.joined') AS joined,
                   count(*) FILTER (WHERE kind = 'member.removed') AS gone
            FROM room_events WHERE subject_id = $1 GROUP BY room_id) AS e
        WHERE joined <> gone";
    let odd: i64 = sqlx::query_scalar(odd).bind(member).fetch_one(&world.pool).await.unwrap();
    assert_eq!(odd, 0);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_erased_person_leaves_every_room_to_others(pool: PgPool) {
    let world = World::new(pool);
    let [person, first, second, stranger] = world.users().await;
    let group = world.group(&[person, first, second]).await;
    let rename = levels(&[Level::Rename]);
    world.chat.grant(&by(person), group, second, rename).await.unwrap();
    let plain = world.group(&[person, first]).await;
    let alone = world.group(&[person]).await;
    let two = world.chat.open_direct(&by(person), first, &About::default()).await.unwrap();
    let two = two.room.brief.id;
    let elsewhere = world.group(&[stranger]).await;
    world.chat.ban(&by(stranger), elsewhere, person, None).await.unwrap();
    let said = world.message(group, person, "stays").await;
    let about = world.message(group, first, "reported").await;
    world.chat.report(person, about, Reason::Other, Some("words")).await.unwrap();
    world.chat.block(person, stranger).await.unwrap();
    world.chat.block(first, person).await.unwrap();

    world.erase(person).await;
    assert_eq!(world.owners(group).await, [second], "who looks after it");
    assert_eq!(world.owners(plain).await, [first], "or the longest-standing member");
    assert!(is_gone(&world.see(person, alone).await));
    assert_eq!(world.members(two).await, [first]);
    assert_eq!(world.log(two).await.last().unwrap().0, Kind::MemberLeft);
    let text: String = sqlx::query_scalar("SELECT text FROM chat_messages WHERE id = $1")
        .bind(said)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(text, "stays");
    let traces = "SELECT (SELECT count(*) FROM room_members WHERE user_id = $1)
        + (SELECT count(*) FROM room_bans WHERE user_id = $1)
        + (SELECT count(*) FROM user_blocks WHERE user_id = $1 OR blocked_id = $1)
        + (SELECT count(*) FROM message_reports WHERE note IS NOT NULL)";
    let left: i64 = sqlx::query_scalar(traces).bind(person).fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0);
}
