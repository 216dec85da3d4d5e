//! Who may do what with messages: every operation on them, tried by everybody, in rooms that are open,
//! closed and held.

use peyk_tests::harness::Peyk;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    login_steps::patient,
    people::{Person, ask, unique},
};

/// Who tries: those with nothing to do with the room, and its members by what they are.
const WHO: [&str; 11] = [
    "anonymous",
    "stranger",
    "other tenant",
    "staff",
    "banned",
    "reader",
    "muted",
    "member",
    "author",
    "admin",
    "owner",
];

/// An operation of the document and what each of [`WHO`] is answered.
struct Row(&'static str, &'static str, &'static str, [u16; 11]);

/// Whoever belongs to the room may.
const MEMBERS: [u16; 11] = [401, 404, 404, 404, 403, 200, 200, 200, 200, 200, 200];
/// To others the room is empty.
const HIDDEN: [u16; 11] = [401, 200, 200, 200, 403, 200, 200, 200, 200, 200, 200];
/// Whoever may write may.
const WRITERS: [u16; 11] = [401, 404, 404, 404, 403, 403, 403, 200, 200, 200, 200];
/// Only the author may.
const AUTHOR: [u16; 11] = [401, 404, 404, 404, 403, 403, 403, 403, 200, 403, 403];

const TABLE: [Row; 11] = [
    Row("listChatMessages", "GET", "chat/messages/?chat_room={room}", HIDDEN),
    Row(
        "postChatMessage",
        "POST",
        "chat/messages/",
        [401, 404, 404, 404, 403, 403, 403, 201, 201, 201, 201],
    ),
    Row(
        "searchChatMessages",
        "GET",
        "chat/messages/search/?q=sesame",
        [401, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200],
    ),
    Row("getChatMessage", "GET", "chat/messages/{id}/", MEMBERS),
    Row("editChatMessage", "PATCH", "chat/messages/{id}/", AUTHOR),
    Row("replaceChatMessage", "PUT", "chat/messages/{id}/", AUTHOR),
    Row(
        "deleteChatMessage",
        "DELETE",
        "chat/messages/{id}/",
        [401, 404, 404, 404, 403, 403, 403, 403, 204, 204, 204],
    ),
    Row("addChatReaction", "POST", "chat/messages/{id}/reactions/", WRITERS),
    Row("removeChatReaction", "DELETE", "chat/messages/{id}/reactions/?emoji=x", MEMBERS),
    Row("readChatRoom", "POST", "chat/chatrooms/{room}/read/", MEMBERS),
    Row("listChatEvents", "GET", "chat/chatrooms/{room}/events/", MEMBERS),
];

/// What is only answered otherwise while the room is closed or held, to the last four of [`WHO`].
const CLOSED: [(&str, [u16; 4]); 5] = [
    ("postChatMessage", [403, 403, 403, 403]),
    ("editChatMessage", [403, 403, 403, 403]),
    ("replaceChatMessage", [403, 403, 403, 403]),
    ("addChatReaction", [403, 403, 403, 403]),
    ("deleteChatMessage", [403, 204, 204, 204]),
];
const HELD: [(&str, [u16; 4]); 5] = [
    ("postChatMessage", [403, 403, 201, 201]),
    ("editChatMessage", [403, 403, 403, 403]),
    ("replaceChatMessage", [403, 403, 403, 403]),
    ("addChatReaction", [403, 403, 200, 200]),
    ("deleteChatMessage", [403, 204, 204, 204]),
];

impl Row {
    fn body(&self, room: i64) -> Option<Value> {
        Some(match self.0 {
            "postChatMessage" => json!({"chat_room": room, "text": "new"}),
            "editChatMessage" | "replaceChatMessage" => json!({"text": "edited"}),
            "addChatReaction" => json!({"emoji": "y"}),
            "readChatRoom" => json!({}),
            _ => return None,
        })
    }
}

/// Everybody of [`WHO`] but the first.
struct People(Vec<Person>);

impl People {
    async fn new(peyk: &Peyk) -> Self {
        let mut people = Vec::new();
        for _ in &WHO[1..] {
            people.push(Person::new(peyk).await);
        }
        people[2].join_staff(peyk, "admin").await;
        let body = json!({"name": "Another", "uname": format!("another_{}", unique())});
        assert_eq!(people[1].post(peyk, "organizations/", &body).await.status, 201);
        Self(people)
    }

    fn named(&self, name: &str) -> Option<&Person> {
        WHO.iter().position(|who| *who == name)?.checked_sub(1).map(|place| &self.0[place])
    }

    /// A room with everybody at their place and one message of the author's, somebody's reaction on it.
    async fn room(&self, peyk: &Peyk, status: i16) -> (i64, i64) {
        let id = |name| self.named(name).unwrap().id;
        let make = "WITH made AS (
                INSERT INTO rooms (head, head_at, created_at, status, name)
                VALUES (1, now(), now(), $1, 'sesame street') RETURNING id),
            members AS (
                INSERT INTO room_members (room_id, user_id, role, levels, joined_at, muted_until)
                SELECT made.id, m.user_id, m.role, m.levels, now(),
                       CASE WHEN m.user_id = $4 THEN now() + interval '1 hour' END
                FROM made, unnest($2::bigint[], $3::text[], $5::smallint[])
                    AS m(user_id, role, levels)),
            banned AS (
                INSERT INTO room_bans (room_id, user_id, created_at)
                SELECT id, $6, now() FROM made),
            said AS (
                INSERT INTO chat_messages (room_id, seq, sender_id, type, text, folded, created_at)
                SELECT id, 1, $7, 'text', 'open sesame', 'open sesame', now() FROM made
                RETURNING id, room_id),
            reacted AS (
                INSERT INTO message_reactions (message_id, user_id, emoji, created_at)
                SELECT id, $7, 'x', now() FROM said)
            SELECT room_id, id FROM said";
        let names = ["reader", "muted", "member", "author", "admin", "owner"];
        let roles = names.map(|name| if name == "owner" { "owner" } else { "member" });
        // Reads only; takes part; takes part and puts members out.
        let levels = names.map(|name| match name {
            "reader" => 1_i16,
            "admin" => 1 << 1 | 1 << 3,
            _ => 1 << 1,
        });
        sqlx::query_as(make)
            .bind(status)
            .bind(names.map(id))
            .bind(roles)
            .bind(id("muted"))
            .bind(levels)
            .bind(id("banned"))
            .bind(id("author"))
            .fetch_one(&peyk.database.pool)
            .await
            .unwrap()
    }
}

