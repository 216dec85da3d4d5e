//! Rooms and organizations, as staff look at them.

use peyk_tests::harness::Peyk;
use serde_json::{Value, json};

use super::steps::{actions, audited, refusal, staff};
use crate::{
    login_steps::patient,
    people::{Person, column},
};

/// An organization of the first account, with the second in it and a third one asked; rooms of both.
const OF_SARA: &str = "
    UPDATE users SET first_name = 'Sara', last_name = 'Ahmadi' WHERE id = 1;
    INSERT INTO organizations (name, uname, owner_id, created_at)
    VALUES ('Sara''s Shop', 'the_shop', 1, now());
    INSERT INTO organization_members (organization_id, user_id, role, joined_at)
    VALUES (1, 1, 'owner', now()), (1, 2, 'member', now());
    INSERT INTO organization_invitations (organization_id, phone, role, invited_by, created_at,
        expires_at)
    VALUES (1, '+989350000001', 'member', 1, now(), now() + interval '1 day');
    INSERT INTO rooms (organization_id, name, status, direct_low, direct_high, head, head_at,
        created_at, deleted_at)
    VALUES (1, 'Orders', 1, NULL, NULL, 2, now(), now(), NULL),
        (NULL, 'orphans', 2, NULL, NULL, 0, now(), now(), NULL),
        (NULL, NULL, 1, 1, 2, 1, now() - interval '1 hour', now(), NULL),
        (NULL, 'Old', 3, NULL, NULL, 0, now(), now(), now());
    INSERT INTO room_members (room_id, user_id, organization_id, role, levels, joined_at)
    VALUES (1, 1, 1, 'owner', 2, now()), (1, 2, 1, 'member', 2, now()),
        (3, 1, NULL, 'owner', 2, now()), (3, 2, NULL, 'owner', 2, now());
    INSERT INTO room_bans (room_id, user_id, banned_by, reason, created_at)
    VALUES (2, 2, 1, 'loud', now());
    INSERT INTO chat_messages (room_id, seq, sender_id, type, text, folded, created_at)
    VALUES (3, 1, 1, 'text', 'Elsewhere', 'elsewhere', now()),
        (1, 1, 1, 'text', 'Secret words', 'secret words', now()),
        (1, 2, 2, 'location', '', '', now());
    UPDATE chat_messages SET lat = 35.5, lng = 51.25 WHERE type = 'location'";

async fn furnished() -> (Peyk, [Person; 2]) {
    let peyk = patient().start().await;
    let people = [Person::new(&peyk).await, Person::new(&peyk).await];
    assert_eq!((people[0].id, people[1].id), (1, 2));
    peyk.database.execute(OF_SARA).await;
    (peyk, people)
}

/// The numbers of what each query finds.
async fn assert_found(peyk: &Peyk, by: &Person, list: &str, table: &[(&str, &[i64])]) {
    for (query, expected) in table {
        let page = by.get(peyk, &format!("{list}{query}")).await;
        let ids = column(&page, "id").into_iter().filter_map(Value::as_i64);
        assert_eq!(ids.collect::<Vec<_>>(), *expected, "{query}");
    }
}

#[tokio::test]
async fn rooms_are_found_by_all_that_is_known_of_them() {
    let (peyk, _) = furnished().await;
    let support = staff(&peyk, "support").await;
    let table: [(&str, &[i64]); 15] = [
        ("", &[4, 3, 2, 1]),
        ("?sort=oldest", &[1, 2, 3, 4]),
        ("?search=3", &[3]),
        ("?search=or", &[2, 1]),
        ("?search=ORD", &[1]),
        ("?search=rd", &[]),
        ("?search=%25", &[]),
        ("?is_direct=true", &[3]),
        ("?is_direct=false&is_deleted=false", &[2, 1]),
        ("?status=closed", &[2]),
        ("?status=held", &[4]),
        ("?organization_id=1", &[1]),
        ("?user_id=2", &[3, 1]),
        ("?user_id=2&sort=last_activity", &[1, 3]),
        ("?organization_id=1&sort=last_activity&is_direct=true", &[]),
    ];
    assert_found(&peyk, &support, "admin/chat/rooms/", &table).await;
    let page = support.get(&peyk, "admin/chat/rooms/?user_id=2&sort=last_activity&limit=1").await;
    let (_, next) = page.json["next"].as_str().unwrap().split_once("/api/").unwrap();
    assert_found(&peyk, &support, next, &[("", &[3])]).await;
    let refused = support.get(&peyk, "admin/chat/rooms/?sort=last_activity").await;
    assert_eq!(refusal(&refused), (400, "validation"));
    assert_eq!(refused.json["errors"][0]["field"], "sort");
    let told = actions(&peyk, "room").await;
    assert!(told.contains(&"room.listed".to_owned()) && told.contains(&"room.searched".to_owned()));
}

