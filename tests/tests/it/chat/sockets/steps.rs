//! What the tests of sockets do again and again.

use peyk_tests::harness::{Answer, NotOpened, Peyk, WebSocket};
use serde_json::{Value, json};

use crate::session_steps::{access, account, forgeable};

/// Somebody with a session.
pub(super) struct Chatter {
    pub(super) id: i64,
    pub(super) session: i64,
    pub(super) username: String,
    pub(super) token: String,
}

/// Two api processes, and nobody else.
pub(super) async fn two_apis() -> Peyk {
    forgeable().apis(2).workers(0).set("CHAT__RATE", "100000/1s").start().await
}

/// So many people.
pub(super) async fn people<const N: usize>(peyk: &Peyk) -> [Chatter; N] {
    let mut people = Vec::new();
    for _ in 0..N {
        let (id, sessions) = account(peyk, 1).await;
        let username = "SELECT username FROM users WHERE id = $1";
        let username = sqlx::query_scalar(username).bind(id);
        people.push(Chatter {
            id,
            session: sessions[0],
            username: username.fetch_one(&peyk.database.pool).await.unwrap(),
            token: access(id, sessions[0]),
        });
    }
    people.try_into().ok().unwrap()
}

/// A group: its owner first.
pub(super) async fn group(peyk: &Peyk, people: &[&Chatter]) -> i64 {
    let room =
        "INSERT INTO rooms (name, head_at, created_at) VALUES ('g', now(), now()) RETURNING id";
    let room: i64 = sqlx::query_scalar(room).fetch_one(&peyk.database.pool).await.unwrap();
    for (at, person) in people.iter().enumerate() {
        let role = if at == 0 { "owner" } else { "member" };
        let join = "INSERT INTO room_members (room_id, user_id, role, levels, joined_at)
            VALUES ($1, $2, $3, 2, now())";
        let join = sqlx::query(join).bind(room).bind(person.id).bind(role);
        join.execute(&peyk.database.pool).await.unwrap();
    }
    room
}

/// The old address of a room's socket at one of the processes, with the token in it.
pub(super) fn address(peyk: &Peyk, api: usize, room: i64, who: &Chatter) -> String {
    format!("{}/api/chat/{room}/?token={}", peyk.urls[api], who.token)
}

/// A socket that knows the old frames only.
pub(super) async fn old_socket(peyk: &Peyk, api: usize, room: i64, who: &Chatter) -> WebSocket {
    WebSocket::open(&address(peyk, api, room, who), &[]).await.unwrap()
}

/// A socket of typed frames; its first heartbeat is taken.
pub(super) async fn socket(peyk: &Peyk, api: usize, room: i64, who: &Chatter) -> WebSocket {
    let mut socket = try_socket(peyk, api, room, who).await.unwrap();
    socket.frame_of("heartbeat").await;
    socket
}

/// The same, if it is opened.
pub(super) async fn try_socket(
    peyk: &Peyk,
    api: usize,
    room: i64,
    who: &Chatter,
) -> Result<WebSocket, NotOpened> {
    let headers = [("Sec-WebSocket-Protocol", "peyk.v1")];
    WebSocket::open(&address(peyk, api, room, who), &headers).await
}

/// A socket for all rooms.
pub(super) async fn all_rooms(peyk: &Peyk, api: usize, who: &Chatter) -> WebSocket {
    let url = format!("{}/api/chat/ws/?token={}", peyk.urls[api], who.token);
    WebSocket::open(&url, &[]).await.unwrap()
}

/// Posts over HTTP, at one of the processes.
pub(super) async fn post(peyk: &Peyk, api: usize, room: i64, who: &Chatter, text: &str) -> Answer {
    let url = format!("{}/api/chat/messages/", peyk.urls[api]);
    let request = peyk.client().post(url).bearer_auth(&who.token);
    let answer = peyk.send(request.json(&json!({"chat_room": room, "text": text}))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

/// Posts so many messages into the log by hand, as a process does that can tell nobody.
pub(super) async fn write_log(peyk: &Peyk, room: i64, who: &Chatter, count: i64) {
    write_texts(peyk, room, who, count, "m").await;
}

/// The same with this text.
pub(super) async fn write_texts(peyk: &Peyk, room: i64, who: &Chatter, count: i64, text: &str) {
    let write = "WITH room AS (
            UPDATE rooms SET head = head + $3, head_at = now() WHERE id = $1 RETURNING head)
        INSERT INTO chat_messages (room_id, seq, sender_id, type, text, folded, created_at)
        SELECT $1, room.head - $3 + n, $2, 'text', $4, 'm', now()
        FROM room, generate_series(1, $3) n";
    let write = sqlx::query(write).bind(room).bind(who.id).bind(count).bind(text);
    write.execute(&peyk.database.pool).await.unwrap();
}

/// Writes an event into the log by hand and does what makes it true.
pub(super) async fn write_event(peyk: &Peyk, room: i64, kind: &str, subject: &Chatter, and: &str) {
    let mut tx = peyk.database.pool.begin().await.unwrap();
    let event = "WITH room AS (
            UPDATE rooms SET head = head + 1, head_at = now() WHERE id = $1 RETURNING head)
        INSERT INTO room_events (room_id, seq, kind, subject_id, created_at)
        SELECT $1, head, $2, $3, now() FROM room";
    let event = sqlx::query(event).bind(room).bind(kind).bind(subject.id);
    event.execute(&mut *tx).await.unwrap();
    if !and.is_empty() {
        let and = sqlx::query(sqlx::AssertSqlSafe(and.to_owned())).bind(room).bind(subject.id);
        and.execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// What takes a membership away.
pub(super) const OUT: &str = "DELETE FROM room_members WHERE room_id = $1 AND user_id = $2";

/// The numbers of the messages among these frames.
pub(super) fn numbers(frames: &[Value]) -> Vec<i64> {
    let messages = frames.iter().filter(|frame| frame["type"] == "chat_message");
    messages.map(|frame| frame["seq"].as_i64().unwrap()).collect()
}