/// Everything of a room that could be changed, but what concerns only whoever reads on.
async fn snapshot(peyk: &Peyk, room: i64) -> Value {
    let state = "SELECT jsonb_build_array(
            (SELECT to_jsonb(r) FROM rooms r WHERE id = $1),
            (SELECT jsonb_agg(to_jsonb(m) - 'read_seq' - 'read_at' ORDER BY user_id)
             FROM room_members m WHERE room_id = $1),
            (SELECT jsonb_agg(c ORDER BY id) FROM chat_messages c WHERE room_id = $1),
            (SELECT jsonb_agg(e ORDER BY seq) FROM room_events e WHERE room_id = $1),
            (SELECT jsonb_agg(x ORDER BY user_id, emoji) FROM message_reactions x
             JOIN chat_messages c ON c.id = x.message_id WHERE c.room_id = $1))";
    sqlx::query_scalar(state).bind(room).fetch_one(&peyk.database.pool).await.unwrap()
}

/// Tries one operation in a fresh room.
async fn try_one(peyk: &Peyk, people: &People, (row, who): (&Row, &str), status: i16) -> u16 {
    let (room, message) = people.room(peyk, status).await;
    let path = row.2.replace("{room}", &room.to_string()).replace("{id}", &message.to_string());
    let before = snapshot(peyk, room).await;
    let method = Method::from_bytes(row.1.as_bytes()).unwrap();
    let token = people.named(who).map(|person| person.token.as_str());
    let answer = ask(peyk, 0, method, &path, token, row.body(room).as_ref()).await;
    let belongs = WHO.iter().position(|it| *it == who) > Some(4);
    let case = format!("{} by {who}", row.0);
    if !belongs {
        let shown = answer.json.to_string();
        assert!(!shown.contains("sesame"), "{case} shows what was said: {shown}");
    }
    let may_change = belongs && answer.status < 300 && row.1 != "GET";
    if !may_change {
        assert_eq!(snapshot(peyk, room).await, before, "{case} changed something");
    }
    answer.status
}

#[tokio::test]
async fn every_operation_on_messages_is_open_to_whom_the_table_says_and_to_nobody_else() {
    let peyk = patient().set("CHAT__RATE", "1000/1m").start().await;
    let people = People::new(&peyk).await;
    for row in &TABLE {
        for (who, expected) in WHO.iter().zip(row.3) {
            let status = try_one(&peyk, &people, (row, who), 1).await;
            assert_eq!(status, expected, "{} by {who}", row.0);
        }
    }
}

#[tokio::test]
async fn nobody_writes_in_a_closed_room_and_few_in_a_held_one() {
    let peyk = patient().set("CHAT__RATE", "1000/1m").start().await;
    let people = People::new(&peyk).await;
    for (status, other) in [(2, CLOSED), (3, HELD)] {
        for row in &TABLE {
            let other = other.iter().find(|(id, _)| *id == row.0).map(|(_, answers)| answers);
            for (place, who) in WHO[7..].iter().enumerate() {
                let expected = other.map_or(row.3[7 + place], |answers| answers[place]);
                let answered = try_one(&peyk, &people, (row, who), status).await;
                assert_eq!(answered, expected, "{} by {who}, status {status}", row.0);
            }
        }
    }
}
