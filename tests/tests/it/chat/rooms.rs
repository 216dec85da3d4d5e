//! Rooms over HTTP: what people do with them, and what a request cannot do.

use peyk_tests::harness::{Answer, Peyk};
use reqwest::Method;
use serde_json::{Value, json};

use super::room_matrix::{assert_private, roomy};
use crate::{
    login_steps::header,
    people::{Person, column},
};

async fn people<const N: usize>(peyk: &Peyk) -> [Person; N] {
    let mut all = Vec::new();
    for _ in 0..N {
        all.push(Person::new(peyk).await);
    }
    all.try_into().unwrap()
}

async fn group(peyk: &Peyk, owner: &Person, others: &[&Person]) -> i64 {
    let users: Vec<_> = others.iter().map(|person| person.id).collect();
    let made = owner.post(peyk, "chat/chatrooms/", &json!({"users": users, "name": "g"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json["id"].as_i64().unwrap()
}

async fn send(peyk: &Peyk, by: &Person, method: Method, path: &str) -> u16 {
    by.ask(peyk, method, path, None).await.status
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn two_people_have_one_room_whoever_asks_and_however_they_name_the_other() {
    let peyk = roomy().apis(2).start().await;
    let [one, other] = people(&peyk).await;
    let first = one.post(&peyk, "chat/chatrooms/", &json!({"user": other.id})).await;
    assert_eq!(first.status, 201, "{first:?}");
    let room = &first.json["id"];
    for (person, body) in [
        (&one, json!({"user_id": other.id.to_string()})),
        (&other, json!({"user_id": one.id, "name": "ignored"})),
        (&other, json!({"user": one.id})),
    ] {
        let path = "chat/chatrooms/";
        let again = person.ask_at(&peyk, 1, Method::POST, path, Some(&body)).await;
        assert_eq!((again.status, &again.json["id"]), (200, room), "{again:?}");
        assert_private(&again, Some(person), &[one.clone(), other.clone()]);
    }
    assert_eq!(first.json["is_direct"], true);
    assert_eq!(first.json["permissions"], json!([]));
    let own = one.post(&peyk, "chat/chatrooms/", &json!({"user_id": one.id})).await;
    assert_eq!((own.status, &own.json["member_count"]), (201, &json!(1)));
    for (body, expected) in [
        (json!({}), (404, "not_found")),
        (json!({"user_id": 999_999_999}), (404, "not_found")),
        (json!({"user_id": "abc"}), (400, "validation")),
        (json!({"users": ["x"]}), (400, "validation")),
        (json!({"user_id": other.id, "name": "x".repeat(46)}), (400, "validation")),
        (json!({"user_id": other.id, "name": "a\u{202e}b"}), (400, "validation")),
        (json!({"user_id": other.id, "organization": 999_999}), (404, "not_found")),
    ] {
        let refused = one.post(&peyk, "chat/chatrooms/", &body).await;
        assert_eq!(code(&refused), expected, "{body}");
    }
}

#[tokio::test]
async fn a_request_sets_nothing_but_what_it_may() {
    let peyk = roomy().start().await;
    let [owner, member, stranger] = people(&peyk).await;
    let forged = json!({
        "users": [member.id], "id": 1, "status": 2, "head": 99, "head_at": "2000-01-01T00:00:00Z",
        "created_at": "2000-01-01T00:00:00Z", "deleted_at": "2000-01-01T00:00:00Z",
        "direct_low": owner.id, "direct_high": owner.id, "user_1": stranger.id,
        "permissions": [{"user": stranger.id, "access": [12]}], "banneds": [member.id],
        "pinned_for": [stranger.id], "role": "member", "levels": [0], "slow_seconds": 5,
        "unread_count": 7, "owner": stranger.id, "avatar_id": 1, "is_direct": true,
    });
    let made = owner.post(&peyk, "chat/chatrooms/", &forged).await;
    assert_eq!(made.status, 201, "{made:?}");
    let room = made.json["id"].as_i64().unwrap();
    let is_plain = |json: &Value| {
        let same = |name: &str, value: Value| assert_eq!(json[name], value, "{name}");
        same("status", json!(1));
        same("is_direct", json!(false));
        same("user_1", Value::Null);
        same("banneds", json!([]));
        same("pinned_for", json!([]));
        same("slow_seconds", json!(0));
        same("unread_count", json!(0));
        same("avatar_url", Value::Null);
        same("role", json!("owner"));
        let users: Vec<_> =
            json["users"].as_array().unwrap().iter().map(|user| user["id"].clone()).collect();
        assert_eq!(users, [json!(owner.id), json!(member.id)]);
        assert_eq!(json["permissions"].as_array().unwrap().len(), 1);
    };
    is_plain(&made.json);
    let path = format!("chat/chatrooms/{room}/");
    let before = owner.get(&peyk, &path).await.json;
    let mut forged = forged;
    for name in ["status", "slow_seconds", "avatar_id"] {
        forged.as_object_mut().unwrap().remove(name);
    }
    for method in [Method::PATCH, Method::PUT] {
        let changed = owner.ask(&peyk, method, &path, Some(&forged)).await;
        assert_eq!((changed.status, &changed.json), (200, &before));
    }
    assert_eq!(stranger.get(&peyk, &path).await.status, 404);
}

#[tokio::test]
async fn rooms_are_listed_page_by_page_with_what_is_new_first() {
    let peyk = roomy().start().await;
    let [one, other] = people(&peyk).await;
    let mut rooms = Vec::new();
    for _ in 0..5 {
        rooms.push(group(&peyk, &one, &[&other]).await);
    }
    let body = json!({"chat_room": rooms[1], "text": "salam"});
    assert_eq!(other.post(&peyk, "chat/messages/", &body).await.status, 201);
    let (mut seen, mut path) = (Vec::new(), "chat/chatrooms/?limit=2".to_owned());
    loop {
        let page = one.get(&peyk, &path).await;
        assert_eq!(page.status, 200, "{page:?}");
        let list = page.json.as_array().unwrap();
        assert!(list.len() <= 2);
        seen.extend(list.iter().map(|room| room["id"].as_i64().unwrap()));
        let Some(link) = header(&page, "link") else { break };
        let url = link.strip_prefix('<').unwrap().split_once(">; rel=\"next\"").unwrap().0;
        path = url.split_once("/api/").unwrap().1.to_owned();
    }
    assert_eq!(seen, [rooms[1], rooms[4], rooms[3], rooms[2], rooms[0]]);
    let first = &one.get(&peyk, "chat/chatrooms/?limit=1").await.json[0];
    assert_eq!(first["unread_count"], 1);
    assert_eq!(first["last_message"]["text"], "salam");
    assert_eq!(first["last_message"]["sender"]["id"], other.id);
    for (query, status) in [("before=x", 400), ("limit=0", 400), ("limit=501", 400)] {
        let refused = one.get(&peyk, &format!("chat/chatrooms/?{query}")).await;
        assert_eq!(refused.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_group_is_run_by_its_owner_and_whom_they_let() {
    let peyk = roomy().start().await;
    let [owner, admin, member, guest] = people(&peyk).await;
    let room = group(&peyk, &owner, &[&admin, &member]).await;
    let path = |rest: &str| format!("chat/chatrooms/{room}/{rest}");
    let kick = path(&format!("members/{}/", member.id));
    assert_eq!(send(&peyk, &admin, Method::DELETE, &kick).await, 403);
    let grant = json!({"user_id": admin.id, "access": [2, 3, "4"]});
    let granted = owner.post(&peyk, &path("permissions/"), &grant).await;
    assert_eq!(granted.json["access"], json!([1, 2, 3, 4]), "{granted:?}");
    let ranks = member.get(&peyk, &path("permissions/")).await;
    assert_eq!(column(&ranks, "role").len(), 2);
    assert_eq!(send(&peyk, &admin, Method::DELETE, &kick).await, 200);
    assert_eq!(send(&peyk, &member, Method::GET, &path("")).await, 404);
    let users = json!({"users": [member.id, guest.id]});
    let added = admin.post(&peyk, &path("members/"), &users).await;
    assert_eq!(added.json["member_count"], 4, "{added:?}");

    let ban = json!({"user_id": guest.id, "reason": "spam"});
    assert_eq!(admin.post(&peyk, &path("bans/"), &ban).await.status, 200);
    assert_eq!(code(&guest.get(&peyk, &path("")).await), (403, "banned"));
    let added = admin.post(&peyk, &path("members/"), &users).await;
    assert_eq!(code(&added), (409, "person_banned"));
    assert_eq!(owner.get(&peyk, &path("")).await.json["banneds"], json!([guest.id]));
    let bans = admin.get(&peyk, &path("bans/")).await;
    assert_eq!(column(&bans, "reason"), [&json!("spam")]);

    let mute = path(&format!("members/{}/mute/", member.id));
    assert_eq!(owner.post(&peyk, &mute, &json!({"seconds": 3600})).await.status, 200);
    let words = json!({"chat_room": room, "text": "hm"});
    assert_eq!(code(&member.post(&peyk, "chat/messages/", &words).await), (403, "muted"));
    assert!(member.get(&peyk, &path("")).await.json["muted_until"].is_string());
    assert_eq!(send(&peyk, &owner, Method::DELETE, &mute).await, 200);
    assert_eq!(member.post(&peyk, "chat/messages/", &words).await.status, 201);

    let held = json!({"status": 3});
    assert_eq!(owner.ask(&peyk, Method::PATCH, &path(""), Some(&held)).await.status, 200);
    assert_eq!(code(&member.post(&peyk, "chat/messages/", &words).await), (403, "room_held"));
    assert_eq!(admin.post(&peyk, "chat/messages/", &words).await.status, 201);
    assert_eq!(send(&peyk, &owner, Method::POST, &path("close/")).await, 200);
    assert_eq!(code(&admin.post(&peyk, "chat/messages/", &words).await), (403, "room_closed"));

    let leave = owner.ask(&peyk, Method::POST, &path("leave/"), None).await;
    assert_eq!(code(&leave), (409, "room_owner_stays"));
    let to = json!({"user_id": admin.id});
    assert_eq!(owner.post(&peyk, &path("transfer/"), &to).await.status, 200);
    assert_eq!(send(&peyk, &owner, Method::POST, &path("leave/")).await, 200);
    assert_eq!(admin.get(&peyk, &path("")).await.json["role"], "owner");
    let audited: Vec<String> = sqlx::query_scalar(
        "SELECT action FROM audit_events WHERE subject = 'room' AND subject_id = $1 ORDER BY id",
    )
    .bind(room)
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    assert_eq!(audited, ["room.member_removed", "room.member_banned", "room.transferred"]);
}

#[tokio::test]
async fn who_blocks_somebody_hears_nothing_of_them() {
    let peyk = roomy().start().await;
    let [one, other] = people(&peyk).await;
    let room = one.post(&peyk, "chat/chatrooms/", &json!({"user_id": other.id})).await;
    let words = json!({"chat_room": room.json["id"], "text": "hello"});
    assert_eq!(one.post(&peyk, "chat/messages/", &words).await.status, 201);
    let whom = json!({"user_id": one.id});
    assert_eq!(other.post(&peyk, "chat/blocks/", &whom).await.status, 200);
    let listed = other.get(&peyk, "chat/blocks/").await;
    assert_eq!(column(&listed, "user")[0]["id"], one.id);
    assert!(column(&one.get(&peyk, "chat/blocks/").await, "user").is_empty());
    for person in [&one, &other] {
        let refused = person.post(&peyk, "chat/messages/", &words).await;
        assert_eq!(code(&refused), (403, "blocked"));
    }
    let users = json!({"users": [other.id]});
    assert_eq!(one.post(&peyk, "chat/chatrooms/", &users).await.status, 404);
    let unblock = format!("chat/blocks/{}/", one.id);
    assert_eq!(send(&peyk, &other, Method::DELETE, &unblock).await, 200);
    assert_eq!(send(&peyk, &other, Method::DELETE, &unblock).await, 404);
    assert_eq!(one.post(&peyk, "chat/messages/", &words).await.status, 201);
}

#[tokio::test]
async fn what_is_reported_is_looked_at_by_staff_and_written_down() {
    let peyk = roomy().start().await;
    let [author, reporter, staff] = people(&peyk).await;
    staff.join_staff(&peyk, "support").await;
    let room = group(&peyk, &author, &[&reporter]).await;
    let words = json!({"chat_room": room, "text": "buy this"});
    let message = author.post(&peyk, "chat/messages/", &words).await.json["id"].as_i64().unwrap();
    let path = format!("chat/messages/{message}/report/");
    let wrong = reporter.post(&peyk, &path, &json!({"reason": "boring"})).await;
    assert_eq!(code(&wrong), (400, "validation"));
    let why = json!({"reason": "spam", "note": "again"});
    let made = reporter.post(&peyk, &path, &why).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(reporter.post(&peyk, &path, &why).await.json["id"], made.json["id"]);
    assert_eq!(code(&author.post(&peyk, &path, &why).await), (409, "oneself"));

    let open = staff.get(&peyk, "admin/chat/reports/").await;
    assert_eq!(column(&open, "text"), [&json!("buy this")]);
    assert_private(&open, Some(&staff), &[author.clone(), reporter.clone()]);
    let settle = format!("admin/chat/reports/{}/settle/", made.json["id"]);
    let settled = staff.post(&peyk, &settle, &json!({"outcome": "removed"})).await;
    assert_eq!((settled.status, &settled.json["outcome"]), (200, &json!("removed")));
    assert_eq!(settled.json["text"], "");
    let shown = author.get(&peyk, &format!("chat/messages/?chat_room={room}")).await;
    assert!(column(&shown, "id").is_empty(), "{shown:?}");
    assert_eq!(staff.post(&peyk, &settle, &json!({"outcome": "dismissed"})).await.status, 404);
    let close = format!("admin/chat/rooms/{room}/close/");
    assert_eq!(send(&peyk, &staff, Method::POST, &close).await, 200);
    let refused = author.post(&peyk, "chat/messages/", &words).await;
    assert_eq!(code(&refused), (403, "room_closed"));
    let audited: Vec<String> = sqlx::query_scalar(
        "SELECT action FROM audit_events WHERE actor_user_id = $1
           AND subject IN ('room', 'report') ORDER BY id",
    )
    .bind(staff.id)
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    assert_eq!(audited, ["report.searched", "chat.report_settled", "room.closed_by_staff"]);
}

#[tokio::test]
async fn what_staff_closed_only_staff_open_again() {
    let peyk = roomy().start().await;
    let [owner, member, staff] = people(&peyk).await;
    staff.join_staff(&peyk, "support").await;
    let room = group(&peyk, &owner, &[&member]).await;
    let path = |rest: &str| format!("chat/chatrooms/{room}/{rest}");
    let [close, reopen] =
        ["close", "reopen"].map(|verb| format!("admin/chat/rooms/{room}/{verb}/"));
    assert_eq!(send(&peyk, &owner, Method::POST, &path("close/")).await, 200);
    assert_eq!(send(&peyk, &staff, Method::POST, &reopen).await, 404, "its owner closed it");
    assert_eq!(send(&peyk, &staff, Method::POST, &close).await, 200);
    let refused = owner.ask(&peyk, Method::POST, &path("reopen/"), None).await;
    assert_eq!(code(&refused), (403, "room_closed_by_staff"));
    for status in [1, 3] {
        let body = json!({"status": status, "name": "other"});
        let refused = owner.ask(&peyk, Method::PATCH, &path(""), Some(&body)).await;
        assert_eq!(code(&refused), (403, "room_closed_by_staff"));
    }
    let renamed = owner.ask(&peyk, Method::PATCH, &path(""), Some(&json!({"name": "n"}))).await;
    assert_eq!((renamed.status, &renamed.json["status"]), (200, &json!(2)));
    let refused = member.ask(&peyk, Method::POST, &path("reopen/"), None).await;
    assert_eq!(code(&refused), (403, "permission_denied"));
    assert_eq!(send(&peyk, &staff, Method::POST, &reopen).await, 200);
    assert_eq!(send(&peyk, &staff, Method::POST, &reopen).await, 404);
    let words = json!({"chat_room": room, "text": "again"});
    assert_eq!(member.post(&peyk, "chat/messages/", &words).await.status, 201);
    assert_eq!(send(&peyk, &owner, Method::POST, &path("close/")).await, 200);
    assert_eq!(send(&peyk, &owner, Method::POST, &path("reopen/")).await, 200, "theirs again");
}

#[tokio::test]
async fn whoever_leaves_an_organization_or_is_erased_is_out_of_the_rooms() {
    let peyk = roomy().start().await;
    let [boss, member, other] = people(&peyk).await;
    let made = json!({"name": "Shop", "uname": format!("shop_{}", boss.id)});
    let organization = boss.post(&peyk, "organizations/", &made).await.json["id"].as_i64().unwrap();
    let join = "INSERT INTO organization_members (organization_id, user_id, role, joined_at)
        VALUES ($1, $2, 'member', now()), ($1, $3, 'member', now())";
    let pool = &peyk.database.pool;
    let join = sqlx::query(join).bind(organization).bind(member.id).bind(other.id);
    join.execute(pool).await.unwrap();
    let body = json!({"users": [boss.id, other.id], "organization": organization});
    let room = member.post(&peyk, "chat/chatrooms/", &body).await;
    assert_eq!(room.status, 201, "{room:?}");
    let path = format!("chat/chatrooms/{}/", room.json["id"]);

    let out = format!("organizations/{organization}/members/{}/", member.id);
    assert_eq!(send(&peyk, &boss, Method::DELETE, &out).await, 200);
    assert_eq!(send(&peyk, &member, Method::GET, &path).await, 404);
    let owner = boss.get(&peyk, &path).await.json;
    assert_eq!((&owner["role"], &owner["member_count"]), (&json!("owner"), &json!(2)));
    let rest = format!("organizations/{organization}/");
    assert_eq!(send(&peyk, &boss, Method::DELETE, &rest).await, 200);
    assert_eq!(send(&peyk, &other, Method::GET, &path).await, 404);

    let group = group(&peyk, &member, &[&other]).await;
    let (worked, output) =
        peyk.run("api", &["users", "erase", &member.id.to_string(), "--yes"]).await;
    assert!(worked, "{output}");
    let seen = other.get(&peyk, &format!("chat/chatrooms/{group}/")).await.json;
    assert_eq!((&seen["role"], &seen["member_count"]), (&json!("owner"), &json!(1)));
}

#[tokio::test]
async fn new_rooms_and_changes_have_limits() {
    let peyk = roomy().set("CHAT__DAILY_ROOMS", "2").set("CHAT__RATE", "6/1h").start().await;
    let [one, other] = people(&peyk).await;
    for _ in 0..2 {
        group(&peyk, &one, &[&other]).await;
    }
    let third = one.post(&peyk, "chat/chatrooms/", &json!({"users": []})).await;
    assert_eq!(code(&third), (429, "daily_room_limit"));
    assert!(third.json["retry_after"].as_i64().unwrap() > 0);
    assert!(header(&third, "retry-after").is_some());
    let mut last = third;
    for _ in 0..5 {
        last = one.post(&peyk, "chat/chatrooms/", &json!({})).await;
    }
    assert_eq!(code(&last), (429, "rate_limited"));
    assert_eq!(one.get(&peyk, "chat/chatrooms/").await.status, 200, "looking costs nothing");
}