#[tokio::test]
async fn a_room_is_looked_at_with_its_people_and_read_only_where_that_is_written_down() {
    let (peyk, [sara, _]) = furnished().await;
    let admin = staff(&peyk, "admin").await;
    let one = admin.get(&peyk, "admin/chat/rooms/1/").await;
    assert_eq!((&one.json["member_count"], &one.json["status"]), (&json!(2), &json!("open")));
    assert_eq!(one.json["members"][0]["user"]["id"], 1, "who looks after it comes first: {one:?}");
    assert!(!one.json.to_string().contains("Secret words"), "{one:?}");
    let other = admin.get(&peyk, "admin/chat/rooms/2/").await;
    let bans = &other.json["bans"][0];
    assert_eq!((&bans["user"]["id"], &bans["reason"]), (&json!(2), &json!("loud")), "{other:?}");
    assert_eq!(actions(&peyk, "room").await, ["room.viewed", "room.viewed"]);

    let read = admin.get(&peyk, "admin/chat/rooms/1/messages/").await;
    assert_eq!(column(&read, "text"), ["", "Secret words"]);
    assert_eq!(column(&read, "type"), ["location", "text"]);
    assert_eq!((&read.json["results"][0]["lat"], &read.json["next"]), (&json!(35.5), &Value::Null));
    assert!(!read.json.to_string().contains(&sara.mobile), "numbers in user names are masked");
    let told = audited(&peyk, "room").await;
    let detail = json!({"by": ["room"], "ids": [3, 2], "rows": 2, "shown": "whole"});
    assert_eq!(told.last(), Some(&("room.read".to_owned(), Some(1), detail)));

    let first = admin.get(&peyk, "admin/chat/rooms/1/messages/?sort=oldest&limit=1").await;
    assert_eq!(column(&first, "text"), ["Secret words"]);
    let (_, next) = first.json["next"].as_str().unwrap().split_once("/api/").unwrap();
    let last = admin.get(&peyk, next).await;
    assert_eq!(column(&last, "seq"), [2], "{last:?}");
    assert!(last.json["next"].is_null(), "{last:?}");
    let of_sara = admin.get(&peyk, "admin/chat/rooms/1/messages/?user_id=1").await;
    assert_eq!(column(&of_sara, "text"), ["Secret words"]);

    let before = audited(&peyk, "room").await.len();
    for path in ["admin/chat/rooms/999/", "admin/chat/rooms/999/messages/"] {
        assert_eq!(admin.get(&peyk, path).await.status, 404, "{path}");
    }
    assert_eq!(audited(&peyk, "room").await.len(), before, "nothing was looked at");
    let log = admin.get(&peyk, "admin/audit/?limit=100").await.json.to_string();
    assert!(!log.contains("Secret words"), "{log}");
}

#[tokio::test]
async fn organizations_are_found_and_their_people_shown_to_those_who_may() {
    let (peyk, [sara, _]) = furnished().await;
    let viewer = staff(&peyk, "viewer").await;
    let table: [(&str, &[i64]); 8] = [
        ("", &[1]),
        ("?search=sara's", &[1]),
        ("?search=THE_", &[1]),
        ("?search=shop", &[]),
        ("?owner_id=1", &[1]),
        ("?owner_id=2", &[]),
        ("?user_id=2", &[1]),
        ("?user_id=2&search=x", &[]),
    ];
    assert_found(&peyk, &viewer, "admin/organizations/", &table).await;
    let page = viewer.get(&peyk, "admin/organizations/").await;
    let row = &page.json["results"][0];
    assert_eq!((&row["member_count"], &row["owner_id"]), (&json!(2), &json!(1)), "{page:?}");
    assert_eq!(viewer.get(&peyk, "admin/organizations/999/").await.status, 404);
    for (role, whole) in [("viewer", false), ("support", true), ("finance", false), ("admin", true)]
    {
        let by = staff(&peyk, role).await;
        let one = by.get(&peyk, "admin/organizations/1/").await;
        let shown = one.json.to_string();
        for secret in ["Ahmadi", "09350000001", &sara.mobile] {
            assert_eq!(shown.contains(secret), whole, "{role} sees {secret}: {shown}");
        }
        let masked = [shown.contains("0935***01"), shown.contains("A***")];
        assert_eq!(masked, [!whole; 2], "{role}: {shown}");
        assert_eq!(one.json["members"][1]["role"], "owner", "{shown}");
    }
    let told = audited(&peyk, "organization").await;
    let is_look = |(action, id, _): &&(String, Option<i64>, Value)| {
        action == "organization.viewed" && *id == Some(1)
    };
    assert_eq!(told.iter().filter(is_look).count(), 4);
    assert_eq!(told.last().unwrap().2, json!({"shown": "whole"}));
}
